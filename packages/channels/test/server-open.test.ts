import { describe, expect, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { hashRateToTarget, MAX_TARGET, u256FromBytes, u256ToBytes } from "../src/index.ts"
import { open, TestServer } from "./server-fixture.ts"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"

const refusal = (errorCode: string) => [{ _tag: "OpenMiningChannel.Error", requestId: 1, errorCode }]
const tags = (messages: ReadonlyArray<{ readonly _tag: string }>): ReadonlyArray<string> =>
  messages.map(({ _tag }) => _tag)

describe("opening a channel", () => {
  it("gives a standard channel its full extranonce and a target for its hash rate", () => {
    const server = new TestServer()
    const connection = server.connect()
    const { events, messages } = server.send(
      connection,
      open({ kind: "standard", requestId: 77, nominalHashRate: 1e9 })
    )
    expect(messages).toEqual([
      {
        _tag: "OpenStandardMiningChannel.Success",
        requestId: 77,
        channelId: 2,
        target: u256ToBytes(hashRateToTarget(1e9, 6)),
        extranoncePrefix: new Uint8Array(20),
        groupChannelId: 1
      }
    ])
    expect(events).toMatchObject([
      { _tag: "ChannelOpened", channel: { kind: "standard", userIdentity: "user.worker" } }
    ])
  })

  it("gives an extended channel a prefix and at least the extranonce bytes that it asked for", () => {
    const server = new TestServer()
    const connection = server.connect()
    const sizes = [2, 8, 9, 16].map((minExtranonceSize) => {
      const { messages } = server.send(connection, open({ minExtranonceSize }))
      const [success] = messages
      if (success?._tag !== "OpenExtendedMiningChannel.Success") throw new Error("not opened")
      return [success.extranonceSize, success.extranoncePrefix.length]
    })
    expect(sizes).toEqual([
      [8, 12],
      [8, 12],
      [9, 11],
      [16, 4]
    ])
  })

  it("gives ids that no other channel and no group of the connection ever has", () => {
    const server = new TestServer()
    const connection = server.connect()
    const ids = new Set([1])
    for (let i = 0; i < 50; i++) {
      const { channelId } = server.open(connection, { kind: i % 2 === 0 ? "standard" : "extended" })
      expect(ids.has(channelId)).toBe(false)
      ids.add(channelId)
      server.send(connection, { _tag: "CloseChannel", channelId, reasonCode: "done" })
    }
  })

  it("sends no target above max_target, nor easier than the least hash rate asks for", () => {
    const server = new TestServer({ policy: { minHashRate: 1000 } })
    const connection = server.connect()
    expect(server.open(connection, { nominalHashRate: 1 }).target).toBe(hashRateToTarget(1000, 6))
    expect(server.open(connection, { nominalHashRate: 0 }).target).toBe(hashRateToTarget(1000, 6))
    expect(server.open(connection, { nominalHashRate: 1, maxTarget: u256ToBytes(12345n << 190n) }).target).toBe(
      12345n << 190n
    )
    expect(server.open(connection, { nominalHashRate: 3e38 }).target).toBe(0xffffn << 155n)
  })

  describe("refuses", () => {
    const cases: ReadonlyArray<
      readonly [code: string, what: string, request: Parameters<typeof open>[0], setupFlags: number]
    > = [
      ["unknown-user", "a user that the pool does not know", { userIdentity: "stranger" }, 0],
      ["invalid-user-identity", "a user that the pool finds malformed", { userIdentity: "malformed" }, 0],
      ["invalid-user-identity", "an empty identity", { userIdentity: "" }, 0],
      ["invalid-user-identity", "control characters", { userIdentity: "a\nb" }, 0],
      ["invalid-user-identity", "a character that reverses the direction of text", { userIdentity: "a\u202eb" }, 0],
      ["invalid-user-identity", "a zero-width space", { userIdentity: "a\u200bb" }, 0],
      ["invalid-user-identity", "a byte order mark", { userIdentity: "\ufeffa" }, 0],
      ["invalid-user-identity", "an invisible tag of two code units", { userIdentity: "a\u{e0061}" }, 0],
      ["invalid-user-identity", "a line separator", { userIdentity: "a\u2028b" }, 0],
      ["invalid-user-identity", "bytes that are not UTF-8", { userIdentity: "a\udcff\udc80" }, 0],
      ["invalid-user-identity", "an identity longer than the limit", { userIdentity: "x".repeat(101) }, 0],
      ["invalid-nominal-hashrate", "NaN", { nominalHashRate: Number.NaN }, 0],
      ["invalid-nominal-hashrate", "infinity", { nominalHashRate: Number.POSITIVE_INFINITY }, 0],
      ["invalid-nominal-hashrate", "a negative hash rate", { nominalHashRate: -1 }, 0],
      ["max-target-out-of-range", "a target that no hash meets", { maxTarget: bytes(0) }, 0],
      [
        "max-target-out-of-range",
        "a target harder than the hardest of a channel",
        { maxTarget: u256ToBytes((0xffffn << 155n) - 1n) },
        0
      ],
      ["min-extranonce-size-too-large", "more extranonce than the protocol allows", { minExtranonceSize: 33 }, 0],
      ["unsupported-min-extranonce-size", "more extranonce than this server has", { minExtranonceSize: 17 }, 0],
      [
        "extended-channels-not-supported-for-standard-jobs",
        "an extended channel if the client requires standard jobs",
        { kind: "extended" },
        Mining.REQUIRES_STANDARD_JOBS
      ],
      [
        "standard-channels-not-supported-for-custom-work",
        "a standard channel if the client selects its work",
        { kind: "standard" },
        Mining.REQUIRES_WORK_SELECTION
      ]
    ]

    it.each(cases)("with %s: %s", (code, _, request, setupFlags) => {
      const refuseUser = (user: string) =>
        user === "stranger" ? "unknown-user" : user === "malformed" ? "invalid-user-identity" : undefined
      const server = TestServer.working({ policy: { maxUserIdentityBytes: 100, refuseUser } })
      const connection = server.connect(setupFlags)
      const refused = server.send(connection, open(request))
      expect(refused.messages).toEqual(refusal(code))
      expect(refused.events).toMatchObject([{ _tag: "ChannelRefused", errorCode: code }])
      expect(server.space.held).toBe(0)
      const kind = setupFlags === Mining.REQUIRES_STANDARD_JOBS ? "standard" : "extended"
      expect(server.send(connection, open({ kind })).messages[0]?._tag).toMatch(/Success$/)
    })

    it("with too-many-channels: a channel beyond the limit, until another is closed", () => {
      const server = new TestServer({ policy: { maxChannels: 2 } })
      const connection = server.connect()
      const { channelId } = server.open(connection)
      server.open(connection)
      expect(server.send(connection, open()).messages).toEqual(refusal("too-many-channels"))
      server.send(connection, { _tag: "CloseChannel", channelId, reasonCode: "" })
      expect(tags(server.send(connection, open()).messages)).toEqual(["OpenExtendedMiningChannel.Success"])
    })

    it("with extranonce-space-exhausted: a channel while all prefixes are in use, until another connection ends", () => {
      const server = new TestServer({ layout: { indexSize: 1 } })
      const [first, second] = [server.connect(), server.connect()]
      for (let i = 0; i < 256; i++) server.open(first)
      expect(server.send(second, open()).messages).toEqual(refusal("extranonce-space-exhausted"))
      server.close(first)
      expect(tags(server.send(second, open()).messages)).toEqual(["OpenExtendedMiningChannel.Success"])
    })
  })

  it("accepts a user identity exactly as long as the limit", () => {
    const server = new TestServer({ policy: { maxUserIdentityBytes: 6 } })
    const connection = server.connect()
    for (const userIdentity of ["123456", "a€bc", "ab🐙"]) {
      expect(tags(server.send(connection, open({ userIdentity })).messages)).toEqual([
        "OpenExtendedMiningChannel.Success"
      ])
    }
  })
})

it("events contain no control characters from a client, which could forge lines in a log", () => {
  const server = new TestServer()
  const connection = server.connect()
  expect(server.send(connection, open({ userIdentity: "a\r\nERROR\u2028" })).events).toMatchObject([
    { _tag: "ChannelRefused", userIdentity: "a\ufffd\ufffdERROR\ufffd" }
  ])
  const { channelId } = server.open(connection)
  expect(server.send(connection, { _tag: "CloseChannel", channelId, reasonCode: "\u001b[2J" }).events).toMatchObject([
    { _tag: "ChannelClosed", reason: "\ufffd[2J" }
  ])
})

describe("a new channel", () => {
  it("first gets a future job, then the previous hash that names it", () => {
    const server = TestServer.working()
    server.template(template(2))
    for (const [kind, tag] of [
      ["extended", "NewExtendedMiningJob"],
      ["standard", "NewMiningJob"]
    ] as const) {
      const { messages } = server.send(server.connect(), open({ kind }))
      expect(messages.slice(1)).toMatchObject([
        { _tag: tag, channelId: 2, jobId: 1001, minNtime: undefined },
        { _tag: "SetNewPrevHash", channelId: 2, jobId: 1001, prevHash: bytes(1), nbits: 0x1d00ffff }
      ])
    }
  })

  it("gets the future jobs that were sent before it was opened", () => {
    const server = TestServer.working()
    server.template(futureTemplate(2))
    const connection = server.connect()
    const { messages } = server.send(connection, open())
    expect(messages.slice(1)).toMatchObject([
      { _tag: "NewExtendedMiningJob", jobId: 1000 },
      { _tag: "SetNewPrevHash", jobId: 1000 },
      { _tag: "NewExtendedMiningJob", jobId: 1001, minNtime: undefined }
    ])
    // The group was made after the job, so the SetNewPrevHash that names it is addressed to the channel (5.3.17).
    expect(server.template(newPrevHash(2))).toMatchObject([
      { messages: [{ _tag: "SetNewPrevHash", channelId: 2, jobId: 1001 }] }
    ])
  })

  it("waits for its first job if there is no template yet", () => {
    const server = new TestServer()
    const connection = server.connect()
    expect(tags(server.send(connection, open()).messages)).toEqual(["OpenExtendedMiningChannel.Success"])
    const said = [futureTemplate(1), newPrevHash(1)].flatMap((message) => server.template(message)[0]!.messages)
    expect(said).toMatchObject([
      { _tag: "NewExtendedMiningJob", minNtime: undefined, jobId: 1000 },
      { _tag: "SetNewPrevHash", jobId: 1000 }
    ])
  })

  it("gets a min_ntime that includes the time since the previous hash came, and no share may be earlier", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const early = server.open(connection)
    server.now += 90_500
    const miner = server.open(connection)
    const { ntime } = server.context.jobs.prevHash!
    expect(miner.ntime).toBe(ntime + 90)
    const said = server.send(
      connection,
      miner.mine({ ntime: ntime + 89 }),
      miner.mine({ ntime: ntime + 90 }),
      early.mine({ ntime })
    )
    expect(said.events).toMatchObject([
      { _tag: "ShareRefused", channelId: miner.channelId, errorCode: "invalid-share" },
      { _tag: "ShareAccepted", channel: { channelId: miner.channelId } },
      { _tag: "ShareAccepted", channel: { channelId: early.channelId } }
    ])
    const next = [...server.template(futureTemplate(2)), ...server.template(newPrevHash(2))]
    for (const message of next.flatMap(({ messages }) => messages)) miner.receive(message)
    expect(server.send(connection, miner.mine({ ntime })).events).toMatchObject([{ _tag: "ShareAccepted" }])
  })
})

