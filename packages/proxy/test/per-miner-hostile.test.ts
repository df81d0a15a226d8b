/** Upstreams that break the protocol, at the machine of a proxy with a channel upstream for each miner. */
import { describe, expect, it } from "@effect/vitest"
import type { SourceChange } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import { openExtended } from "@sluice/testing/pool-client"
import { ANY_TARGET, bytes } from "@sluice/testing/templates"
import { PerMinerMachine } from "../src/per-miner/machine.ts"
import { PerMinerWork } from "../src/per-miner/work.ts"

const START = 1_800_000_000_000
const NTIME = START / 1000
const CHANNEL = 7

const job = (jobId: number, fields: Partial<Mining.NewExtendedMiningJob> = {}): Mining.NewExtendedMiningJob => ({
  _tag: "NewExtendedMiningJob",
  channelId: CHANNEL,
  jobId,
  minNtime: undefined,
  version: 0x20000000,
  versionRollingAllowed: true,
  merklePath: [],
  ...coinbaseHalves(12),
  ...fields
})

const block = (jobId: number, nbits = 0x1d00ffff): Mining.SetNewPrevHash => ({
  _tag: "SetNewPrevHash",
  channelId: CHANNEL,
  jobId,
  prevHash: bytes(jobId),
  minNtime: NTIME,
  nbits
})

const success = (
  requestId: number,
  fields: Partial<Mining.OpenExtendedMiningChannelSuccess> = {}
): Mining.OpenExtendedMiningChannelSuccess => ({
  _tag: "OpenExtendedMiningChannel.Success",
  requestId,
  channelId: CHANNEL,
  target: ANY_TARGET,
  extranonceSize: 8,
  extranoncePrefix: bytes(1, 4),
  groupChannelId: 1,
  ...fields
})

const start = () => {
  const never = () => {
    throw new Error("not used")
  }
  const machine = new PerMinerMachine({
    upstreams: [0, 1].map((port) => ({
      server: { host: "pool", port, security: { _tag: "plain" } },
      name: `pool ${port}`,
      identityOf: (identity) => identity
    })),
    work: new PerMinerWork(never),
    firstJobId: 1,
    returnAfterMs: 60_000,
    silenceMs: 90_000,
    idleMs: 600_000,
    checkPayout: undefined,
    wake: () => {}
  })
  for (const index of [0, 1]) machine.connected(index, { flags: 0, withWorkers: false }, START)
  const results: Array<unknown> = []
  const miner = machine.open(openExtended(), START, (result) => results.push(result))
  machine.takeEvents()
  return { machine, miner, results }
}

const changesOf = (changes: ReadonlyArray<SourceChange>) => changes.map(({ _tag }) => _tag)

const NO_SHARE = /its target 0{64} takes more than 2\^128 hashes/

const cases: ReadonlyArray<readonly [title: string, says: RegExp, said: ReadonlyArray<Mining.ToClient>]> = [
  ["a channel that nobody requested", /breaks "known-request-id"/, [success(99)]],
  ["fewer bytes to roll than requested", /breaks "minimum-extranonce-size"/, [success(1, { extranonceSize: 1 })]],
  ["a full extranonce that is too long", /at most 32 bytes/, [success(1, { extranoncePrefix: bytes(1, 32) })]],
  ["a first target of zero", NO_SHARE, [success(1, { target: bytes(0) })]],
  ["a target of zero", NO_SHARE, [success(1), { _tag: "SetTarget", channelId: 1, maximumTarget: bytes(0) }]],
  ["a previous hash for a job that was never sent", /breaks "prev-hash-names-future-job"/, [success(1), block(4711)]],
  [
    "a previous hash with nBits that no block can have",
    /SetNewPrevHash has nBits 1d800000/,
    [success(1), job(1), block(1, 0x1d800000)]
  ],
  [
    "a job that begins in the future",
    /job 2 begins at 1900000000, more than two hours ahead/,
    [success(1), job(1), block(1), job(2, { minNtime: 1_900_000_000 })]
  ],
  [
    "a job with an invalid coinbase",
    /breaks "coinbase-transaction"/,
    [success(1), job(1, { coinbaseTxSuffix: bytes(0, 7) })]
  ],
  [
    "10,000 jobs at once",
    /it sends more than 100 jobs, targets and prefixes a second for each channel/,
    [success(1), ...Array.from({ length: 10_000 }, (_, id) => job(id))]
  ]
]

describe("an upstream that sends", () => {
  it.each(cases)(
    "%s is left with a sentence for the next one, and the miner gets its channel there",
    (_, says, said) => {
      const { machine, miner, results } = start()
      machine.received(0, said, START)
      const events = machine.takeEvents()
      const failed = events.find(({ _tag }) => _tag === "Failed")
      expect(failed).toMatchObject({ index: 0, fault: { message: expect.stringMatching(says) } })
      expect(events).toContainEqual({ _tag: "Chosen", index: 1, why: "lost" })
      const requests = events.flatMap((event) => (event._tag === "Send" && event.index === 1 ? event.messages : []))
      expect(requests).toMatchObject([{ _tag: "OpenExtendedMiningChannel", userIdentity: "user.worker" }])
      machine.lost(0, "closed", START)
      machine.received(1, [success(1), job(1), block(1)], START)
      expect(results).toEqual([miner])
      expect(changesOf(miner.takeChanges()).slice(-2)).toEqual(["FutureJob", "NewPrevHash"])
      expect(miner.current?.session.index).toBe(1)
    }
  )
})

