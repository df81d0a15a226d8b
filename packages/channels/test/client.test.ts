import { describe, expect, it } from "@effect/vitest"
import type { Mining } from "@sluice/protocol"
import { createHash } from "node:crypto"
import {
  type ChannelClientOptions,
  type ClientEvent,
  latestNtime,
  ProtocolViolation,
  type ServerRule
} from "../src/index.ts"
import { TestClient } from "./test-client.ts"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import coinbases from "./vectors/bip141-stripping.json" with { type: "json" }

const bytes = (fill: number, size = 32): Uint8Array => new Uint8Array(size).fill(fill)
const ANY_TARGET = bytes(0xff)
const TARGET = bytes(0x20)
const NOW = 1_000_000

const request = { userIdentity: "miner", nominalHashRate: 1e6, maxTarget: ANY_TARGET }

const openedStandard = (
  fields: Partial<Mining.OpenStandardMiningChannelSuccess> = {}
): Mining.OpenStandardMiningChannelSuccess => ({
  _tag: "OpenStandardMiningChannel.Success",
  requestId: 1,
  channelId: 7,
  target: TARGET,
  extranoncePrefix: bytes(0xaa, 12),
  groupChannelId: 100,
  ...fields
})

const openedExtended = (
  fields: Partial<Mining.OpenExtendedMiningChannelSuccess> = {}
): Mining.OpenExtendedMiningChannelSuccess => ({
  _tag: "OpenExtendedMiningChannel.Success",
  requestId: 1,
  channelId: 8,
  target: TARGET,
  extranonceSize: 8,
  extranoncePrefix: bytes(0xbb, 4),
  groupChannelId: 100,
  ...fields
})

/** Halves of a coinbase with the 12 bytes of extranonce of all channels here. */
const HALVES = coinbaseHalves(12)

const job = (fields: Partial<Mining.NewMiningJob> = {}): Mining.NewMiningJob => ({
  _tag: "NewMiningJob",
  channelId: 7,
  jobId: 1,
  minNtime: undefined,
  version: 0x20000000,
  merkleRoot: bytes(1),
  ...fields
})

const extendedJob = (fields: Partial<Mining.NewExtendedMiningJob> = {}): Mining.NewExtendedMiningJob => ({
  _tag: "NewExtendedMiningJob",
  channelId: 8,
  jobId: 1,
  minNtime: undefined,
  version: 0x20000000,
  versionRollingAllowed: true,
  merklePath: [bytes(3), bytes(4)],
  ...HALVES,
  ...fields
})

const prevHash = (fields: Partial<Mining.SetNewPrevHash> = {}): Mining.SetNewPrevHash => ({
  _tag: "SetNewPrevHash",
  channelId: 7,
  jobId: 1,
  prevHash: bytes(9),
  minNtime: 5000,
  nbits: 0x1d00ffff,
  ...fields
})

const connect = (options: ChannelClientOptions = {}): TestClient => new TestClient(options)

const withStandard = (options: ChannelClientOptions = {}): TestClient => {
  const client = connect(options)
  client.openStandardChannel(request)
  client.receive([openedStandard()], NOW)
  return client
}

const withExtended = (
  options: ChannelClientOptions = {},
  fields: Partial<Mining.OpenExtendedMiningChannelSuccess> = {}
): TestClient => {
  const client = connect(options)
  client.openExtendedChannel({ ...request, minExtranonceSize: 4 })
  client.receive([openedExtended(fields)], NOW)
  return client
}

/** Two standard channels, 7 and 17, and an extended channel, 8, in group 100. */
const withGroup = (): TestClient => {
  const client = connect()
  for (const channelId of [7, 17]) {
    const { requestId } = client.openStandardChannel(request)
    client.receive([openedStandard({ requestId, channelId, extranoncePrefix: bytes(channelId, 12) })], NOW)
  }
  const { requestId } = client.openExtendedChannel({ ...request, minExtranonceSize: 4 })
  client.receive([openedExtended({ requestId })], NOW)
  return client
}

const tags = (events: ReadonlyArray<ClientEvent>): ReadonlyArray<string> => events.map((event) => event._tag)

const workOf = (client: TestClient, channelId: number) => {
  const work = client.channels.get(channelId)?.work
  if (work === undefined) throw new Error(`channel ${channelId} has no work`)
  return work
}

const expectViolation = (client: TestClient, message: Mining.ToClient, rule: ServerRule): void => {
  const before = [...client.channels.values()].map(({ work, target, extranoncePrefix, groupChannelId }) => ({
    work,
    target,
    extranoncePrefix,
    groupChannelId
  }))
  const events = client.receive([message, prevHash({ channelId: 12345 })], NOW)
  expect(tags(events)).toEqual(["ProtocolViolation"])
  const violation = events[0] as ProtocolViolation
  expect(violation).toBeInstanceOf(ProtocolViolation)
  expect(violation.rule).toBe(rule)
  expect(violation.messageTag).toBe(message._tag)
  expect(violation.message).toContain(`section ${violation.section}`)
  const after = [...client.channels.values()].map(({ work, target, extranoncePrefix, groupChannelId }) => ({
    work,
    target,
    extranoncePrefix,
    groupChannelId
  }))
  expect(after).toEqual(before)
}

