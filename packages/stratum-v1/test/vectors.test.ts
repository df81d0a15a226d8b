/** Notify and submit lines of other projects hash to what those projects say they do. */
import { Merkle, Sha256, ShareCheck, Target } from "@sluice/core"
import { describe, expect, it } from "vitest"
import { fromPrevHash, targetOfDifficulty, ToClient, toPrevHash, ToServer, versionOf } from "../src/index.ts"
import { message, params } from "./lines.ts"
import vectors from "./vectors/shares.json" with { type: "json" }

const display = (hash: Uint8Array): string => Buffer.from(hash.toReversed()).toString("hex")

/** The hash of a vector's share, in internal order. */
const hashOf = (vector: (typeof vectors.shares)[number]): Uint8Array => {
  const { extranonce1, extranonce2Size } = message(ToServer.Subscribe.readResult(JSON.parse(vector.subscribed).result))
  const job = message(ToClient.Notify.read(params(vector.notify)))
  const share = message(ToServer.Submit.read(params(vector.submit)))
  expect(share.jobId).toBe(job.jobId)
  expect(share.extranonce2).toHaveLength(extranonce2Size)
  const check = new ShareCheck()
  const path = Buffer.concat(job.merklePath)
  const { coinbasePrefix, coinbaseSuffix, merklePath } = job
  check.merkleRoot(coinbasePrefix, extranonce1, share.extranonce2, coinbaseSuffix, path, merklePath.length)
  const version = versionOf(job.version, 0x1fffe000, share.versionBits)!
  check.hash(version, job.prevHash, check.root, share.ntime, job.nbits, share.nonce)
  return check.digest.slice()
}

describe.each(vectors.shares)("$name", (vector) => {
  it("has the hash that it is known to have", () => {
    const hash = hashOf(vector)
    if (vector.hash !== undefined) expect(display(hash)).toBe(vector.hash)
    if (vector.difficulty !== undefined) {
      expect(Math.floor(Target.targetToDifficulty(hash, 0))).toBe(vector.difficulty)
      expect(Target.compareU256(hash, 0, targetOfDifficulty(vector.difficulty), 0)).toBeLessThanOrEqual(0)
    }
    expect(vector.hash ?? vector.difficulty).toBeDefined()
  })

  it("is written as it was read", () => {
    const job = message(ToClient.Notify.read(params(vector.notify)))
    expect(ToClient.Notify.write(job)).toEqual(params(vector.notify))
    const share = message(ToServer.Submit.read(params(vector.submit)))
    expect(ToServer.Submit.write(share)).toEqual(params(vector.submit))
  })
})

it("merkle branches are hashes in internal order", () => {
  const { branches, coinbase, root } = vectors.merkle
  const notify = ["1", "00".repeat(32), "", "", branches, "20000004", "1705c739", "64495522", false]
  const { merklePath } = message(ToClient.Notify.read(notify))
  const folded = new Uint8Array(32)
  const bytes = Buffer.from(coinbase, "hex")
  Sha256.sha256d(bytes, 0, bytes.length, folded, 0)
  Merkle.merkleFold(folded, 0, Buffer.concat(merklePath), 0, merklePath.length)
  expect(Buffer.from(folded).toString("hex")).toBe(root)
})

it("the previous hash of a notify is the node's with its words swapped, both ways", () => {
  const { hash, notify } = vectors.prevHash
  const words = Uint8Array.from(Buffer.from(notify, "hex"))
  expect(display(fromPrevHash(words))).toBe(hash)
  expect(toPrevHash(fromPrevHash(words))).toEqual(words)
})
