/**
 * The worker's name of extension 0x0002 behind SubmitSharesExtended: written alike by us and the crates, and read; then
 * the frames of `vectors/tlvs.json`, of which the crates read some otherwise.
 */
import { Frame, Mining, Protocol, WorkerIdentity } from "@sluice/protocol"
import vectors from "../../packages/conformance/vectors/tlvs.json" with { type: "json" }
import type { Explained } from "./differences.ts"
import type { Plan, Tally } from "./messages.ts"
import { Random, randomMessage, randomText } from "./random-message.ts"

const { toServer } = Protocol.negotiated(Mining.protocol, [WorkerIdentity.extension])

/** Sluice and the crates each read the frames that the other wrote. */
export const tlvs = async ({ count, peer, seed }: Plan): Promise<Tally & Explained> => {
  const tally = { messages: 0, bytes: 0, explained: new Map<string, number>() }
  const random = new Random(seed)
  for (let done = 0; done < count; done++) {
    const share = randomMessage(random, Mining.SubmitSharesExtended, false) as Mining.SubmitSharesExtended
    const userIdentity = randomText(random, done === 0 ? 32 : random.below(33))
    const ours = toServer.encode(WorkerIdentity.UserIdentity.put(share, { userIdentity }))
    const read = await peer.demand(3, ours)
    const identity = ours.subarray(toServer.encode(share).length + TLV_HEADER)
    if (read.toString() !== line(identity)) throw new Error(`the crates read ${read} from ${hexOf(ours)}`)

    const length = Buffer.alloc(4)
    length.writeUInt32LE(identity.length)
    const theirs = await peer.demand(4, length, identity, toServer.encode(share))
    if (Buffer.compare(ours, theirs) !== 0) throw new Error(`ours is ${hexOf(ours)}, the crates' ${hexOf(theirs)}`)
    const message = toServer.decode(Frame.read(theirs)!)!
    if (WorkerIdentity.UserIdentity.get(message)?.userIdentity !== userIdentity) {
      throw new Error(`we read another name than "${userIdentity}" from ${hexOf(theirs)}`)
    }
    tally.messages++
    tally.bytes += ours.length
  }
  for (const { frame, title, userIdentity } of vectors.read) {
    const expected = userIdentity === null ? "" : line(Buffer.from(userIdentity))
    await compare(title, frame, expected)
  }
  for (const { frame, title } of vectors.refuse) await compare(title, frame, undefined)
  return tally

  async function compare(title: string, frame: string, ours: string | undefined): Promise<void> {
    const answer = await peer.ask(3, Buffer.from(frame, "hex"))
    const theirs = answer._tag === "Done" ? answer.body.toString() : undefined
    tally.messages++
    if (theirs === ours) return
    const why = EXPLAINED[title]
    if (why === undefined || theirs !== "") throw new Error(`${title}: ours is ${ours}, the crates' ${theirs}`)
    tally.explained.set(why, (tally.explained.get(why) ?? 0) + 1)
  }
}

/** Vectors in which the crates find no TLV, with the difference's name in docs/interop.md. */
const EXPLAINED: Readonly<Record<string, string>> = {
  "big-endian, as the page of the extension prints it": "a big-endian TLV",
  "a value that is cut": "a TLV that is cut"
}

/** extension_type U16, field U8, length U16. */
const TLV_HEADER = 5

const line = (identity: Uint8Array): string => `2 1 ${hexOf(identity)}\n`
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
