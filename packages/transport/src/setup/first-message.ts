/** Decodes the first message of a connection, and makes the errors of the setup. */
import { type Direction, DecodeError, type Frame } from "@sluice/protocol"
import { Effect } from "effect"
import type { Endpoint } from "../endpoint.ts"
import type { FrameDuplex } from "../frames/frame-duplex.ts"
import { SetupError, UnexpectedFirstMessage } from "./setup-error.ts"

export const failWith = (frames: FrameDuplex, reason: SetupError["reason"]): Effect.Effect<never, SetupError> =>
  Effect.fail(new SetupError({ remote: frames.remote, reason }))

export const decodeFirst = <M>(
  direction: Direction<M>,
  frame: Frame,
  expected: string,
  remote: Endpoint
): Effect.Effect<M, DecodeError | SetupError> =>
  Effect.suspend((): Effect.Effect<M, DecodeError | SetupError> => {
    try {
      const message = direction.decode(frame, { copy: true })
      return message === undefined ? unexpected(frame, expected, remote) : Effect.succeed(message)
    } catch (error) {
      if (error instanceof DecodeError) return Effect.fail(error)
      throw error
    }
  })

const unexpected = (frame: Frame, expected: string, remote: Endpoint) => {
  const { extensionType, messageType } = frame
  return Effect.fail(
    new SetupError({ remote, reason: new UnexpectedFirstMessage({ extensionType, messageType, expected }) })
  )
}