describe("opening a channel", () => {
  it("sends request ids that are unique on the connection", () => {
    const client = connect()
    const first = client.openStandardChannel(request)
    const second = client.openExtendedChannel({ ...request, minExtranonceSize: 4 })
    expect(first).toEqual({ _tag: "OpenStandardMiningChannel", requestId: 1, ...request })
    expect(second).toEqual({ _tag: "OpenExtendedMiningChannel", requestId: 2, ...request, minExtranonceSize: 4 })
  })

  it("emits ChannelOpened for a standard channel", () => {
    const client = connect()
    client.openStandardChannel(request)
    expect(client.receive([openedStandard()], NOW)).toEqual([
      {
        _tag: "ChannelOpened",
        requestId: 1,
        channelId: 7,
        kind: "standard",
        target: TARGET,
        extranoncePrefix: bytes(0xaa, 12),
        extranonceSize: 0,
        groupChannelId: 100
      }
    ])
  })

  it("emits ChannelOpened for an extended channel", () => {
    const client = connect()
    client.openExtendedChannel({ ...request, minExtranonceSize: 4 })
    const [opened] = client.receive([openedExtended()], NOW)
    expect(opened).toMatchObject({ _tag: "ChannelOpened", kind: "extended", extranonceSize: 8, channelId: 8 })
  })

  it("emits OpenRefused with the error code", () => {
    const client = connect()
    client.openStandardChannel(request)
    const refusal = { _tag: "OpenMiningChannel.Error", requestId: 1, errorCode: "unknown-user" } as const
    expect(client.receive([refusal], NOW)).toEqual([{ _tag: "OpenRefused", requestId: 1, errorCode: "unknown-user" }])
    expectViolation(client, refusal, "known-request-id")
  })

  it.each<[string, ServerRule, Partial<Mining.OpenExtendedMiningChannelSuccess>]>([
    ["an unknown request id", "known-request-id", { requestId: 2 }],
    ["a target above the requested maximum", "target-within-maximum", { target: bytes(0xf1) }],
    ["fewer bytes of extranonce than requested", "minimum-extranonce-size", { extranonceSize: 3 }],
    ["more than 32 bytes of extranonce", "full-extranonce-size", { extranonceSize: 29 }],
    ["a group with the channel's own id", "unique-group-channel-id", { groupChannelId: 8 }]
  ])("the client refuses %s", (_, rule, fields) => {
    const client = connect()
    client.openExtendedChannel({ ...request, maxTarget: bytes(0xf0), minExtranonceSize: 4 })
    expectViolation(client, openedExtended(fields), rule)
  })

  it("the client refuses an answer for the other kind of channel", () => {
    const client = connect()
    client.openStandardChannel(request)
    expectViolation(client, openedExtended(), "known-request-id")
  })

  it("the client refuses a second answer to one request", () => {
    expectViolation(withStandard(), openedStandard({ channelId: 9 }), "known-request-id")
  })

  it.each<[string, ServerRule, Partial<Mining.OpenStandardMiningChannelSuccess>]>([
    ["a channel id in use", "unique-channel-id", {}],
    ["the id of a group", "unique-channel-id", { channelId: 100 }],
    ["a group id that is a channel's", "unique-group-channel-id", { channelId: 9, groupChannelId: 7 }],
    [
      "another extranonce size than the group's",
      "equal-extranonce-size-in-group",
      { channelId: 9, extranoncePrefix: bytes(1, 13) }
    ]
  ])("the client refuses %s for a second channel, with and without REQUIRES_STANDARD_JOBS", (_, rule, fields) => {
    for (const requiresStandardJobs of [false, true]) {
      const client = withStandard({ requiresStandardJobs })
      const { requestId } = client.openStandardChannel(request)
      expectViolation(client, openedStandard({ requestId, ...fields }), rule)
    }
  })

  it.each<[string, ServerRule, Partial<Mining.OpenStandardMiningChannelSuccess>]>([
    ["the id of a channel that was closed", "unique-channel-id", { channelId: 7 }],
    ["the id of a group that was closed", "unique-channel-id", { channelId: 100 }],
    ["a group with a closed channel's id", "unique-group-channel-id", { channelId: 9, groupChannelId: 7 }]
  ])("the client refuses %s, whichever end closed it", (_, rule, fields) => {
    const closing = [
      (client: TestClient) => client.closeChannel(7, "done"),
      (client: TestClient) => client.receive([{ _tag: "CloseChannel", channelId: 100, reasonCode: "" }], NOW)
    ]
    for (const close of closing) {
      const client = withStandard()
      close(client)
      expect(client.channels.size).toBe(0)
      const { requestId } = client.openStandardChannel(request)
      expectViolation(client, openedStandard({ requestId, ...fields }), rule)
    }
  })

  it("accepts the past id of a group for a group again", () => {
    const client = withStandard()
    client.closeChannel(7, "done")
    const { requestId } = client.openStandardChannel(request)
    expect(tags(client.receive([openedStandard({ requestId, channelId: 9 })], NOW))).toEqual(["ChannelOpened"])
  })

  it("remembers only the last thousand past ids", () => {
    const client = withStandard()
    const reopen = (channelId: number) => {
      const { requestId } = client.openStandardChannel(request)
      const events = client.receive([openedStandard({ requestId, channelId })], NOW)
      client.closeChannel(channelId, "done")
      return events
    }
    client.closeChannel(7, "done")
    for (let channelId = 1001; channelId <= 2024; channelId++) reopen(channelId)
    expect(tags(reopen(7))).toEqual(["ChannelOpened"])
    expect(reopen(1002)).toMatchObject([{ _tag: "ProtocolViolation", rule: "unique-channel-id" }])
  })
})

