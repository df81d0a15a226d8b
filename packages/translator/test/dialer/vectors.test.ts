/** Notify lines of real pools become jobs of V2 with the hashes that their shares are known to have, and the shares go back. */
import { Outbox } from "@sluice/channels"
import { ShareCheck, Target } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { type Line, versionOf } from "@sluice/stratum-v1"
import { describe, expect, it } from "vitest"
import vectors from "../../../stratum-v1/test/vectors/shares.json" with { type: "json" }
import type { PoolOutbox } from "../../src/dialer/pool-event.ts"
import { PoolMachine } from "../../src/dialer/pool-machine.ts"
import { ANY_TARGET, readLines } from "./rig.ts"

type Vector = (typeof vectors.shares)[number]

const CONFIGURED = '{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}\n'

/** The pool of a vector behind the machine, with one channel for the worker of the vector's share. */
const channelOver = (vector: Vector, kind: "standard" | "extended") => {
  const [subscribed] = readLines(`${vector.subscribed}\n`) as [Line & { result: readonly [unknown, string, number] }]
  const [submit] = readLines(`${vector.submit}\n`) as [Line & { params: ReadonlyArray<string> }]
  const [worker] = submit.params
  let id = 0
  const machine = new PoolMachine(0, {
    setupFlags: kind === "standard" ? Mining.REQUIRES_STANDARD_JOBS : 0,
    host: "pool.example.com",
    credentials: (userIdentity) => ({ worker: userIdentity, password: "x" }),
    followAnywhere: false,
    nextId: () => ++id,
    jobWithinMs: 1000,
    client: { userAgent: "test" }
  })
  const out: PoolOutbox = new Outbox()
  machine.start(0)
  machine.receive(readLines(CONFIGURED, `${JSON.stringify({ ...subscribed, id: 2 })}\n`), 0, out)
  const request = { requestId: 1, userIdentity: worker!, nominalHashRate: 0, maxTarget: ANY_TARGET }
  const minExtranonceSize = subscribed.result[2]
  machine.send(
    [
      kind === "standard"
        ? { _tag: "OpenStandardMiningChannel", ...request }
        : { _tag: "OpenExtendedMiningChannel", ...request, minExtranonceSize }
    ],
    0,
    out
  )
  const authorize = readLines(...machine.takeLines()).find(({ method }) => method === "mining.authorize")!
  machine.receive(readLines(`${vector.notify}\n`, `{"id":${String(authorize.id)},"result":true}\n`), 0, out)
  return { machine, out, params: submit.params }
}

const display = (hash: Uint8Array): string => Buffer.from(hash.toReversed()).toString("hex")
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))

const checkHash = (vector: Vector, hash: Uint8Array): void => {
  if (vector.hash !== undefined) expect(display(hash)).toBe(vector.hash)
  if (vector.difficulty !== undefined) expect(Math.floor(Target.targetToDifficulty(hash, 0))).toBe(vector.difficulty)
}

describe.each(vectors.shares)("$name", (vector) => {
  it("is a job of an extended channel whose share has the known hash and goes to the pool as it was", () => {
    const { machine, out, params } = channelOver(vector, "extended")
    const [opened, job, prevHash] = out.takeMessages() as [
      Mining.OpenExtendedMiningChannelSuccess,
      Mining.NewExtendedMiningJob,
      Mining.SetNewPrevHash
    ]
    const [, jobId, extranonce2, ntimeHex, nonceHex, bits] = params
    const [ntime, nonce] = [ntimeHex, nonceHex].map((digits) => Number.parseInt(digits!, 16)) as [number, number]
    const version = versionOf(job.version, 0x1fffe000, bits === undefined ? undefined : Number.parseInt(bits, 16))!
    const check = new ShareCheck()
    const { coinbaseTxPrefix, coinbaseTxSuffix, merklePath } = job
    const extranonce = hex(extranonce2!)
    const path = Buffer.concat(merklePath)
    check.merkleRoot(coinbaseTxPrefix, opened.extranoncePrefix, extranonce, coinbaseTxSuffix, path, merklePath.length)
    check.hash(version, prevHash.prevHash, check.root, ntime, prevHash.nbits, nonce)
    checkHash(vector, check.digest)
    expect([prevHash.jobId, job.minNtime]).toEqual([job.jobId, undefined])

    const { channelId } = opened
    const share = { channelId, sequenceNumber: 1, jobId: job.jobId, nonce, ntime, version, extranonce }
    machine.send([{ _tag: "SubmitSharesExtended", ...share }], 0, out)
    const line = readLines(...machine.takeLines()).find(({ method }) => method === "mining.submit")!
    expect(line.params).toEqual([params[0], jobId, extranonce2, ntimeHex, nonceHex, bits ?? "00000000"])
  })

  it("is a job of a standard channel with the merkle root for its part of extranonce2", () => {
    const { out } = channelOver(vector, "standard")
    const [opened, job] = out.takeMessages() as [Mining.OpenStandardMiningChannelSuccess, Mining.NewMiningJob]
    const { out: extended } = channelOver(vector, "extended")
    const [, whole] = extended.takeMessages() as [unknown, Mining.NewExtendedMiningJob]
    const check = new ShareCheck()
    const { coinbaseTxPrefix, coinbaseTxSuffix, merklePath } = whole
    const path = Buffer.concat(merklePath)
    const none = new Uint8Array(0)
    check.merkleRoot(coinbaseTxPrefix, opened.extranoncePrefix, none, coinbaseTxSuffix, path, merklePath.length)
    expect(job.merkleRoot).toEqual(check.root)
  })
})
