/** Jobs of an upstream server, which sets their coinbase. The server cannot change it. */
import { describe, expect, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { ANY_TARGET, bytes } from "@sluice/testing/templates"
import { type Job, Jobs, solutionOf, u256ToBytes } from "../src/index.ts"
import { HASH_RATE, hex, sha256d, START, START_SECONDS, TestServer } from "./server-fixture.ts"

const NO_TARGET = new Uint8Array(32)
const prevHash = { hash: bytes(1), ntime: START_SECONDS, nbits: 0x1d00ffff, target: NO_TARGET }

const upstreamJob = (id: number): Job => ({
  id,
  height: 101,
  version: 0x20000000,
  versionRollingAllowed: true,
  coinbasePrefix: hex("01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20"),
  coinbaseSuffix: bytes(id, 20),
  merklePath: [bytes(7)],
  merklePathBytes: bytes(7),
  origin: { upstreamJobId: 7 }
})

/** Makes a server with one job of an upstream server, and a channel. */
const working = (submitTarget?: Uint8Array) => {
  const server = new TestServer()
  const jobs = new Jobs({ firstJobId: 1, versionRollingAllowed: true })
  Object.assign(server.context, { jobs })
  jobs.addFutureJob(7, upstreamJob(1))
  jobs.setPrevHash(7, prevHash, START, submitTarget)
  const connection = server.connect()
  return { server, jobs, connection, miner: server.open(connection) }
}

describe("jobs of an upstream server", () => {
  it("emit ShareForSource with the full extranonce for a share that meets the source's target", () => {
    const { connection, miner, server } = working(u256ToBytes(2n ** 250n))
    expect(miner.target).toBeGreaterThan(2n ** 251n)
    miner.target = 2n ** 250n
    const share = miner.mine()
    const { events } = server.send(connection, share)
    expect(events).toMatchObject([
      { _tag: "ShareForSource", channel: { channelId: miner.channelId }, found: { job: { id: 1 }, isBlock: false } },
      { _tag: "ShareAccepted", isBlock: false }
    ])
    const event = events[0]
    if (event?._tag !== "ShareForSource") throw new Error("expected ShareForSource")
    const { extranonce, hash, job, nonce, ntime, userIdentity, version, worker } = event.found
    expect([userIdentity, worker]).toEqual(["user.worker", undefined])
    expect(job.origin).toEqual({ upstreamJobId: 7 })
    expect(extranonce).toEqual(Uint8Array.of(...miner.prefix, ...bytes(1, miner.extranonceSize)))
    const root = sha256d(sha256d(job.coinbasePrefix, extranonce, job.coinbaseSuffix), bytes(7))
    expect(hash).toEqual(miner.hash(version, root, ntime, nonce))
  })

  it("emit no ShareForSource for a share above the source's target", () => {
    const { connection, miner, server } = working(u256ToBytes(0n))
    expect(server.send(connection, miner.mine()).events).toMatchObject([{ _tag: "ShareAccepted" }])
  })

  it("emit only BlockFound for a block, although it meets the source's target", () => {
    const { connection, jobs, miner, server } = working(ANY_TARGET)
    jobs.addFutureJob(8, upstreamJob(2))
    const announcement = jobs.setPrevHash(8, { ...prevHash, hash: bytes(2), target: ANY_TARGET }, START, ANY_TARGET)
    const said = server.ask((out) => announcement !== undefined && connection.announce(announcement, out))
    // A future job comes before the previous hash that names it.
    miner.jobs.set(2, miner.jobs.get(1)!)
    for (const message of said.messages) miner.receive(message)
    const { events } = server.send(connection, miner.mine())
    expect(events.map(({ _tag }) => _tag)).toEqual(["ShareAccepted", "BlockFound"])
    expect(events[1]).toMatchObject({ found: { isBlock: true, job: { id: 2 } } })
  })

  it("have no variants, so a harder target waits for the next job", () => {
    const { connection, jobs, miner, server } = working()
    expect(jobs.repeat(0)).toBeUndefined()
    const nominalHashRate = HASH_RATE * 100
    const maximumTarget = ANY_TARGET
    const { channelId } = miner
    const update = { _tag: "UpdateChannel", channelId, nominalHashRate, maximumTarget } as const
    expect(server.send(connection, update).messages).toMatchObject([{ _tag: "SetTarget" }])
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
  })

  it("give a channel a target no harder than the source's, and follow the source's target", () => {
    const { connection, jobs, miner, server } = working(u256ToBytes(2n ** 254n))
    expect(miner.target).toBe(2n ** 254n)
    const announcement = jobs.activateJob(upstreamJob(2), START)
    server.ask((out) => connection.announce(announcement, out))
    expect(server.tick(connection).messages).toMatchObject([{ _tag: "SetTarget", channelId: miner.channelId }])
    // The same target causes no review.
    expect(server.tick(connection).messages).toEqual([])
  })

  it("are refused with any id but the next one", () => {
    const { jobs } = working()
    expect(jobs.nextId).toBe(2)
    expect(() => jobs.addFutureJob(8, upstreamJob(3))).toThrow(/the next job must have the id 2; got 3/)
  })

  it("stay as they are if a previous hash names an unknown job", () => {
    const { jobs } = working()
    expect(jobs.setPrevHash(7, { ...prevHash, hash: bytes(2) }, START)).toBeUndefined()
    expect(jobs.prevHash).toMatchObject({ hash: bytes(1) })
  })

  it("begin at the time that the source sent last, also on a previous hash that is in force already", () => {
    const { jobs } = working()
    const later = START + 60_000
    expect(jobs.ntimeNow(later)).toBe(prevHash.ntime + 60)
    for (const [id, ntime] of [[2, prevHash.ntime + 50] as const, [3, prevHash.ntime - 50] as const]) {
      jobs.addFutureJob(id, upstreamJob(id))
      const announced = jobs.setPrevHash(id, { ...prevHash, ntime }, later)
      // Shares of earlier jobs stay valid, and none may be older than the previous hash.
      const least = Math.max(ntime, prevHash.ntime)
      expect(announced).toMatchObject({ message: { minNtime: least } })
      expect([jobs.prevHash?.ntime, jobs.ntimeNow(later + 1000)]).toEqual([prevHash.ntime, least + 1])
    }
  })

  it("let a channel of the same previous hash begin earlier, where the source sent an earlier time since", () => {
    const { jobs, server } = working()
    server.now = START + 60_000
    const connection = server.connect()
    const miner = server.open(connection)
    const early = () => server.send(connection, miner.mine({ ntime: prevHash.ntime + 30 })).messages
    expect(early()).toMatchObject([{ _tag: "SubmitShares.Error", errorCode: "invalid-share" }])
    jobs.addFutureJob(2, upstreamJob(2))
    jobs.setPrevHash(2, { ...prevHash, ntime: prevHash.ntime + 20 }, server.now)
    expect(early()).toMatchObject([{ _tag: "SubmitShares.Success" }])
  })

  it("decide whether a client that requires version rolling gets a channel (5.3.1)", () => {
    const { jobs, server } = working()
    const open = () => {
      const connection = server.connect(Mining.REQUIRES_VERSION_ROLLING)
      const request = { userIdentity: "user", nominalHashRate: HASH_RATE, maxTarget: ANY_TARGET, requestId: 1 }
      return server.send(connection, { _tag: "OpenStandardMiningChannel", ...request }).messages[0]
    }
    expect(open()).toMatchObject({ _tag: "OpenStandardMiningChannel.Success" })
    jobs.activateJob({ ...upstreamJob(2), versionRollingAllowed: false }, START)
    expect(open()).toMatchObject({ errorCode: "version-rolling-not-supported" })
  })

  it("begin no earlier than the source says for the job", () => {
    const { jobs } = working()
    expect(jobs.activateJob(upstreamJob(2), START, undefined, prevHash.ntime + 5)).toMatchObject({
      minNtime: prevHash.ntime + 5
    })
    expect(jobs.activateJob(upstreamJob(3), START + 1000, undefined, prevHash.ntime)).toMatchObject({
      minNtime: prevHash.ntime + 6
    })
  })

  it("cannot be submitted as solutions of a template", () => {
    const header = { version: 0, ntime: 0, nonce: 0, hash: bytes(1) }
    const found = { ...header, job: upstreamJob(1), userIdentity: "user", worker: undefined, extranonce: bytes(1) }
    expect(() => solutionOf({ ...found, isBlock: true })).toThrow(/job 1 was not made of a template/)
  })
})