describe("jobs", () => {
  it("are mined when a SetNewPrevHash names them", () => {
    const client = withStandard()
    expect(tags(client.receive([job()], NOW))).toEqual(["JobReceived"])
    expect(client.channels.get(7)?.work).toBeUndefined()
    const [changed] = client.receive([prevHash()], NOW + 10)
    expect(changed).toEqual({
      _tag: "WorkChanged",
      channelId: 7,
      newPrevHash: true,
      work: {
        _tag: "StandardWork",
        channelId: 7,
        jobId: 1,
        version: 0x20000000,
        versionRollingAllowed: true,
        prevHash: bytes(9),
        nbits: 0x1d00ffff,
        minNtime: 5000,
        prevHashNtime: 5000,
        prevHashReceivedAt: NOW + 10,
        target: TARGET,
        merkleRoot: bytes(1)
      }
    })
  })

  it("with min_ntime are mined at once on the previous hash in force", () => {
    const client = withStandard()
    client.receive([job(), prevHash()], NOW)
    const [received, changed] = client.receive([job({ jobId: 2, minNtime: 5007, merkleRoot: bytes(2) })], NOW + 1)
    expect(received).toEqual({ _tag: "JobReceived", channelId: 7, jobId: 2, future: false })
    expect(changed).toMatchObject({
      _tag: "WorkChanged",
      newPrevHash: false,
      work: { jobId: 2, minNtime: 5007, prevHashNtime: 5000, merkleRoot: bytes(2), prevHash: bytes(9) }
    })
  })

  it("never begin before the previous hash's time", () => {
    const client = withStandard()
    client.receive([job(), prevHash(), job({ jobId: 2, minNtime: 4000 })], NOW)
    expect(workOf(client, 7).minNtime).toBe(5000)
  })

  it("that wait for a previous hash are dropped by a SetNewPrevHash that names another job", () => {
    const client = withStandard()
    client.receive([job({ jobId: 1 }), job({ jobId: 2 }), job({ jobId: 3 }), prevHash({ jobId: 2 })], NOW)
    expect(workOf(client, 7).jobId).toBe(2)
    expectViolation(client, prevHash({ jobId: 3 }), "prev-hash-names-future-job")
  })

  it("are valid for shares only on the present previous hash", () => {
    const client = withStandard()
    client.receive([job(), prevHash(), job({ jobId: 2, minNtime: 5000 })], NOW)
    const share = { nonce: 1, ntime: 5000, version: 0x20000000, extranonce: bytes(0, 0) }
    expect(client.submit(7, { ...share, jobId: 1 }, NOW)).toBeDefined()
    expect(client.submit(7, { ...share, jobId: 2 }, NOW)).toBeDefined()
    client.receive([job({ jobId: 3 })], NOW)
    expect(client.submit(7, { ...share, jobId: 3 }, NOW)).toBeUndefined()
    client.receive([prevHash({ jobId: 3 })], NOW)
    expect(client.submit(7, { ...share, jobId: 2 }, NOW)).toBeUndefined()
    expect(client.submit(7, { ...share, jobId: 3 }, NOW)).toBeDefined()
  })

  it("that wait for a previous hash are limited in number", () => {
    const client = withStandard({ maxFutureJobs: 3 })
    client.receive(
      [1, 2, 3, 4].map((jobId) => job({ jobId })),
      NOW
    )
    expect(tags(client.receive([prevHash({ jobId: 2 })], NOW))).toEqual(["WorkChanged"])
    client.receive(
      [11, 12, 13, 14].map((jobId) => job({ jobId })),
      NOW
    )
    expectViolation(client, prevHash({ jobId: 11 }), "prev-hash-names-future-job")
  })

  it("may reuse the id of a stale job", () => {
    const client = withStandard()
    client.receive([job(), prevHash(), job({ jobId: 2 }), prevHash({ jobId: 2 })], NOW)
    expect(tags(client.receive([job({ jobId: 1, minNtime: 5000 })], NOW))).toEqual(["JobReceived", "WorkChanged"])
  })

  it.each<[string, ServerRule, Mining.ToClient]>([
    ["the id of a job that waits for a previous hash", "unique-job-id", job({ jobId: 2 })],
    ["the id of the active job", "unique-job-id", job({ jobId: 1, minNtime: 5000 })],
    ["a previous hash for the active job", "prev-hash-names-future-job", prevHash({ jobId: 1 })],
    ["a previous hash for an unknown job", "prev-hash-names-future-job", prevHash({ jobId: 99 })],
    [
      "an extended job on a standard channel",
      "extended-job-for-extended-or-group-channel",
      extendedJob({ channelId: 7, jobId: 5 })
    ],
    ["a standard job on a group", "standard-job-for-standard-channel", job({ channelId: 100, jobId: 5 })]
  ])("the client refuses %s", (_, rule, message) => {
    const client = withStandard()
    client.receive([job(), prevHash(), job({ jobId: 2 })], NOW)
    expectViolation(client, message, rule)
  })

  it("the client refuses a first job that is no future job", () => {
    expectViolation(withStandard(), job({ minNtime: 5000 }), "first-job-is-future")
  })

  it("the client refuses a standard job on an extended channel", () => {
    expectViolation(withExtended(), job({ channelId: 8 }), "standard-job-for-standard-channel")
  })

  it.each<[string, ServerRule, ChannelClientOptions, Partial<Mining.NewExtendedMiningJob>]>([
    [
      "an extended job after REQUIRES_STANDARD_JOBS",
      "no-extended-jobs-with-standard-jobs-only",
      { requiresStandardJobs: true },
      {}
    ],
    [
      "a fixed version after REQUIRES_VERSION_ROLLING",
      "version-rolling-was-required",
      { requiresVersionRolling: true },
      { versionRollingAllowed: false }
    ],
    ["version rolling after REQUIRES_FIXED_VERSION", "version-is-fixed", { fixedVersion: true }, {}],
    [
      "a coinbase with a marker and no witness",
      "strippable-coinbase",
      {},
      { coinbaseTxPrefix: Uint8Array.of(2, 0, 0, 0, 0, 1, 1), coinbaseTxSuffix: bytes(0, 10) }
    ],
    [
      "a coinbase with marker 00 and flag 02",
      "coinbase-transaction",
      {},
      {
        coinbaseTxPrefix: Uint8Array.of(
          ...HALVES.coinbaseTxPrefix.subarray(0, 4),
          0,
          2,
          ...HALVES.coinbaseTxPrefix.subarray(4)
        ),
        coinbaseTxSuffix: Uint8Array.of(...HALVES.coinbaseTxSuffix.subarray(0, -4), 1, 32, ...bytes(0), 0, 0, 0, 0)
      }
    ],
    [
      "a coinbase with two inputs",
      "coinbase-transaction",
      {},
      { coinbaseTxPrefix: HALVES.coinbaseTxPrefix.with(4, 2) }
    ],
    [
      "a coinbase that spends an output",
      "coinbase-transaction",
      {},
      { coinbaseTxPrefix: HALVES.coinbaseTxPrefix.with(5, 1) }
    ],
    [
      "a coinbase with a byte after its end",
      "coinbase-transaction",
      {},
      { coinbaseTxSuffix: Uint8Array.of(...HALVES.coinbaseTxSuffix, 0) }
    ],
    ["a coinbase for an extranonce of another size", "coinbase-transaction", {}, coinbaseHalves(13)]
  ])("the client refuses %s", (_, rule, options, fields) => {
    expectViolation(withExtended(options), extendedJob(fields), rule)
  })

  it("are refused from a server that fixes the version if the client must roll it", () => {
    const client = connect({ requiresVersionRolling: true, fixedVersion: true })
    client.openStandardChannel(request)
    expectViolation(client, openedStandard(), "version-rolling-was-required")
  })

  it("do not allow version rolling after REQUIRES_FIXED_VERSION if they are standard jobs", () => {
    const client = withStandard({ fixedVersion: true })
    client.receive([job(), prevHash()], NOW)
    expect(workOf(client, 7).versionRollingAllowed).toBe(false)
  })

  it("keep no views on the buffer of a message", () => {
    const client = withExtended()
    const buffer = Uint8Array.of(...bytes(5), ...HALVES.coinbaseTxPrefix, ...HALVES.coinbaseTxSuffix, ...bytes(5))
    const message = extendedJob({
      merklePath: [buffer.subarray(0, 32)],
      coinbaseTxPrefix: buffer.subarray(32, 82),
      coinbaseTxSuffix: buffer.subarray(82, 142)
    })
    client.receive([message, prevHash({ channelId: 8, prevHash: buffer.subarray(142, 174) })], NOW)
    buffer.fill(0)
    expect(workOf(client, 8)).toMatchObject({
      coinbasePrefix: HALVES.coinbaseTxPrefix,
      coinbaseSuffix: HALVES.coinbaseTxSuffix,
      merklePath: bytes(5, 32),
      prevHash: bytes(5)
    })
  })
})

