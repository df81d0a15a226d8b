/**
 * What `npm run fuzz` throws at the bytes behind a message's fields (specification, section 3.4.3): TLVs of negotiated
 * extensions, in both byte orders. Two of the extensions have numbers that are each other's, read the wrong way round.
 */
import {
  DecodeError,
  Extension,
  Frame,
  Mining,
  Protocol,
  readTail,
  RestBytes,
  Str0_255,
  Tlv,
  U16,
  U256,
  U32,
  U8,
  WorkerIdentity
} from "@sluice/protocol"
import { ok } from "node:assert/strict"
import { isDeepStrictEqual } from "node:util"
import type { FuzzTarget } from "./target.ts"

/** A TLV's type and length, in bytes. */
const TLV_HEADER_SIZE = 5

const { OpenExtendedMiningChannel, SubmitSharesExtended, SubmitSharesStandard } = Mining
const on = [SubmitSharesStandard, SubmitSharesExtended, OpenExtendedMiningChannel]

const Heat = Tlv.make("Heat", { extension: 0x4001, type: 0x00, on, spec: "ours", fields: { chip: U8, milli: U32 } })
const Place = Tlv.make("Place", {
  extension: 0x4001,
  type: 0x7f,
  on,
  spec: "ours",
  fields: { hall: Str0_255, rack: U16 }
})
const Proof = Tlv.make("Proof", {
  extension: 0x4001,
  type: 0xff,
  on,
  spec: "ours",
  fields: { root: U256, rest: RestBytes(40) }
})
const Mirror = Tlv.make("Mirror", { extension: 0x0200, type: 0x01, on, spec: "ours", fields: { rest: RestBytes(300) } })
const device = Extension.make({ id: 0x4001, name: "device", spec: "ours", tlvs: [Heat, Place, Proof] })
const mirror = Extension.make({ id: 0x0200, name: "mirror", spec: "ours", tlvs: [Mirror] })
const all = [...device.tlvs, ...mirror.tlvs, WorkerIdentity.UserIdentity]

const plain = Mining.protocol.toServer
const negotiated = [[WorkerIdentity.extension], [device], [device, mirror, WorkerIdentity.extension]].map(
  (extensions) => ({
    direction: Protocol.negotiated(Mining.protocol, extensions).toServer,
    tlvs: extensions.flatMap(({ tlvs }): ReadonlyArray<Tlv> => tlvs)
  })
)

const share = { channelId: 1, sequenceNumber: 2, jobId: 3, nonce: 4, ntime: 5, version: 6 }
const messages: ReadonlyArray<Mining.ToServer> = [
  SubmitSharesExtended.make({ ...share, extranonce: Uint8Array.of(7, 8) }),
  SubmitSharesStandard.make(share),
  OpenExtendedMiningChannel.make({
    requestId: 1,
    userIdentity: "fuzz",
    nominalHashRate: 1.5,
    maxTarget: new Uint8Array(32).fill(9),
    minExtranonceSize: 4
  }),
  // No TLV follows this one.
  Mining.CloseChannel.make({ channelId: 1, reasonCode: "end" })
]

/** The same fields and the same TLVs, in whatever order those came. */
const isSame = (a: Mining.ToServer | undefined, b: Mining.ToServer): boolean =>
  a !== undefined &&
  isDeepStrictEqual(Object.entries(a), Object.entries(b)) &&
  all.every((tlv) => isDeepStrictEqual(tlv.get(a), tlv.get(b)))