describe("updating a channel", () => {
  const update = (channelId: number, fields: Partial<Mining.UpdateChannel> = {}): Mining.UpdateChannel => ({
    _tag: "UpdateChannel",
    channelId,
    nominalHashRate: 1.6,
    maximumTarget: ANY_TARGET,
    ...fields
  })

  it("sends a target for another hash rate, and nothing if nothing changes", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const { channelId } = server.open(connection)
    expect(server.send(connection, update(channelId)).messages).toEqual([])
    expect(server.send(connection, update(channelId, { nominalHashRate: 1e12 })).messages).toMatchObject([
      { _tag: "SetTarget", channelId, maximumTarget: u256ToBytes(hashRateToTarget(1e12, 6)) },
      { _tag: "NewExtendedMiningJob", channelId }
    ])
  })

  it("lowers the target to a smaller maximum target", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const { channelId } = server.open(connection)
    const { messages } = server.send(connection, update(channelId, { maximumTarget: u256ToBytes(1n << 200n) }))
    expect(messages[0]).toEqual({ _tag: "SetTarget", channelId, maximumTarget: u256ToBytes(1n << 200n) })
  })

  it.each([
    ["invalid-channel-id", { channelId: 99 }],
    ["invalid-channel-id", { channelId: 1 }],
    ["invalid-nominal-hashrate", { nominalHashRate: Number.NaN }],
    ["invalid-nominal-hashrate", { nominalHashRate: -0.5 }],
    ["max-target-out-of-range", { maximumTarget: bytes(0) }]
  ] as const)("is refused with %s: %o", (errorCode, fields) => {
    const server = TestServer.working()
    const connection = server.connect()
    const { channelId } = server.open(connection)
    expect(server.send(connection, update(channelId, fields)).messages).toEqual([
      { _tag: "UpdateChannel.Error", channelId: "channelId" in fields ? fields.channelId : channelId, errorCode }
    ])
    expect(server.send(connection, update(channelId, { nominalHashRate: 2 })).messages).toMatchObject([
      { _tag: "SetTarget" }
    ])
  })
})