describe("work on an extended channel", () => {
  it("has the coinbase halves and the extranonce prefix in force when the job arrived", () => {
    const client = withExtended()
    client.receive([extendedJob()], NOW)
    client.receive([{ _tag: "SetExtranoncePrefix", channelId: 8, extranoncePrefix: bytes(0xcc, 4) }], NOW)
    client.receive([extendedJob({ jobId: 2 }), prevHash({ channelId: 8, jobId: 1 })], NOW)
    expect(workOf(client, 8)).toMatchObject({
      _tag: "ExtendedWork",
      jobId: 1,
      coinbasePrefix: HALVES.coinbaseTxPrefix,
      coinbaseSuffix: HALVES.coinbaseTxSuffix,
      extranoncePrefix: bytes(0xbb, 4),
      extranonceSize: 8,
      merklePath: Uint8Array.of(...bytes(3), ...bytes(4))
    })
    client.receive([extendedJob({ jobId: 3, minNtime: 5000, versionRollingAllowed: false })], NOW)
    expect(workOf(client, 8)).toMatchObject({ extranoncePrefix: bytes(0xcc, 4), versionRollingAllowed: false })
  })

  it("has a coinbase without BIP141 fields even if the pool sent them", () => {
    const client = withExtended({}, { extranoncePrefix: bytes(0xbb, 24) })
    client.receive(
      [
        extendedJob({
          coinbaseTxPrefix: hex(coinbases.unstripped.prefix),
          coinbaseTxSuffix: hex(coinbases.unstripped.suffix)
        }),
        prevHash({ channelId: 8 })
      ],
      NOW
    )
    expect(workOf(client, 8)).toMatchObject({
      coinbasePrefix: hex(coinbases.stripped.prefix),
      coinbaseSuffix: hex(coinbases.stripped.suffix)
    })
  })
})

