/**
 * All messages of the three protocols: decoded and encoded one after the other, as a server meets them, against handwritten
 * codecs; and how many bytes each takes of the heap. The messages are the typical ones of the conformance kit's vectors.
 */
import { Common, JobDeclaration, Mining, Protocol, TemplateDistribution } from "@sluice/protocol"
import { isDeepStrictEqual } from "node:util"
import vectors from "../../packages/conformance/vectors/messages.json" with { type: "json" }
import { bytesAllocated } from "./allocation.ts"
import { type AsyncCase, type Case, keep } from "./case.ts"
import * as Handwritten from "./handwritten-messages.ts"
import { measure } from "./measure.ts"

type Any = { readonly _tag: string }
type Decode = (type: number, payload: Uint8Array) => Any | undefined
type Encode = (message: Any) => Uint8Array

interface Sample {
  readonly frame: { readonly extensionType: number; readonly messageType: number; readonly payload: Uint8Array }
  readonly message: Any
  readonly direction: { decode(frame: Sample["frame"]): Any | undefined }
  /** Not the direction's, which encodes a message for many connections once. */
  readonly encode: Encode
}

const samplesOf = (name: string, protocol: Protocol<Any, Any>, decode: Decode, encode: Encode) => {
  // Where frames lie in life: in a chunk that was read from a socket.
  const chunk = new Uint8Array(65_536)
  let at = 0
  const { messages } = vectors.find(({ protocol }) => protocol === name)!
  const samples = messages
    // The common ones are the same in all three: they count once.
    .filter(({ messageType }) => name === "mining" || messageType > 0x0f)
    .map(({ extensionType, messageType, to, typical }): Sample => {
      const bytes = Buffer.from(typical.frame as string, "hex")
      chunk.set(bytes, at)
      const payload = chunk.subarray(at + 6, (at += bytes.length))
      const frame = { extensionType, messageType, payload }
      const direction = to === "client" ? protocol.toClient : protocol.toServer
      const message = direction.decode(frame)!
      if (!isDeepStrictEqual(decode(messageType, payload), message))
        throw new Error(`${message._tag}: decoded otherwise`)
      if (Buffer.compare(encode(message), bytes) !== 0) throw new Error(`${message._tag}: encoded otherwise`)
      return { frame, message, direction, encode: direction.find(extensionType, messageType)!.codec.encode as Encode }
    })
  return { name, decode, encode, samples }
}

type Samples = ReturnType<typeof samplesOf>

const withSetup = Protocol.extend(Mining.protocol, Common.setupMessages)

const protocols: ReadonlyArray<Samples> = [
  samplesOf("mining", withSetup as never, Handwritten.decodeMining, Handwritten.encodeMining as Encode),
  samplesOf(
    "job-declaration",
    JobDeclaration.protocol as never,
    Handwritten.decodeJobDeclaration,
    Handwritten.encodeJobDeclaration as Encode
  ),
  samplesOf(
    "template-distribution",
    TemplateDistribution.protocol as never,
    Handwritten.decodeTemplateDistribution,
    Handwritten.encodeTemplateDistribution as Encode
  )
]

const worksOf = ({ decode, encode, samples }: Samples) => ({
  decode: {
    ours: () => {
      for (let i = 0; i < samples.length; i++) keep(samples[i]!.direction.decode(samples[i]!.frame))
    },
    handwritten: () => {
      for (let i = 0; i < samples.length; i++) keep(decode(samples[i]!.frame.messageType, samples[i]!.frame.payload))
    }
  },
  encode: {
    ours: () => {
      for (let i = 0; i < samples.length; i++) keep(samples[i]!.encode(samples[i]!.message))
    },
    handwritten: () => {
      for (let i = 0; i < samples.length; i++) keep(encode(samples[i]!.message))
    }
  }
})

/** So many functions are compiled in the background, which on a busy machine takes longer than a round. */
const warmUp = (run: () => void): void => {
  const until = performance.now() + 200
  while (performance.now() < until) run()
}

const BASELINE = "handwritten cursor"

/** Nanoseconds for one message of each kind, and bytes of the heap for one message. */
export const asyncCases: ReadonlyArray<AsyncCase> = protocols.flatMap((protocol) => {
  const works = worksOf(protocol)
  const kinds = protocol.samples.length
  return (["decode", "encode"] as const).map((way) => ({
    name: `${way} all ${protocol.name} messages`,
    rows: async () => {
      const { handwritten, ours } = works[way]
      const benchmark: Case = {
        name: `${way} all ${kinds} messages of ${protocol.name}`,
        unit: "ns/op",
        run: ours,
        baselines: [{ name: BASELINE, run: handwritten }]
      }
      warmUp(ours)
      warmUp(handwritten)
      const times = await measure(benchmark, { rounds: 8, roundMs: 10 })
      const value = bytesAllocated(ours) / kinds
      const baselineValue = bytesAllocated(handwritten) / kinds
      const name = `${way} a message of ${protocol.name}: heap`
      return [...times, { name, unit: "B/op", value, baseline: BASELINE, baselineValue, ratio: value / baselineValue }]
    }
  }))
})