describe("closing", () => {
  it("a channel gives its prefix back and ends its messages; closing an unknown channel does nothing", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const { channelId } = server.open(connection)
    expect(server.send(connection, { _tag: "CloseChannel", channelId: 50, reasonCode: "" })).toEqual({
      messages: [],
      events: []
    })
    const { events, messages } = server.send(connection, { _tag: "CloseChannel", channelId, reasonCode: "bye" })
    expect(messages).toEqual([])
    expect(events).toMatchObject([{ _tag: "ChannelClosed", channel: { channelId }, reason: "bye" }])
    expect(server.space.held).toBe(0)
    expect(server.template(template(2))[0]!.messages).toEqual([])
  })

  it("a group closes all its channels, and new channels can be opened", () => {
    const server = TestServer.working()
    const connection = server.connect()
    for (let i = 0; i < 5; i++) server.open(connection)
    const { events } = server.send(connection, { _tag: "CloseChannel", channelId: 1, reasonCode: "" })
    expect(events).toHaveLength(5)
    expect(server.space.held).toBe(0)
    expect(server.open(connection).channelId).toBe(7)
  })

  it("acknowledges the shares that the channel submitted before", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const miner = server.open(connection)
    const { messages } = server.send(connection, miner.mine(), {
      _tag: "CloseChannel",
      channelId: miner.channelId,
      reasonCode: ""
    })
    expect(messages).toMatchObject([{ _tag: "SubmitShares.Success", newSubmitsAcceptedCount: 1 }])
  })
})