describe("a group", () => {
  it("gives its standard channels work of an extended job, each with the merkle root of its own prefix", () => {
    const client = withGroup()
    const received = client.receive([extendedJob({ channelId: 100 })], NOW)
    expect(received).toEqual([{ _tag: "JobReceived", channelId: 100, jobId: 1, future: true }])
    const events = client.receive([prevHash({ channelId: 100 })], NOW)
    expect(events.map((event) => event._tag === "WorkChanged" && event.channelId)).toEqual([7, 17, 8])
    for (const channelId of [7, 17]) {
      expect(workOf(client, channelId)).toMatchObject({
        _tag: "StandardWork",
        versionRollingAllowed: true,
        merkleRoot: rootByHand(extendedJob(), bytes(channelId, 12))
      })
    }
    expect(workOf(client, 8)._tag).toBe("ExtendedWork")
  })

  it("gives its channels work without version rolling if the job forbids it", () => {
    const client = withGroup()
    client.receive([extendedJob({ channelId: 100, versionRollingAllowed: false }), prevHash({ channelId: 100 })], NOW)
    expect(workOf(client, 7).versionRollingAllowed).toBe(false)
  })

  it("gives its future job to a channel that opens later", () => {
    const client = withGroup()
    client.receive([extendedJob({ channelId: 100 }), prevHash({ channelId: 100 })], NOW)
    client.receive([extendedJob({ channelId: 100, jobId: 2 })], NOW)
    const { requestId } = client.openStandardChannel(request)
    client.receive([openedStandard({ requestId, channelId: 27, extranoncePrefix: bytes(27, 12) })], NOW)
    // A server sends a new channel the current job of the others, under the same id.
    const first = client.receive([job({ channelId: 27, jobId: 1 }), prevHash({ channelId: 27 })], NOW)
    expect(tags(first)).toEqual(["JobReceived", "WorkChanged"])
    client.receive([prevHash({ channelId: 100, jobId: 2, prevHash: bytes(10) })], NOW)
    expect(workOf(client, 27)).toMatchObject({ jobId: 2, merkleRoot: rootByHand(extendedJob(), bytes(27, 12)) })
  })

  it("lets a channel that opens late mine the next job on the group's previous hash", () => {
    const client = withGroup()
    client.receive([extendedJob({ channelId: 100 }), prevHash({ channelId: 100 })], NOW)
    const { requestId } = client.openStandardChannel(request)
    client.receive([openedStandard({ requestId, channelId: 27, extranoncePrefix: bytes(27, 12) })], NOW)
    client.receive([extendedJob({ channelId: 100, jobId: 2, minNtime: 5002 })], NOW)
    expect(workOf(client, 27)).toMatchObject({ jobId: 2, prevHash: workOf(client, 7).prevHash, minNtime: 5002 })
  })

  it("sets the target of all members", () => {
    const client = withGroup()
    client.receive([{ _tag: "SetTarget", channelId: 100, maximumTarget: bytes(0x10) }], NOW)
    expect([...client.channels.values()].map(({ target }) => target)).toEqual([bytes(0x10), bytes(0x10), bytes(0x10)])
  })

  it("the client refuses a target above the max_target of one of its channels, unless an UpdateChannel raised it", () => {
    const client = connect()
    client.openStandardChannel({ ...request, maxTarget: TARGET })
    client.receive([openedStandard()], NOW)
    const easier = bytes(0x30)
    client.updateChannel(7, 1, bytes(0x10))
    const setTarget = (maximumTarget: Uint8Array): Mining.SetTarget => ({
      _tag: "SetTarget",
      channelId: 100,
      maximumTarget
    })
    expect(tags(client.receive([setTarget(TARGET)], NOW))).toEqual(["TargetChanged"])
    client.updateChannel(7, 1, easier)
    expect(tags(client.receive([setTarget(easier)], NOW))).toEqual(["TargetChanged"])
    expectViolation(client, setTarget(bytes(0x31)), "target-within-maximum")
  })

  it("gets its channels by SetGroupChannel", () => {
    const client = withGroup()
    const events = client.receive([{ _tag: "SetGroupChannel", groupChannelId: 200, channelIds: [17, 8, 999] }], NOW)
    expect(tags(events)).toEqual(["GroupChanged", "GroupChanged", "Ignored"])
    client.receive([extendedJob({ channelId: 200 }), prevHash({ channelId: 200 })], NOW)
    expect([...client.channels.values()].map(({ work }) => work?.jobId)).toEqual([undefined, 1, 1])
  })

  it("is forgotten when its last channel leaves", () => {
    const client = withGroup()
    client.receive([{ _tag: "SetGroupChannel", groupChannelId: 200, channelIds: [7, 17, 8] }], NOW)
    const events = client.receive([extendedJob({ channelId: 100 })], NOW)
    expect(events).toEqual([{ _tag: "Ignored", messageTag: "NewExtendedMiningJob", reason: "unknown-channel" }])
  })

  it("closes with all its channels", () => {
    const client = withGroup()
    const events = client.receive([{ _tag: "CloseChannel", channelId: 100, reasonCode: "maintenance" }], NOW)
    expect(events).toEqual(
      [7, 17, 8].map((channelId) => ({ _tag: "ChannelClosed", channelId, reasonCode: "maintenance" }))
    )
    expect(client.channels.size).toBe(0)
  })

  it.each<[string, ServerRule, Mining.ToClient]>([
    ["a group id that is a channel's", "unique-group-channel-id", setGroup(7, [8])],
    ["a prefix for a group", "extranonce-prefix-for-channel", setPrefix(100, 12)],
    ["a prefix that makes a member's extranonce longer", "equal-extranonce-size-in-group", setPrefix(7, 13)],
    ["a prefix that makes an extranonce too long", "full-extranonce-size", setPrefix(8, 25)]
  ])("the client refuses %s", (_, rule, message) => {
    expectViolation(withGroup(), message, rule)
  })

  it("the client refuses a closed channel's id", () => {
    const client = withGroup()
    client.closeChannel(17, "done")
    expectViolation(client, setGroup(17, [7]), "unique-group-channel-id")
  })

  it("the client refuses a job that is the same work for two members", () => {
    const cases: ReadonlyArray<readonly [channelId: number, prefix: Uint8Array]> = [
      [7, bytes(17, 12)],
      // The search space of an extended channel with the prefix bb bb bb bb contains that of this standard channel.
      [17, Uint8Array.of(...bytes(0xbb, 4), ...bytes(1, 8))]
    ]
    for (const [channelId, extranoncePrefix] of cases) {
      const client = withGroup()
      const change = { _tag: "SetExtranoncePrefix", channelId, extranoncePrefix } as const
      // The other channel may get another prefix before a job comes.
      expect(tags(client.receive([change], NOW))).toEqual(["ExtranoncePrefixChanged"])
      expectViolation(client, extendedJob({ channelId: 100 }), "unique-search-space")
    }
  })

  it("lets two members change prefixes between two jobs", () => {
    const client = withGroup()
    const swap = (channelId: number, fill: number): Mining.SetExtranoncePrefix => ({
      _tag: "SetExtranoncePrefix",
      channelId,
      extranoncePrefix: bytes(fill, 12)
    })
    const swapped = [swap(7, 17), swap(17, 7), extendedJob({ channelId: 100 })]
    expect(tags(client.receive(swapped, NOW)).at(-1)).toBe("JobReceived")
  })

  it("the client refuses members with different extranonce sizes", () => {
    const client = withStandard()
    const { requestId } = client.openExtendedChannel({ ...request, minExtranonceSize: 4 })
    client.receive([openedExtended({ requestId, extranonceSize: 10, groupChannelId: 101 })], NOW)
    expectViolation(client, setGroup(100, [8]), "equal-extranonce-size-in-group")
  })

  it("the client refuses a group after REQUIRES_STANDARD_JOBS", () => {
    expectViolation(
      withStandard({ requiresStandardJobs: true }),
      setGroup(200, [7]),
      "no-groups-with-standard-jobs-only"
    )
  })
})