describe("an upstream that takes over", () => {
  it("is told what a miner stated between the request for its channel and the answer", () => {
    const { machine, miner } = start()
    machine.received(0, [success(1), job(1), block(1)], START)
    machine.lost(0, "down", START)
    machine.takeEvents()
    miner.update(7e12, bytes(9))
    expect(machine.takeEvents()).toEqual([])
    machine.received(1, [success(1)], START)
    const update = { _tag: "UpdateChannel", channelId: CHANNEL, nominalHashRate: 7e12, maximumTarget: bytes(9) }
    expect(machine.takeEvents()).toContainEqual({ _tag: "Send", index: 1, messages: [update] })
  })
})

describe("an upstream that answers nothing", () => {
  it("is left after half a minute", () => {
    const { machine, results } = start()
    machine.tick(START + 29_000)
    expect(machine.takeEvents()).toEqual([])
    machine.tick(START + 30_000)
    expect(machine.takeEvents().map(({ _tag }) => _tag)).toEqual(["Failed", "Chosen", "State", "Send"])
    expect(results).toEqual([])
  })

  it("refuses the miner with no-work-yet if there is no other", () => {
    const { machine, results } = start()
    for (const index of [0, 1]) machine.lost(index, "down", START)
    machine.tick(START + 30_000)
    expect(results).toEqual(["no-work-yet"])
  })
})

describe("an upstream that leaves one request for a channel unanswered", () => {
  const OTHER = 8

  /** A miner has its channel, and the request of a second one waits for 30 s. */
  const startUnanswered = () => {
    const { machine, miner } = start()
    machine.received(0, [success(1), job(1), block(1)], START)
    const refused: Array<unknown> = []
    machine.open(openExtended({ userIdentity: "unserved" }), START, (result) => refused.push(result))
    machine.takeEvents()
    machine.tick(START + 29_000)
    expect(refused).toEqual([])
    machine.tick(START + 30_000)
    return { machine, miner, refused, events: machine.takeEvents() }
  }

  it("refuses that miner with no-work-yet after half a minute, and the others mine on", () => {
    const { events, machine, miner, refused } = startUnanswered()
    expect(refused).toEqual(["no-work-yet"])
    expect(events).toEqual([])
    machine.received(0, [job(2, { minNtime: NTIME })], START + 31_000)
    expect(changesOf(miner.takeChanges()).at(-1)).toBe("NewJob")
    expect(miner.current?.isOpen).toBe(true)
  })

  it("closes the channel if the answer comes late, and ignores its jobs", () => {
    const { machine, miner, refused } = startUnanswered()
    const late = success(2, { channelId: OTHER, extranoncePrefix: bytes(2, 4) })
    machine.received(0, [late, job(1, { channelId: OTHER })], START + 40_000)
    expect(machine.takeEvents()).toEqual([
      { _tag: "Send", index: 0, messages: [{ _tag: "CloseChannel", channelId: OTHER, reasonCode: "opened-too-late" }] }
    ])
    expect(refused).toHaveLength(1)
    expect(miner.current?.isOpen).toBe(true)
  })

  it("ignores a refusal that comes late", () => {
    const { machine, miner, refused } = startUnanswered()
    const late = { _tag: "OpenMiningChannel.Error", requestId: 2, errorCode: "unknown-user" } as const
    machine.received(0, [late], START + 40_000)
    expect(machine.takeEvents()).toEqual([])
    expect(refused).toHaveLength(1)
    expect(miner.current?.isOpen).toBe(true)
  })

  it("keeps the connection without any channel if it answers other requests", () => {
    const { machine } = start()
    const results: Array<unknown> = []
    machine.open(openExtended(), START, (result) => results.push(result))
    machine.takeEvents()
    machine.received(0, [{ _tag: "OpenMiningChannel.Error", requestId: 2, errorCode: "unknown-user" }], START + 10_000)
    machine.tick(START + 30_000)
    expect(machine.takeEvents()).toEqual([])
    expect(results).toEqual(["unknown-user"])
  })

  it("is left when it owes more than 5,000 answers", () => {
    const { machine } = startUnanswered()
    let now = START + 30_000
    for (let round = 0; round < 10; round++) {
      for (let count = 0; count < 500; count++) machine.open(openExtended(), now, () => {})
      expect(machine.takeEvents().map(({ _tag }) => _tag)).toEqual(["Send"])
      now += 30_000
      machine.received(0, [job(2 + round, { minNtime: NTIME })], now)
      machine.tick(now)
    }
    const message = expect.stringMatching(/more than 5000 requests/)
    expect(machine.takeEvents()).toContainEqual(
      expect.objectContaining({ _tag: "Failed", index: 0, fault: expect.objectContaining({ message }) })
    )
  })
})
