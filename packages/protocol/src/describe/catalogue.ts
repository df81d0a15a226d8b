/** Lists all declared messages and TLVs, for tools that read frames without a connection. */
import type { Extension } from "../extension.ts"
import * as Common from "../messages/common.ts"
import * as ExtensionsNegotiation from "../messages/extensions-negotiation.ts"
import * as JobDeclaration from "../messages/job-declaration.ts"
import type { Message } from "../message.ts"
import * as Mining from "../messages/mining.ts"
import type { Protocol } from "../protocol.ts"
import * as TemplateDistribution from "../messages/template-distribution.ts"
import type { Tlv } from "../tlv/tlv.ts"
import * as WorkerIdentity from "../messages/worker-identity.ts"

export const protocolNames = ["mining", "job-declaration", "template-distribution"] as const
export type ProtocolName = (typeof protocolNames)[number]

/** The messages to look in. */
export interface CatalogueOptions {
  /** The protocol of the connection. All protocols by default: no message type of the core has two meanings. */
  readonly protocol?: ProtocolName
  /** Extensions in addition to 0x0001 and 0x0002. */
  readonly extensions?: ReadonlyArray<Extension>
}

/** A message and the first protocol that has it. */
export interface Listed {
  readonly protocol: ProtocolName
  readonly message: Message
}

/** The options without the protocol, to look in all protocols. */
export const withoutProtocol = ({ extensions }: CatalogueOptions): CatalogueOptions =>
  extensions === undefined ? {} : { extensions }

/** The messages of the setup, of the protocol (or of all protocols), and of extensions. Each message appears once. */
export const listMessages = (options: CatalogueOptions): ReadonlyArray<Listed> => {
  if (options.extensions !== undefined) return makeList(options)
  const found = lists.get(options.protocol) ?? makeList(options)
  lists.set(options.protocol, found)
  return found
}

/** Cached lists without additional extensions. */
const lists = new Map<ProtocolName | undefined, ReadonlyArray<Listed>>()

const makeList = (options: CatalogueOptions): ReadonlyArray<Listed> => {
  const names = options.protocol === undefined ? protocolNames : [options.protocol]
  const ofExtensions = [...ExtensionsNegotiation.messages, ...(options.extensions ?? []).flatMap((one) => one.messages)]
  const listed = new Map<Message, ProtocolName>()
  for (const name of names) {
    const { toClient, toServer } = protocols[name]
    for (const message of [...Common.setupMessages, ...toServer.messages, ...toClient.messages, ...ofExtensions]) {
      if (!listed.has(message)) listed.set(message, name)
    }
  }
  return Array.from(listed, ([message, protocol]) => ({ protocol, message }))
}

/** The TLVs that may follow the message, in the required order. */
export const listTlvs = (message: Message, options: CatalogueOptions): ReadonlyArray<Tlv> =>
  [WorkerIdentity.extension, ...(options.extensions ?? [])]
    .toSorted((a, b) => a.id - b.id)
    .flatMap(({ tlvs }) => tlvs.filter(({ on }) => on.some(({ name }) => name === message.name)))

const protocols: Readonly<Record<ProtocolName, Protocol<unknown, unknown>>> = {
  mining: Mining.protocol,
  "job-declaration": JobDeclaration.protocol,
  "template-distribution": TemplateDistribution.protocol
}