describe("the target (5.3.21)", () => {
  it("changes for later jobs and for future jobs already sent, not for the active job", () => {
    const client = withStandard()
    client.receive([job(), prevHash(), job({ jobId: 2 })], NOW)
    const events = client.receive([{ _tag: "SetTarget", channelId: 7, maximumTarget: bytes(0x01) }], NOW)
    expect(events).toEqual([{ _tag: "TargetChanged", channelId: 7, target: bytes(0x01) }])
    expect(workOf(client, 7).target).toEqual(TARGET)
    client.receive([prevHash({ jobId: 2 })], NOW)
    expect(workOf(client, 7).target).toEqual(bytes(0x01))
    client.receive([{ _tag: "SetTarget", channelId: 7, maximumTarget: bytes(0x02) }], NOW)
    client.receive([job({ jobId: 3, minNtime: 5000 })], NOW)
    expect(workOf(client, 7).target).toEqual(bytes(0x02))
  })
})

describe("nTime (5.3.11)", () => {
  it("ranges from the time of the previous hash to that plus the seconds since it came", () => {
    const client = withStandard()
    client.receive([job(), prevHash()], NOW)
    const work = workOf(client, 7)
    expect(latestNtime(work, NOW)).toBe(5000)
    expect(latestNtime(work, NOW + 999)).toBe(5000)
    expect(latestNtime(work, NOW + 61_000)).toBe(5061)
    // A clock that was set back does not lower the limit below the first nTime.
    expect(latestNtime(work, NOW - 5000)).toBe(5000)
  })

  it("of a job that begins later is the job's own until the clock has caught up", () => {
    const client = withStandard()
    client.receive([job(), prevHash(), job({ jobId: 2, minNtime: 5030 })], NOW)
    expect(latestNtime(workOf(client, 7), NOW + 10_000)).toBe(5030)
    expect(latestNtime(workOf(client, 7), NOW + 31_000)).toBe(5031)
  })
})

