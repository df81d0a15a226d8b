/** What `npm run fuzz` throws at what reads frames and the messages in them (specification, section 3). */
import {
  Common,
  assemble,
  DecodeError,
  describe,
  type Direction,
  ExtensionsNegotiation,
  Frame,
  JobDeclaration,
  Mining,
  Protocol,
  TemplateDistribution,
  toLine,
  WorkerIdentity
} from "@sluice/protocol"
import { FrameReader } from "../../packages/transport/src/frames/frame-reader.ts"
import { Arbitrary, Effect } from "effect"
import { ok } from "node:assert/strict"
import { isDeepStrictEqual } from "node:util"
import type { FuzzTarget } from "./target.ts"

const withWorkers = [WorkerIdentity.extension]
const directions = [Mining.protocol, JobDeclaration.protocol, TemplateDistribution.protocol].flatMap((protocol) => {
  const spoken = Protocol.negotiated(
    Protocol.extend(protocol as never, [...Common.setupMessages, ...ExtensionsNegotiation.messages]),
    withWorkers
  )
  return [spoken.toServer, spoken.toClient, Protocol.forwarding(spoken).toServer]
}) as unknown as ReadonlyArray<Direction<{ readonly _tag: string }>>

/** One random message of each kind, the same every time. */
const messageFrames = (): ReadonlyArray<Uint8Array> =>
  directions.flatMap((direction) =>
    direction.messages.map((message) => {
      const [value] = Effect.runSync(
        Arbitrary.sampleEffect(message.arbitrary as Arbitrary.Arbitrary<unknown>, { count: 1, seed: 1, size: 8 })
      )
      return direction.encode(value as never)
    })
  )

const runMessages = (input: Uint8Array): void => {
  const frame = Frame.read(input)
  if (frame === undefined) return
  for (const direction of directions) {
    let read: ReturnType<typeof direction.decodeWithTail>
    try {
      read = direction.decodeWithTail(frame)
    } catch (error) {
      if (error instanceof DecodeError) continue
      throw error
    }
    if (read === undefined) continue
    ok(read.tailAt <= frame.payload.length, "the message ends behind its payload")
    const again = direction.decode(Frame.read(direction.encode(read.message))!)
    ok(isDeepStrictEqual(again, read.message), `${read.message._tag} does not come back from its bytes`)
  }
}

/** The first byte says how the rest is cut. */
const runFrames = (input: Uint8Array): void => {
  const step = (input[0] ?? 0) + 1
  const stream = input.subarray(1)
  const read = (chunks: ReadonlyArray<Uint8Array>) => {
    const reader = new FrameReader(undefined, 1000)
    const frames: Array<Frame> = []
    for (const chunk of chunks) reader.push(chunk.slice(), frames)
    return { frames, failure: reader.failure?.message, pending: reader.pendingBytes }
  }
  const pieces: Array<Uint8Array> = []
  for (let at = 0; at < stream.length; at += step) pieces.push(stream.subarray(at, at + step))
  ok(isDeepStrictEqual(read([stream]), read(pieces)), "frames depend on how the bytes were cut")
}

const runDescribe = (input: Uint8Array): void => {
  const described = describe(input)
  const again = Buffer.concat(described.map((one) => assemble(JSON.parse(JSON.stringify(one)))))
  ok(Buffer.compare(again, input) === 0, "what is told does not come back as it was")
  for (const one of described) ok(!/\p{Cc}/u.test(toLine(one)), "a line is more than a line")
}

export const messagesTarget: FuzzTarget = { name: "messages", run: runMessages, seeds: messageFrames }
export const framesTarget: FuzzTarget = {
  name: "frames",
  run: runFrames,
  seeds: () =>
    messageFrames()
      .slice(0, 20)
      .map((frame) => Uint8Array.of(2, ...frame))
}
export const describeTarget: FuzzTarget = { name: "describe", run: runDescribe, seeds: messageFrames }
