/**
 * Messages to bytes and back through a protocol's direction, against a handwritten codec for each message, and against
 * Effect Schema's own binary codec for the same structure (its wire format is another one, of about the same size).
 */
import { type Message, Mining, TemplateDistribution } from "@sluice/protocol"
import { Arbitrary, Effect, Schema } from "effect"
import { SchemaBinary } from "effect/encoding"
import { isDeepStrictEqual } from "node:util"
import { type Case, keep } from "./case.ts"
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

const template = TemplateDistribution.NewTemplate.make({
  templateId: 1_785_000_000n,
  futureTemplate: false,
  version: 0x2000_0000,
  coinbaseTxVersion: 2,
  coinbasePrefix: bytes(4, 4),
  coinbaseTxInputSequence: 0xffff_fffe,
  coinbaseTxValueRemaining: 312_500_000n,
  coinbaseTxOutputsCount: 1,
  coinbaseTxOutputs: bytes(47, 5),
  coinbaseTxLocktime: 903_387,
  merklePath
})

interface Direction<M> {
  find(extensionType: number, messageType: number): Message | undefined
  decode(frame: { extensionType: number; messageType: number; payload: Uint8Array }): M | undefined
  encode(message: M): Uint8Array
}

/** The payload as it lies in a chunk that was read from a socket. */
const inChunk = (frame: Uint8Array): Uint8Array => {
  const chunk = new Uint8Array(65_536)
  chunk.set(frame, 1000)
  return chunk.subarray(1006, 1000 + frame.length)
}

const casesOf = <M extends { readonly _tag: string }>(options: {
  readonly message: M
  readonly direction: Direction<NoInfer<M>>
  readonly schema: Schema.Codec<M>
  readonly decode: (payload: Uint8Array) => M
  readonly encode: (message: M) => Uint8Array
}): ReadonlyArray<Case> => {
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
  return [
    {
      name: `decode ${message._tag}`,
      unit: "ns/op",
      run: () => keep(direction.decode(frame)),
      baselines: [
        { name: "handwritten DataView", run: () => keep(decode(frame.payload)) },
        { name: "Effect SchemaBinary", run: () => keep(schemaDecode(schemaBytes)) }
      ]
    },
    {
      name: `encode ${message._tag}`,
      unit: "ns/op",
      run: () => keep(codec.encode(message)),
      baselines: [
        { name: "handwritten DataView", run: () => keep(encode(message)) },
        { name: "Effect SchemaBinary", run: () => keep(schemaEncode(message)) }
      ]
    }
  ]
}

/** A server's call sites have seen every message: so have they here before anything is timed. */
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

export const cases: ReadonlyArray<Case> = [
  ...casesOf<Mining.SubmitSharesExtended>({
    message: share,
    direction: Mining.protocol.toServer as Direction<Mining.SubmitSharesExtended>,
    schema: Mining.SubmitSharesExtended.schema,
    decode: Handwritten.decodeSubmitSharesExtended,
    encode: Handwritten.encodeSubmitSharesExtended
  }),
  ...casesOf<Mining.NewExtendedMiningJob>({
    message: job,
    direction: Mining.protocol.toClient as Direction<Mining.NewExtendedMiningJob>,
    schema: Mining.NewExtendedMiningJob.schema,
    decode: Handwritten.decodeNewExtendedMiningJob,
    encode: Handwritten.encodeNewExtendedMiningJob
  }),
  ...casesOf<TemplateDistribution.NewTemplate>({
    message: template,
    direction: TemplateDistribution.protocol.toClient as Direction<TemplateDistribution.NewTemplate>,
    schema: TemplateDistribution.NewTemplate.schema,
    decode: Handwritten.decodeNewTemplate,
    encode: Handwritten.encodeNewTemplate
  })
]