/** The first byte says which message it is and what was negotiated; the rest is the tail. */
const run = (input: Uint8Array): void => {
  const first = input[0] ?? 0
  const tail = input.subarray(1)
  const message = messages[first & 3]!
  const { direction, tlvs } = negotiated[(first >> 2) % negotiated.length]!
  const bare = plain.encode(message)
  const frame = Frame.read(plain.encode(message, tail))!
  const fieldsEnd = bare.length - Frame.headerSize
  const isKnown = (extension: number, type: number) =>
    tlvs.some(
      (tlv) => tlv.extension === extension && tlv.type === type && tlv.on.some(({ name }) => name === message._tag)
    )

  const walked = readTail(frame.payload, fieldsEnd, isKnown)
  let at = fieldsEnd
  for (const tlv of walked.tlvs) {
    ok(tlv.at === at + TLV_HEADER_SIZE, "TLVs are not one behind the other")
    at = tlv.at + tlv.size
  }
  ok(at === walked.end && at <= frame.payload.length, "TLVs end behind their payload")

  ok(isSame(plain.decode(frame), message), "a tail that nobody negotiated changes the message")
  let read: ReturnType<typeof direction.decodeWithTail>
  try {
    read = direction.decodeWithTail(frame)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    ok(
      walked.tlvs.some(({ extension, type }) => isKnown(extension, type)) || walked.cut !== undefined,
      "refused for nothing"
    )
    return
  }
  ok(read !== undefined && read.tailAt === fieldsEnd, "the fields end elsewhere")
  ok(isSame(direction.decode(frame, { copy: true }), read.message), "a copy is another message")
  for (const tlv of all) {
    const came = walked.tlvs.some(({ extension, type }) => tlv.extension === extension && tlv.type === type)
    const isOurs = isKnown(tlv.extension, tlv.type)
    ok((tlv.get(read.message) !== undefined) === (came && isOurs), `${tlv.name} is lost or made up`)
  }

  // As we send it: little-endian, in the order of the extensions, and nothing else.
  const canonical = direction.encode(read.message)
  ok(isSame(direction.decode(Frame.read(canonical)!), read.message), "TLVs do not come back from their bytes")
  ok(direction.encodedSize(read.message) === canonical.length, "another size than said")
  const payload = Frame.read(canonical)!.payload
  const again = readTail(payload, fieldsEnd, isKnown)
  ok(again.byteOrder === "little" && again.end === payload.length, "our own TLVs are read another way")

  // As others send it. Where it can be read both ways the better one is taken, which need not be theirs.
  const swapped = payload.slice()
  for (const tlv of again.tlvs) {
    const header = tlv.at - TLV_HEADER_SIZE
    swapped.subarray(header, header + 2).reverse()
    swapped.subarray(header + 3, header + 5).reverse()
  }
  if (again.tlvs.length === 0 || readTail(swapped, fieldsEnd, isKnown).byteOrder === "little") return
  ok(isSame(direction.decode({ ...frame, payload: swapped }), read.message), "big-endian TLVs are others")
}

const seeds = (): ReadonlyArray<Uint8Array> => {
  const [, , everything] = negotiated
  const seed = (first: number, message: Mining.ToServer): Uint8Array =>
    Uint8Array.of(first, ...everything!.direction.encode(message).subarray(plain.encodedSize(message)))
  const named = WorkerIdentity.UserIdentity.put(messages[0]! as Mining.SubmitSharesExtended, {
    userIdentity: "Worker_001"
  })
  const full = <M extends Mining.SubmitSharesStandard | Mining.SubmitSharesExtended | Mining.OpenExtendedMiningChannel>(
    message: M
  ): M => {
    const warm = Heat.put(message, { chip: 1, milli: 65_000 })
    const placed = Place.put(warm, { hall: "north", rack: 3 })
    return Mirror.put(Proof.put(placed, { root: new Uint8Array(32).fill(1), rest: Uint8Array.of(1, 2) }), {
      rest: Uint8Array.of(5)
    })
  }
  const bigEndian = [0x00, 0x02, 0x01, 0x00, 0x0a, ...Buffer.from("Worker_001")]
  return [
    seed(0, named),
    seed(8, full(named)),
    seed(5, full(messages[1]! as Mining.SubmitSharesStandard)),
    seed(10, full(messages[2]! as Mining.OpenExtendedMiningChannel)),
    Uint8Array.of(0, ...bigEndian),
    Uint8Array.of(8, ...bigEndian, 0x40, 0x01, 0x00, 0x00, 0x05, 1, 2, 3, 4, 5),
    Uint8Array.of(3, ...bigEndian)
  ]
}

export const tlvTarget: FuzzTarget = { name: "tlvs", run, seeds }
