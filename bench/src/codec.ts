/**
 * Times encoding and decoding of the hot paths' messages with a protocol's codec, against a handwritten codec for each
 * message, and against Effect Schema's binary codec for the same structure (in another wire format of about the
 * same size). Also measures how many bytes each allocates.
 */
import { type Message, Mining, TemplateDistribution } from "@sluice/protocol"
import { Arbitrary, Effect, Schema } from "effect"
import { SchemaBinary } from "effect/encoding"
import { isDeepStrictEqual } from "node:util"
import { bytesAllocated } from "./allocation.ts"
import { type AsyncCase, type Case, keep } from "./case.ts"
import * as Handwritten from "./handwritten.ts"

const bytes = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 167 + seed * 31) & 0xff)

const merklePath = Array.from({ length: 12 }, (_, i) => bytes(32, i))

const share = Mining.SubmitSharesExtended.make({
  channelId: 7,
  sequenceNumber: 4711,
  jobId: 23,
  nonce: 0xdeadbeef,
  ntime: 1_785_000_000,
  version: 0x2000_4ae0,
  extranonce: bytes(8, 1)
})

const job = Mining.NewExtendedMiningJob.make({
  channelId: 7,
  jobId: 23,
  minNtime: 1_785_000_000,
  version: 0x2000_0000,
  versionRollingAllowed: true,
  merklePath,
  coinbaseTxPrefix: bytes(80, 2),
  coinbaseTxSuffix: bytes(140, 3)
})

const acknowledgement = Mining.SubmitSharesSuccess.make({
  channelId: 7,
  lastSequenceNumber: 4711,
  newSubmitsAcceptedCount: 40,
  newSharesSum: 163_840n
})

interface Direction<M> {
  find(extensionType: number, messageType: number): Message | undefined
  decode(frame: { extensionType: number; messageType: number; payload: Uint8Array }): M | undefined
  encode(message: M): Uint8Array
}

/** The payload inside of a larger chunk, as after a read of a socket. */
const inChunk = (frame: Uint8Array): Uint8Array => {
  const chunk = new Uint8Array(65_536)
  chunk.set(frame, 1000)
  return chunk.subarray(1006, 1000 + frame.length)
}

interface Benchmarks {
  readonly cases: ReadonlyArray<Case>
  readonly asyncCases: ReadonlyArray<AsyncCase>
}

const BASELINE = "handwritten DataView"

const benchmarksOf = <M extends { readonly _tag: string }>(options: {
  readonly message: M
  readonly direction: Direction<NoInfer<M>>
  readonly schema: Schema.Codec<M>
  readonly decode: (payload: Uint8Array) => M
  readonly encode: (message: M) => Uint8Array
}): Benchmarks => {
  const { decode, direction, encode, message, schema } = options
  const encoded = direction.encode(message)
  if (Buffer.compare(encoded, encode(message)) !== 0) throw new Error(`${message._tag}: the codecs disagree`)
  const frame = { extensionType: encoded[1]! << 8, messageType: encoded[2]!, payload: inChunk(encoded) }
  if (!isDeepStrictEqual(direction.decode(frame), decode(frame.payload))) {
    throw new Error(`${message._tag}: the decoders disagree`)
  }
  // Not `direction.encode`, which encodes a message for many connections once.
  const codec = direction.find(frame.extensionType, frame.messageType)!.codec as { encode(message: M): Uint8Array }
  const binary = SchemaBinary.toCodec(schema, { fingerprint: true })
  const schemaDecode = Schema.decodeUnknownSync(binary)
  const schemaEncode = Schema.encodeUnknownSync(binary)
  const schemaBytes = inChunk(Uint8Array.from([0, 0, 0, 0, 0, 0, ...schemaEncode(message)]))
  const works = {
    decode: { run: () => keep(direction.decode(frame)), handwritten: () => keep(decode(frame.payload)) },
    encode: { run: () => keep(codec.encode(message)), handwritten: () => keep(encode(message)) }
  }
  const schemaWorks = {
    decode: () => keep(schemaDecode(schemaBytes)),
    encode: () => keep(schemaEncode(message))
  }
  const ways = ["decode", "encode"] as const
  return {
    cases: ways.map((way) => ({
      name: `${way} ${message._tag}`,
      unit: "ns/op",
      run: works[way].run,
      baselines: [
        { name: BASELINE, run: works[way].handwritten },
        { name: "Effect SchemaBinary", run: schemaWorks[way] }
      ]
    })),
    asyncCases: ways.map((way) => {
      const name = `${way} a ${message._tag}: heap`
      return {
        name,
        rows: () => {
          const [value, baselineValue] = [bytesAllocated(works[way].run), bytesAllocated(works[way].handwritten)]
          const ratio = value / baselineValue
          return Promise.resolve([{ name, unit: "B/op", value, baseline: BASELINE, baselineValue, ratio }])
        }
      }
    })
  }
}

/** Runs all messages before anything is timed, so that call sites have seen all of them, as in a server. */
const warmUp = (): void => {
  const { toClient, toServer } = Mining.protocol
  for (const direction of [
    toServer,
    toClient,
    TemplateDistribution.protocol.toServer,
    TemplateDistribution.protocol.toClient
  ]) {
    for (const message of direction.messages) {
      const [value] = Effect.runSync(Arbitrary.sampleEffect(message.arbitrary, { count: 1, seed: message.name }))
      for (let i = 0; i < 2000; i++) {
        const encoded = message.codec.encode(value as never)
        direction.decode({ extensionType: encoded[1]! << 8, messageType: message.type, payload: encoded.subarray(6) })
      }
    }
  }
}
warmUp()

const all: ReadonlyArray<Benchmarks> = [
  benchmarksOf<Mining.SubmitSharesExtended>({
    message: share,
    direction: Mining.protocol.toServer as Direction<Mining.SubmitSharesExtended>,
    schema: Mining.SubmitSharesExtended.schema,
    decode: Handwritten.decodeSubmitSharesExtended,
    encode: Handwritten.encodeSubmitSharesExtended
  }),
  benchmarksOf<Mining.NewExtendedMiningJob>({
    message: job,
    direction: Mining.protocol.toClient as Direction<Mining.NewExtendedMiningJob>,
    schema: Mining.NewExtendedMiningJob.schema,
    decode: Handwritten.decodeNewExtendedMiningJob,
    encode: Handwritten.encodeNewExtendedMiningJob
  }),
  benchmarksOf<Mining.SubmitSharesSuccess>({
    message: acknowledgement,
    direction: Mining.protocol.toClient as Direction<Mining.SubmitSharesSuccess>,
    schema: Mining.SubmitSharesSuccess.schema,
    decode: Handwritten.decodeSubmitSharesSuccess,
    encode: Handwritten.encodeSubmitSharesSuccess
  })
]

export const cases = all.flatMap((benchmarks) => benchmarks.cases)
export const asyncCases = all.flatMap((benchmarks) => benchmarks.asyncCases)