describe("a custom job", () => {
  it.each([
    ["jd-not-supported", "extended", 2],
    ["jd-not-supported", "extended", 1],
    ["invalid-channel-id", "extended", 3],
    ["invalid-channel-id", "standard", 2]
  ] as const)(
    "is refused with %s on a connection with one %s channel, for channel %d",
    (errorCode, kind, channelId) => {
      const server = TestServer.working()
      const connection = server.connect()
      server.open(connection, { kind })
      const { messages } = server.send(connection, {
        _tag: "SetCustomMiningJob",
        channelId,
        requestId: 5,
        miningJobToken: bytes(1),
        version: 0x20000000,
        prevHash: bytes(1),
        minNtime: 1,
        nbits: 1,
        coinbaseTxVersion: 2,
        coinbasePrefix: bytes(1, 4),
        coinbaseTxInputNSequence: 1,
        coinbaseTxOutputs: bytes(1, 40),
        coinbaseTxLocktime: 0,
        merklePath: []
      })
      expect(messages).toEqual([{ _tag: "SetCustomMiningJob.Error", channelId, requestId: 5, errorCode }])
    }
  )
})

it("the easiest target is never more than 2^256 - 1", () => {
  expect(u256FromBytes(ANY_TARGET)).toBe(MAX_TARGET)
})
