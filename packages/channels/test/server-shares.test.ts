import { describe, expect, it, vi } from "@effect/vitest"
import { addWitness, doubleSha256, hashToDisplay } from "@sluice/bitcoin"
import { Target } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { type ChannelEvent, hashRateToTarget, solutionOf, u256FromBytes, u256ToBytes } from "../src/index.ts"
import { Channel } from "../src/server/channel.ts"
import { HASH_RATE, open, type Said, START_SECONDS, TestMiner, TestServer } from "./server-fixture.ts"
import { acceptedShare } from "@sluice/testing/accepted-share"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"

const kinds = ["standard", "extended"] as const

const setup = (kind: (typeof kinds)[number], options?: ConstructorParameters<typeof TestServer>[0]) => {
  const server = TestServer.working(options)
  const connection = server.connect()
  return { server, connection, miner: server.open(connection, { kind }) }
}

describe.each(kinds)("a share on the %s channel", (kind) => {
  it("is accepted and credited with the difficulty of its target", () => {
    const { connection, miner, server } = setup(kind)
    const { events, messages } = server.send(connection, miner.mine())
    expect(messages).toEqual([
      {
        _tag: "SubmitShares.Success",
        channelId: miner.channelId,
        lastSequenceNumber: 1,
        newSubmitsAcceptedCount: 1,
        newSharesSum: 0n
      }
    ])
    const difficulty = Target.targetToDifficulty(u256ToBytes(miner.target), 0)
    expect(events).toMatchObject([
      {
        _tag: "ShareAccepted",
        channel: { kind },
        sequenceNumber: 1,
        jobId: 1000,
        height: 159,
        difficulty,
        isBlock: false
      }
    ])
    const stats = server.counted(connection)[0]!
    expect(stats).toMatchObject({ accepted: 1, acceptedDifficulty: difficulty, refused: {}, blocks: 0 })
    expect(stats.bestDifficulty).toBeGreaterThanOrEqual(difficulty)
  })

  it("may roll the version bits of BIP323 and the time within the time that passed", () => {
    const { connection, miner, server } = setup(kind)
    server.now += 60_000
    const shares = [
      miner.mine({ version: 0x3fffffe0 }),
      miner.mine({ version: 0x20000020, ntime: miner.ntime + 60 }),
      miner.mine({ ntime: miner.ntime + 660 })
    ]
    expect(server.send(connection, ...shares).messages).toMatchObject([{ newSubmitsAcceptedCount: 3 }])
  })

  const refusals: ReadonlyArray<
    readonly [code: string, what: string, mine: (miner: TestMiner, server: TestServer) => Mining.ToServer]
  > = [
    ["invalid-channel-id", "for a channel that is not open", (miner) => miner.mine({ channelId: 99 })],
    ["invalid-channel-id", "for the group", (miner) => miner.mine({ channelId: 1 })],
    ["invalid-job-id", "for a job that never existed", (miner) => ({ ...miner.mine(), jobId: 7 })],
    ["invalid-job-id", "for the id of the next job", (miner) => ({ ...miner.mine(), jobId: 1001 })],
    [
      "invalid-job-id",
      "for a future job without previous hash",
      (miner, server) => {
        const share = miner.mine()
        server.template(futureTemplate(2))
        return { ...share, jobId: 1001 }
      }
    ],
    [
      "stale-share",
      "for the last previous hash",
      (miner, server) => {
        const share = miner.mine()
        server.template(futureTemplate(2))
        server.template(newPrevHash(2))
        return share
      }
    ],
    ["difficulty-too-low", "if it misses the target", (miner) => miner.mine({ bad: true })],
    [
      "invalid-non-rollable-version-bit",
      "with a version bit outside BIP323",
      (miner) => miner.mine({ version: 0x20000001 })
    ],
    [
      "invalid-non-rollable-version-bit",
      "without a version bit outside BIP323",
      (miner) => miner.mine({ version: 0x00000020 })
    ],
    [
      "invalid-share",
      "for a time before that of the previous hash",
      (miner) => miner.mine({ ntime: START_SECONDS - 1 })
    ],
    ["invalid-share", "for a time too far ahead", (miner) => miner.mine({ ntime: START_SECONDS + 601 })]
  ]

  it.each(refusals)("is refused with %s %s, and the next share is accepted", (errorCode, _, mine) => {
    const { connection, miner, server } = setup(kind)
    const share = mine(miner, server)
    const { events, messages } = server.send(connection, share)
    expect(messages).toMatchObject([{ _tag: "SubmitShares.Error", sequenceNumber: 1, errorCode }])
    expect(events).toMatchObject([{ _tag: "ShareRefused", sequenceNumber: 1, errorCode }])
    const next = server.open(connection, { kind })
    expect(server.send(connection, next.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
  })

  it("is refused with invalid-channel-id on a channel of the other kind", () => {
    const { connection, miner, server } = setup(kind)
    const other = kind === "standard" ? "extended" : "standard"
    const share = server.open(connection, { kind: other }).mine({ channelId: miner.channelId })
    expect(server.send(connection, share).messages).toMatchObject([{ errorCode: "invalid-channel-id" }])
    expect(server.counted(connection)[0]!.refused).toEqual({ "invalid-channel-id": 1 })
  })

  it("is refused with invalid-job-id for a job older than the channel", () => {
    const server = TestServer.working()
    server.template(template(2))
    const connection = server.connect()
    const miner = server.open(connection, { kind })
    const share = { ...miner.mine(), jobId: 1000 }
    expect(server.send(connection, share).messages).toMatchObject([{ errorCode: "invalid-job-id" }])
  })

  it("is refused with version-rolling-not-allowed if the job does not allow it", () => {
    const { connection, miner, server } = setup(kind, { coinbase: { versionRollingAllowed: false } })
    const { messages } = server.send(connection, miner.mine({ version: 0x20000020 }), miner.mine())
    expect(messages).toMatchObject([
      { _tag: "SubmitShares.Error", errorCode: "version-rolling-not-allowed" },
      { _tag: "SubmitShares.Success", lastSequenceNumber: 2 }
    ])
  })

  it("is refused with duplicate-share the second time", () => {
    const { connection, miner, server } = setup(kind)
    const share = miner.mine()
    expect(server.send(connection, share, { ...share, sequenceNumber: 2 }).messages).toMatchObject([
      { _tag: "SubmitShares.Error", sequenceNumber: 2, errorCode: "duplicate-share" },
      { _tag: "SubmitShares.Success", lastSequenceNumber: 1, newSubmitsAcceptedCount: 1 }
    ])
  })

  /** Ways to get another job of the same template as job 1000, of which the channel has submitted five shares. */
  const others: ReadonlyArray<readonly [string, (server: TestServer) => ReadonlyArray<ReadonlyArray<Said>>]> = [
    ["another job", (server) => [server.template(template(2))]],
    ["a job after the template provider reconnected and repeated the previous hash", (server) => block(server, 2, 1)],
    ["a job after a reorganisation and back", (server) => [...block(server, 2, 2), ...block(server, 3, 1)]]
  ]
  const block = (server: TestServer, templateId: number, prevHash: number) => [
    server.template(futureTemplate(templateId)),
    server.template(newPrevHash(templateId, { prevHash: bytes(prevHash) }))
  ]

  it.each(others)("does not count again as a share of %s", (_, change) => {
    const { connection, server } = setup(kind)
    const miner = server.open(connection, { kind, nominalHashRate: 16 * HASH_RATE })
    const shares = Array.from({ length: 5 }, () => miner.mine())
    expect(server.send(connection, ...shares).messages).toMatchObject([{ newSubmitsAcceptedCount: 5 }])
    for (const { messages } of change(server).flat()) for (const message of messages) miner.receive(message)
    const again = shares.flatMap((share) => server.send(connection, { ...share, jobId: miner.jobId }).messages)
    // One of them may meet the target by chance. It is then another share.
    const low = again.filter((answer) => "errorCode" in answer && answer.errorCode === "difficulty-too-low")
    expect(low.length).toBeGreaterThanOrEqual(4)
    expect(shares.flatMap((share) => server.send(connection, share).messages)).toMatchObject(
      shares.map(() => ({ errorCode: server.context.jobs.active(1000) ? "duplicate-share" : "stale-share" }))
    )
    // A miner that starts again finds other shares, and these are accepted.
    expect(server.send(connection, miner.mine({ firstNonce: 0 })).messages).toMatchObject([
      { _tag: "SubmitShares.Success" }
    ])
  })

  it("is refused with too-many-shares when the memory for duplicates is full, until the next previous hash", () => {
    const { connection, miner, server } = setup(kind, { policy: { maxSharesPerPrevHash: 3 } })
    for (let i = 0; i < 3; i++) server.send(connection, miner.mine())
    const share = miner.mine()
    expect(server.send(connection, share).messages).toMatchObject([{ errorCode: "too-many-shares" }])
    expect(server.send(connection, { ...share }).messages).toMatchObject([{ errorCode: "too-many-shares" }])
    for (const { messages } of [server.template(futureTemplate(2))[0]!, server.template(newPrevHash(2))[0]!]) {
      for (const message of messages) miner.receive(message)
    }
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
  })

  it("is accepted for an older job of the same previous hash", () => {
    const { connection, miner, server } = setup(kind)
    const share = miner.mine()
    server.template(template(2))
    expect(server.send(connection, share).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
  })

  it("is a block with the whole coinbase if it meets the network's target", () => {
    const server = new TestServer()
    server.template(futureTemplate(1))
    server.template(newPrevHash(1, { target: ANY_TARGET, nbits: 0x207fffff }))
    const connection = server.connect()
    const miner = server.open(connection, { kind })
    const share = miner.mine({ version: 0x20001000 })
    const { events, messages } = server.send(connection, share)
    expect(messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    const block = events[1]
    if (block?._tag !== "BlockFound" || (share._tag === "SubmitSharesStandard") !== (kind === "standard")) {
      throw new Error("no block")
    }
    const solution = solutionOf(block.found)
    expect(solution).toMatchObject({
      templateId: 1n,
      version: 0x20001000,
      headerTimestamp: share.ntime,
      headerNonce: share.nonce
    })
    // The stripped coinbase gives the root that was mined.
    const { coinbaseTx } = solution
    const stripped = Buffer.concat([coinbaseTx.subarray(0, 4), coinbaseTx.subarray(6, -38), coinbaseTx.subarray(-4)])
    expect(addWitness(stripped)).toEqual(coinbaseTx)
    const root = [bytes(0x11), bytes(0x22)].reduce<Uint8Array>(
      (root, node) => doubleSha256(Buffer.concat([root, node])),
      doubleSha256(stripped)
    )
    expect(hashToDisplay(miner.hash(share.version, root, share.ntime, share.nonce))).toBe(block.hash)
    expect(server.counted(connection)[0]!.blocks).toBe(1)
  })

  it("is a block of its own job's template, even if another job has replaced the job", () => {
    const server = new TestServer()
    server.template(futureTemplate(1))
    server.template(newPrevHash(1, { target: ANY_TARGET }))
    const connection = server.connect()
    const share = server.open(connection, { kind }).mine()
    server.template(template(2))
    server.template(futureTemplate(3))
    const block = server.send(connection, share).events[1]
    expect(block).toMatchObject({ _tag: "BlockFound", found: { job: { origin: { templateId: 1n } } } })
  })

  it.each([
    ["is accepted", 0n, { _tag: "SubmitShares.Success" }],
    ["plus 1 is refused", 1n, { errorCode: "difficulty-too-low" }]
  ])("whose hash is the target %s", (_, above, answer) => {
    const { connection, miner, server } = setup(kind)
    // A future job, because the target holds for it first. The server knows its previous hash already.
    for (const { messages } of server.template(futureTemplate(2)))
      for (const message of messages) miner.receive(message)
    miner.prevHash = bytes(2)
    const share = miner.mine({ jobId: 1001 })
    const root = miner.jobs.get(share.jobId)!.root(bytes(1, miner.extranonceSize))
    const target = u256FromBytes(miner.hash(share.version, root, share.ntime, share.nonce)) - above
    const [channelId, maximumTarget] = [miner.channelId, u256ToBytes(target)]
    server.send(connection, { _tag: "UpdateChannel", channelId, nominalHashRate: HASH_RATE, maximumTarget })
    server.template(newPrevHash(2))
    expect(server.send(connection, share).messages).toMatchObject([answer])
  })

  it("is accepted for the network's difficulty if it is a block that misses the channel's harder target", () => {
    const server = new TestServer()
    server.template(futureTemplate(1))
    const network = u256ToBytes((1n << 255n) - 1n)
    server.template(newPrevHash(1, { target: network, nbits: 0x207fffff }))
    const connection = server.connect()
    const miner = server.open(connection, { kind, nominalHashRate: 1e6 })
    miner.target = (1n << 255n) - 1n
    const { events } = server.send(connection, miner.mine())
    expect(events).toMatchObject([
      { _tag: "ShareAccepted", difficulty: Target.targetToDifficulty(network, 0), isBlock: true },
      { _tag: "BlockFound" }
    ])
  })

  it("must meet the target that was in force when its job became active", () => {
    const { connection, miner, server } = setup(kind)
    const [old, harder] = [miner.target, hashRateToTarget(1000, 6)]
    const update = { _tag: "UpdateChannel", channelId: miner.channelId, maximumTarget: ANY_TARGET } as const
    server.send(connection, { ...update, nominalHashRate: 1000 })
    // The old target is enough for a job that was already active.
    miner.target = old
    let share = miner.mine()
    expect(server.send(connection, share).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    // A later job needs the new target, and so does a future job that was sent before.
    for (const { messages } of server.template(template(2))) for (const message of messages) miner.receive(message)
    if (kind === "standard") miner.jobs.set(1001, miner.jobs.get(1000)!)
    for (;;) {
      share = miner.mine()
      if (server.send(connection, share).messages[0]?._tag === "SubmitShares.Error") break
    }
    expect(server.counted(connection)[0]!.refused).toEqual({ "difficulty-too-low": 1 })
    miner.target = harder
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    // An easier target does not hold for the active job either.
    server.send(connection, { ...update, nominalHashRate: 1.6 })
    const { messages } = server.send(connection, miner.mine({ bad: true }))
    expect(messages).toMatchObject([{ errorCode: "difficulty-too-low" }])
  })

  it("must meet the target that was in force when a previous hash activated its future job", () => {
    const { connection, miner, server } = setup(kind)
    server.template(futureTemplate(2))
    const harder = u256ToBytes(1n << 240n)
    server.send(connection, {
      _tag: "UpdateChannel",
      channelId: miner.channelId,
      nominalHashRate: 1.6,
      maximumTarget: harder
    })
    const share = miner.mine()
    server.template(newPrevHash(2, { prevHash: bytes(1) }))
    expect(server.send(connection, { ...share, jobId: 1001 }).messages).toMatchObject([
      { errorCode: "difficulty-too-low" }
    ])
  })
})

it("an extranonce of the wrong size is refused with bad-extranonce-size", () => {
  const { connection, miner, server } = setup("extended")
  const sizes = [0, 7, 9, 32]
  const { messages } = server.send(connection, ...sizes.map((size) => miner.mine({ extranonce: bytes(1, size) })))
  expect(messages.map((message) => "errorCode" in message && message.errorCode)).toEqual(
    sizes.map(() => "bad-extranonce-size")
  )
})

it("a share two hours ahead of the clock is refused even if the policy allows more drift", () => {
  const { connection, miner, server } = setup("extended", { policy: { ntimeDriftSeconds: 1e9 } })
  const latest = START_SECONDS + 7200
  const { messages } = server.send(connection, miner.mine({ ntime: latest }), miner.mine({ ntime: latest + 1 }))
  expect(messages).toMatchObject([
    { _tag: "SubmitShares.Error", sequenceNumber: 2, errorCode: "invalid-share" },
    { _tag: "SubmitShares.Success", lastSequenceNumber: 1 }
  ])
})

describe("acknowledgement", () => {
  it("covers at most ten shares of one channel and read, with the sum of their difficulties", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const miners = [server.open(connection), server.open(connection, { kind: "standard" })]
    const shares = Array.from({ length: 25 }, (_, i) => miners[i < 23 ? 0 : 1]!.mine())
    const { messages } = server.send(connection, ...shares)
    expect(messages.filter(({ _tag }) => _tag === "SubmitShares.Success")).toMatchObject([
      { channelId: 2, newSubmitsAcceptedCount: 10, lastSequenceNumber: 10 },
      { channelId: 2, newSubmitsAcceptedCount: 10, lastSequenceNumber: 20 },
      { channelId: 2, newSubmitsAcceptedCount: 3, lastSequenceNumber: 23 },
      { channelId: 3, newSubmitsAcceptedCount: 2, lastSequenceNumber: 2 }
    ])
    expect(server.send(connection).messages).toEqual([])
  })

  it("waits until the shell acknowledges, and may be acknowledged up to a time", () => {
    const { connection, miner, server } = setup("extended")
    const take = () => server.ask((out) => connection.take([miner.mine()], server.now, out))
    const acknowledge = (before?: number) => server.ask((out) => connection.acknowledge(server.now, out, before))
    const first = server.now
    for (const ms of [0, 10, 10]) {
      server.now += ms
      expect(take()).toMatchObject({ messages: [], events: [] })
    }
    expect(connection.unacknowledged).toBe(3)
    expect(acknowledge(first).messages).toEqual([])
    const two = acknowledge(first + 20)
    expect(two.messages).toMatchObject([{ newSubmitsAcceptedCount: 2 }])
    expect(two.events).toMatchObject([
      { _tag: "ShareAccepted", at: first },
      { _tag: "ShareAccepted", at: first + 10 }
    ])
    expect(connection.unacknowledged).toBe(1)
    expect(acknowledge().messages).toMatchObject([{ newSubmitsAcceptedCount: 1 }])
    expect(acknowledge().messages).toEqual([])
  })

  it("of an earlier previous hash leaves no job behind in the memory of its channel", () => {
    const server = TestServer.working()
    const connection = server.connect(Mining.REQUIRES_STANDARD_JOBS)
    const miner = server.open(connection, { kind: "standard" })
    server.send(connection, miner.mine())
    const [channel] = connection.ownJobChannels
    server.tick(connection)
    expect(channel!.checked).toBeDefined()
    for (const message of [futureTemplate(2), newPrevHash(2)]) server.template(message)
    server.tick(connection)
    expect(channel!.checked).toBeUndefined()
  })

  it("rounds the sum of difficulties and begins from zero each time", () => {
    const { jobs, policy } = TestServer.working().context
    const info = { connectionId: 0, channelId: 9, kind: "standard", userIdentity: "" } as const
    const lease = { prefix: bytes(0, 20), rollableSize: 0, index: 0 }
    const client = { nominalHashRate: 1, leastHashRate: 0, work: undefined, maxTarget: 1n << 200n }
    const channel = new Channel(info, lease, client, jobs, policy, 0)
    const share = (sequenceNumber: number, difficulty: number) => ({ ...acceptedShare(sequenceNumber), difficulty })
    const some = [share(5, 2.75), share(8, 2 ** 53)]
    const events: Array<ChannelEvent> = []
    for (const one of some) channel.accept(one)
    const sum = { newSubmitsAcceptedCount: 2, lastSequenceNumber: 8, newSharesSum: 2n ** 53n + 2n }
    expect(channel.takeAcknowledgement(events)).toMatchObject(sum)
    expect(channel.takeAcknowledgement(events)).toBeUndefined()
    expect(events).toEqual(some)
    channel.accept(share(9, 1.5))
    expect(channel.takeAcknowledgement(events)).toMatchObject({ newSubmitsAcceptedCount: 1, newSharesSum: 2n })
  })

  it("does not delay the error for a refused share", () => {
    const { connection, miner, server } = setup("extended")
    const shares = [miner.mine(), miner.mine({ bad: true }), miner.mine()]
    expect(server.send(connection, ...shares).messages).toMatchObject([
      { _tag: "SubmitShares.Error", sequenceNumber: 2 },
      { _tag: "SubmitShares.Success", lastSequenceNumber: 3, newSubmitsAcceptedCount: 2 }
    ])
  })
})

it("messages for another role are ignored", () => {
  const server = TestServer.working()
  const connection = server.connect()
  const stray = { _tag: "CloseChannel", channelId: 0xffffffff, reasonCode: "" } as const
  expect(server.send(connection, stray, open()).messages).toHaveLength(3)
})

describe("a channel whose shares are acknowledged one by one", () => {
  it("is not looked at for each of them when its client closes it", () => {
    const { connection, miner, server } = setup("extended", { policy: { shareBatchSize: 1 } })
    const looks = vi.spyOn(Channel.prototype, "takeAcknowledgement")
    for (let i = 0; i < 50; i++) server.ask((out) => connection.take([miner.mine()], server.now, out))
    looks.mockClear()
    server.send(connection, { _tag: "CloseChannel", channelId: miner.channelId, reasonCode: "" })
    expect(looks.mock.calls.length).toBeLessThan(2)
    looks.mockRestore()
  })
})
