/** `vectors/tlvs.json`, read and written by the protocol as two ends speak it that have negotiated extension 0x0002. */
import { DecodeError, Frame, Mining, Protocol, WorkerIdentity } from "@sluice/protocol"
import { expect, test } from "vitest"
import vectors from "../vectors/tlvs.json" with { type: "json" }
import { makeTlvs } from "./make-tlvs.ts"

const { toServer } = Protocol.negotiated(Mining.protocol, [WorkerIdentity.extension])
const plain = Mining.protocol.toServer
const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"))

test("the file is up to date with its generator", () => expect(makeTlvs()).toEqual(vectors))

test.each(vectors.read)("read: $title", ({ frame, userIdentity }) => {
  const message = toServer.decode(Frame.read(hex(frame))!)!
  expect(message._tag).toBe(vectors.message)
  expect(WorkerIdentity.UserIdentity.get(message)?.userIdentity ?? null).toBe(userIdentity)
  // An end that has not negotiated it reads the same share.
  expect(plain.decode(Frame.read(hex(frame))!)).toMatchObject({ _tag: vectors.message, channelId: 1, jobId: 3 })
})

test("written: little-endian", () => {
  const [none, written] = vectors.read
  const share = toServer.decode(Frame.read(hex(none!.frame))!) as Mining.SubmitSharesExtended
  const named = WorkerIdentity.UserIdentity.put(share, { userIdentity: written!.userIdentity! })
  expect(Buffer.from(toServer.encode(named)).toString("hex")).toBe(written!.frame)
})

test.each(vectors.refuse)("refused: $title", ({ frame }) => {
  expect(() => toServer.decode(Frame.read(hex(frame))!)).toThrow(DecodeError)
})