describe("shares", () => {
  const share = { jobId: 1, nonce: 0xfffffff0, ntime: 5001, version: 0x20000020, extranonce: bytes(1, 8) }

  const mining = (options: ChannelClientOptions = {}): TestClient => {
    const client = withStandard(options)
    client.receive([job(), prevHash()], NOW)
    return client
  }

  const success = (lastSequenceNumber: number, newSubmitsAcceptedCount: number): Mining.SubmitSharesSuccess => ({
    _tag: "SubmitShares.Success",
    channelId: 7,
    lastSequenceNumber,
    newSubmitsAcceptedCount,
    newSharesSum: 12n
  })

  const submitAll = (client: TestClient, count: number): ReadonlyArray<number> =>
    Array.from({ length: count }, () => client.submit(7, share, NOW)?.sequenceNumber ?? -1)

  it("are numbered from 1 on each channel", () => {
    const client = mining()
    expect(submitAll(client, 3)).toEqual([1, 2, 3])
  })

  it("contain an extranonce only on an extended channel", () => {
    const standard = mining()
    expect(standard.submit(7, share, NOW)).toEqual({
      _tag: "SubmitSharesStandard",
      channelId: 7,
      sequenceNumber: 1,
      jobId: 1,
      nonce: 0xfffffff0,
      ntime: 5001,
      version: 0x20000020
    })
    const extended = withExtended()
    extended.receive([extendedJob(), prevHash({ channelId: 8 })], NOW)
    expect(extended.submit(8, share, NOW)).toMatchObject({ _tag: "SubmitSharesExtended", extranonce: bytes(1, 8) })
  })

  it("are acknowledged in batches", () => {
    const client = mining()
    submitAll(client, 5)
    const [accepted] = client.receive([success(3, 3)], NOW)
    expect(accepted).toMatchObject({ _tag: "SharesAccepted", acceptedCount: 3, difficultySum: 12n })
    expect(accepted?._tag === "SharesAccepted" && accepted.shares.map((share) => share.sequenceNumber)).toEqual([
      1, 2, 3
    ])
    expect(client.channels.get(7)?.pending.size).toBe(2)
  })

  it("are refused by their sequence number", () => {
    const client = mining()
    submitAll(client, 3)
    const refusal = { _tag: "SubmitShares.Error", channelId: 7, sequenceNumber: 2, errorCode: "stale-share" } as const
    expect(client.receive([refusal], NOW)).toMatchObject([
      { _tag: "ShareRefused", errorCode: "stale-share", share: { sequenceNumber: 2, jobId: 1, submittedAt: NOW } }
    ])
    const [accepted] = client.receive([success(3, 2)], NOW)
    expect(accepted?._tag === "SharesAccepted" && accepted.shares.map((share) => share.sequenceNumber)).toEqual([1, 3])
    expect(client.receive([refusal], NOW)).toMatchObject([{ _tag: "Ignored", reason: "unknown-share" }])
  })

  it("are counted by this end if the server counts all shares of the session each time", () => {
    const client = mining()
    submitAll(client, 2)
    client.receive([success(2, 2)], NOW)
    submitAll(client, 1)
    const [accepted] = client.receive([success(3, 3)], NOW)
    expect(accepted).toMatchObject({ _tag: "SharesAccepted", acceptedCount: 3, shares: [{ sequenceNumber: 3 }] })
  })

  it("stay pending if their number is after the last one of a success", () => {
    const client = mining()
    submitAll(client, 3)
    const [accepted] = client.receive([success(1, 3)], NOW)
    expect(accepted).toMatchObject({ shares: [{ sequenceNumber: 1 }] })
    expect(client.receive([success(1, 1)], NOW)).toMatchObject([{ _tag: "Ignored", reason: "unknown-share" }])
  })

  it("stay pending if they are beyond the count of a success, because their check may be delayed", () => {
    const client = mining()
    submitAll(client, 3)
    const [accepted] = client.receive([success(3, 2)], NOW)
    expect(accepted).toMatchObject({ shares: [{ sequenceNumber: 1 }, { sequenceNumber: 2 }] })
    expect(client.channels.get(7)?.pending.size).toBe(1)
  })

  it("without an answer are limited in number", () => {
    const client = mining({ maxPendingShares: 2 })
    submitAll(client, 5)
    expect(client.channels.get(7)?.pending.size).toBe(2)
    const [accepted] = client.receive([success(5, 5)], NOW)
    expect(accepted).toMatchObject({ shares: [{ sequenceNumber: 4 }, { sequenceNumber: 5 }] })
  })
})

describe("other messages", () => {
  it.each<Mining.ToClient>([
    job({ channelId: 55 }),
    extendedJob({ channelId: 55 }),
    prevHash({ channelId: 55 }),
    setPrefix(55, 4),
    { _tag: "SetTarget", channelId: 55, maximumTarget: TARGET },
    { _tag: "CloseChannel", channelId: 55, reasonCode: "" },
    { _tag: "UpdateChannel.Error", channelId: 55, errorCode: "invalid-channel-id" },
    { _tag: "SubmitShares.Error", channelId: 55, sequenceNumber: 1, errorCode: "stale-share" }
  ])("are ignored if they are $_tag for a channel that is not open", (message) => {
    const client = withStandard()
    expect(client.receive([message], NOW)).toEqual([
      { _tag: "Ignored", messageTag: message._tag, reason: "unknown-channel" }
    ])
  })

  it("are ignored for a channel that this end closed", () => {
    const client = withStandard()
    expect(client.closeChannel(7, "done")).toEqual({ _tag: "CloseChannel", channelId: 7, reasonCode: "done" })
    expect(tags(client.receive([job(), prevHash()], NOW))).toEqual(["Ignored", "Ignored"])
  })

  it("emit UpdateRefused, Reconnect, or Ignored for a message of another role", () => {
    const client = withStandard()
    expect(client.updateChannel(7, 5, TARGET)).toEqual({
      _tag: "UpdateChannel",
      channelId: 7,
      nominalHashRate: 5,
      maximumTarget: TARGET
    })
    const events = client.receive(
      [
        { _tag: "UpdateChannel.Error", channelId: 7, errorCode: "invalid-nominal-hashrate" },
        { _tag: "Reconnect", newHost: "other.example", newPort: 4444 },
        { _tag: "ChannelEndpointChanged", channelId: 7 },
        { _tag: "SetCustomMiningJob.Success", channelId: 7, requestId: 1, jobId: 1 }
      ],
      NOW
    )
    expect(events).toEqual([
      { _tag: "UpdateRefused", channelId: 7, errorCode: "invalid-nominal-hashrate" },
      { _tag: "Reconnect", host: "other.example", port: 4444 },
      { _tag: "Ignored", messageTag: "SetCustomMiningJob.Success", reason: "unexpected-message" }
    ])
  })
})

