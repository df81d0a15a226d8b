/**
 * Jobs and shares of real pools whose hashes are known, the job as V2 sends it, the line as the pool sent it, and the miner's
 * submit as the message whose header has that hash. The data is in stratum-v1's test/vectors, with its sources.
 */
import { ShareCheck, Target } from "@sluice/core"
import type { Mining } from "@sluice/protocol"
import { BIP320_MASK, targetOfDifficulty, ToClient, ToServer, versionOf } from "@sluice/stratum-v1"
import { describe, expect, it } from "vitest"
import vectors from "../../../stratum-v1/test/vectors/shares.json" with { type: "json" }
import { Plant, Rig } from "./rig.ts"
import { right } from "./v1-miner.ts"

type Vector = (typeof vectors.shares)[number]

const paramsOf = (line: string): ReadonlyArray<unknown> =>
  (JSON.parse(line) as { params: ReadonlyArray<unknown> }).params

/** A server that opens a channel with this prefix, and sends the job of the vector. */
const play = (vector: Vector, subscribesFirst: boolean) => {
  const subscription = right(ToServer.Subscribe.readResult(JSON.parse(vector.subscribed).result))
  const notify = right(ToClient.Notify.read(paramsOf(vector.notify)))
  const share = right(ToServer.Submit.read(paramsOf(vector.submit)))
  const { extranonce1, extranonce2Size } = subscription
  const rig = new Rig(new Plant({ v1: { extranonce2Size } }), false)
  const subscribe = { id: 1, method: "mining.subscribe", params: [] }
  const authorize = { id: 2, method: "mining.authorize", params: [share.worker, ""] }
  const configure = { id: 3, method: "mining.configure", params: [["version-rolling"], {}] }
  if (subscribesFirst) {
    rig.send(configure, subscribe)
    rig.send(authorize)
  } else rig.send(configure, subscribe, authorize)
  const [open] = rig.toServer.splice(0) as ReadonlyArray<Mining.OpenExtendedMiningChannel>
  const { requestId } = open!
  // A miner that subscribes first was told an extranonce1 of one byte: it takes the place of the pool's last.
  const extranoncePrefix = subscribesFirst ? extranonce1.subarray(0, -1) : extranonce1
  const size = { extranonceSize: subscribesFirst ? extranonce2Size + 1 : extranonce2Size, extranoncePrefix }
  const to = { channelId: 2, groupChannelId: 1 }
  const { coinbasePrefix, coinbaseSuffix, merklePath, nbits, ntime, prevHash, version } = notify
  const job = { jobId: 7, minNtime: undefined, version, versionRollingAllowed: true, merklePath } as const
  const coinbase = { coinbaseTxPrefix: coinbasePrefix, coinbaseTxSuffix: coinbaseSuffix }
  const target = targetOfDifficulty(vector.difficulty ?? 1e-6)
  rig.toClient.push(
    { _tag: "OpenExtendedMiningChannel.Success", requestId, target, ...to, ...size },
    { _tag: "NewExtendedMiningJob", channelId: 2, ...job, ...coinbase },
    { _tag: "SetNewPrevHash", channelId: 2, jobId: 7, prevHash, minNtime: ntime, nbits }
  )
  rig.deliver()
  rig.hear()
  return { rig, share, subscription, extranoncePrefix }
}

describe.each(vectors.shares)("the job of $name", (vector) => {
  it("is sent as the line that the pool sent, but for its id", () => {
    const { rig, subscription } = play(vector, false)
    const sent = rig.heard.find(({ method }) => method === "mining.notify")!.params as ReadonlyArray<unknown>
    // What comes after another previous hash is clean, whatever that pool said.
    expect(sent.slice(1, 8)).toEqual(paramsOf(vector.notify).slice(1, 8))
    expect(rig.state.extranonce1).toEqual(subscription.extranonce1)
    expect(rig.state.extranonce2Size).toBe(subscription.extranonce2Size)
  })

  it.each([
    ["the pool's", false],
    ["one of the translator's own", true]
  ])("has the known hash in the share of a miner whose extranonce1 is %s", (_, subscribesFirst) => {
    const { extranoncePrefix, rig, share, subscription } = play(vector, subscribesFirst)
    const { job, extranonce1 } = rig.state
    if (subscribesFirst) {
      // The miner hashes the same coinbase only if it was told the pool's bytes.
      const pool = subscription.extranonce1.subarray(-1)
      const own = Buffer.concat([job!.coinbasePrefix, extranonce1])
      expect(own.subarray(0, -1).subarray(-extranoncePrefix.length).equals(extranoncePrefix)).toBe(true)
      expect(extranonce1).toHaveLength(pool.length)
    }
    const params = (paramsOf(vector.submit) as ReadonlyArray<string>).with(1, job!.jobId)
    rig.send({ id: 9, method: "mining.submit", params })
    const [message] = rig.toServer.splice(0) as ReadonlyArray<Mining.SubmitSharesExtended>
    const version = versionOf(job!.version, BIP320_MASK, share.versionBits)
    expect(message).toMatchObject({ jobId: 7, channelId: 2, nonce: share.nonce, ntime: share.ntime, version })
    const tail = subscribesFirst ? extranonce1 : new Uint8Array(0)
    expect(Buffer.from(message!.extranonce)).toEqual(Buffer.concat([tail, share.extranonce2]))
    const check = new ShareCheck()
    const path = new Uint8Array(Buffer.concat(job!.merklePath))
    const extranonce = subscribesFirst
      ? Buffer.concat([subscription.extranonce1.subarray(-1), share.extranonce2])
      : message!.extranonce
    const { coinbasePrefix, coinbaseSuffix, merklePath, nbits, prevHash } = right(
      ToClient.Notify.read(paramsOf(vector.notify))
    )
    check.merkleRoot(coinbasePrefix, extranoncePrefix, extranonce, coinbaseSuffix, path, merklePath.length)
    check.hash(message!.version, prevHash, check.root, message!.ntime, nbits, message!.nonce)
    if (vector.hash !== undefined) expect(Buffer.from(check.digest.toReversed()).toString("hex")).toBe(vector.hash)
    if (vector.difficulty !== undefined) {
      expect(Math.floor(Target.targetToDifficulty(check.digest, 0))).toBe(vector.difficulty)
    }
  })
})
