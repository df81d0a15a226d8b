/** Every message of every direction, for tests that are about all of them. */
import {
  Common,
  type Direction,
  ExtensionsNegotiation,
  JobDeclaration,
  type Message,
  Mining,
  Protocol,
  TemplateDistribution
} from "@sluice/protocol"

/** A direction of which the type is not known; its messages fit it because it found them itself. */
export type AnyDirection = Direction<{ readonly _tag: string }>

const negotiation = Protocol.make({ id: 0, name: "", messages: ExtensionsNegotiation.messages })

const setup = Common.setup as unknown as Readonly<Record<"toServer" | "toClient", AnyDirection>>

export const directions: ReadonlyArray<readonly [name: string, direction: AnyDirection]> = [
  ["setup to server", setup.toServer],
  ["setup to client", setup.toClient],
  ["mining to server", Mining.protocol.toServer as unknown as AnyDirection],
  ["mining to client", Mining.protocol.toClient as unknown as AnyDirection],
  ["job declaration to server", JobDeclaration.protocol.toServer as unknown as AnyDirection],
  ["job declaration to client", JobDeclaration.protocol.toClient as unknown as AnyDirection],
  ["extensions negotiation to server", negotiation.toServer as unknown as AnyDirection],
  ["extensions negotiation to client", negotiation.toClient as unknown as AnyDirection],
  ["template distribution to server", TemplateDistribution.protocol.toServer as unknown as AnyDirection],
  ["template distribution to client", TemplateDistribution.protocol.toClient as unknown as AnyDirection]
]

export const everyMessage: ReadonlyArray<{
  readonly title: string
  readonly direction: AnyDirection
  readonly message: Message
}> = directions.flatMap(([name, direction]) =>
  direction.messages.map((message) => ({ title: `${message.name} (${name})`, direction, message }))
)