describe("jobs of the client's own", () => {
  const fields = {
    channelId: 8,
    miningJobToken: bytes(5, 4),
    version: 0x20000000,
    prevHash: bytes(6),
    minNtime: 5000,
    nbits: 0x1d00ffff,
    coinbaseTxVersion: 2,
    coinbasePrefix: bytes(7, 5),
    coinbaseTxInputNSequence: 0,
    coinbaseTxOutputs: bytes(8, 10),
    coinbaseTxLocktime: 0,
    merklePath: []
  }
  const share = { jobId: 40, nonce: 1, ntime: 5000, version: 0, extranonce: bytes(0, 4) }
  const success = (requestId: number, jobId = 40): Mining.SetCustomMiningJobSuccess => ({
    _tag: "SetCustomMiningJob.Success",
    channelId: 8,
    requestId,
    jobId
  })

  it("take shares under the server's id once the server has taken them, with the target and the prefix of that moment", () => {
    const client = withExtended()
    const { requestId } = client.setCustomJob(fields)
    expect(client.submit(8, share, NOW)).toBeUndefined()
    const target = bytes(0x10)
    const events = client.receive([{ _tag: "SetTarget", channelId: 8, maximumTarget: target }, success(requestId)], NOW)
    const { extranoncePrefix } = client.channels.get(8)!
    expect(events.at(-1)).toEqual({
      _tag: "CustomJobAccepted",
      channelId: 8,
      requestId,
      jobId: 40,
      target,
      extranoncePrefix
    })
    expect(client.submit(8, share, NOW)).toMatchObject({ _tag: "SubmitSharesExtended", jobId: 40 })
    // The server's own previous hashes do not end them.
    client.receive([extendedJob({ jobId: 41 }), prevHash({ channelId: 8, jobId: 41 })], NOW)
    expect(client.submit(8, share, NOW)).toMatchObject({ jobId: 40 })
  })

  it("are refused with the server's code", () => {
    const client = withExtended()
    const { requestId } = client.setCustomJob(fields)
    const refusal = { channelId: 8, requestId, errorCode: "invalid-mining-job-token" }
    expect(client.receive([{ _tag: "SetCustomMiningJob.Error", ...refusal }], NOW)).toEqual([
      { _tag: "CustomJobRefused", ...refusal }
    ])
    expect(tags(client.receive([success(requestId)], NOW))).toEqual(["Ignored"])
  })

  it("get no id that another job of the channel has", () => {
    const client = withExtended()
    client.receive([extendedJob({ jobId: 40 })], NOW)
    const { requestId } = client.setCustomJob(fields)
    expectViolation(client, success(requestId), "unique-job-id")
  })

  it("are limited in number, and so are requests without an answer", () => {
    const client = withExtended()
    const first = client.setCustomJob(fields).requestId
    for (let count = 0; count < 256; count++) client.setCustomJob(fields)
    expect(tags(client.receive([success(first)], NOW))).toEqual(["Ignored"])
    for (let id = 0; id <= 256; id++) client.receive([success(client.setCustomJob(fields).requestId, 100 + id)], NOW)
    expect(client.submit(8, { ...share, jobId: 100 }, NOW)).toBeUndefined()
    expect(client.submit(8, { ...share, jobId: 101 }, NOW)).toMatchObject({ jobId: 101 })
  })
})

function setGroup(groupChannelId: number, channelIds: ReadonlyArray<number>): Mining.SetGroupChannel {
  return { _tag: "SetGroupChannel", groupChannelId, channelIds }
}

function setPrefix(channelId: number, size: number): Mining.SetExtranoncePrefix {
  return { _tag: "SetExtranoncePrefix", channelId, extranoncePrefix: bytes(1, size) }
}

/** The merkle root as section 5.3.16 defines it: hash the whole coinbase, then fold the path. */
function rootByHand(message: Mining.NewExtendedMiningJob, extranonce: Uint8Array): Uint8Array {
  let root = doubleSha256(Uint8Array.of(...message.coinbaseTxPrefix, ...extranonce, ...message.coinbaseTxSuffix))
  for (const node of message.merklePath) root = doubleSha256(Uint8Array.of(...root, ...node))
  return root
}

function doubleSha256(data: Uint8Array): Uint8Array {
  const once = createHash("sha256").update(data).digest()
  return new Uint8Array(createHash("sha256").update(once).digest())
}

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"))
}
