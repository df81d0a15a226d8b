/** Actions that a server starts itself: it regroups channels, changes prefixes and targets, and replaces jobs. */
import { describe, expect, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { solutionOf, u256ToBytes } from "../src/index.ts"
import { HASH_RATE, open, type Said, type TestMiner, TestServer } from "./server-fixture.ts"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"

const deliver = (said: ReadonlyArray<Said>, ...miners: ReadonlyArray<TestMiner>): void => {
  for (const message of said.flatMap(({ messages }) => messages)) for (const miner of miners) miner.receive(message)
}

const tags = (said: ReadonlyArray<Said>) => said.flatMap(({ messages }) => messages.map(({ _tag }) => _tag))

const setup = (kinds: ReadonlyArray<"standard" | "extended"> = ["standard", "extended", "standard"]) => {
  const server = TestServer.working()
  const connection = server.connect()
  const miners = kinds.map((kind) => server.open(connection, { kind }))
  return { server, connection, miners }
}

describe("groups", () => {
  it("get each job and previous hash once for each group, with channels of any kind", () => {
    const { connection, miners, server } = setup()
    const groupId = connection.newGroupId()
    const moved = [miners[0]!.channelId, miners[1]!.channelId]
    const { messages } = server.ask((out) => expect(connection.setGroup(groupId, moved, out)).toBeUndefined())
    expect(messages).toEqual([{ _tag: "SetGroupChannel", groupChannelId: groupId, channelIds: moved }])
    for (const next of [futureTemplate(2), newPrevHash(2), template(3)]) {
      const sent = server.template(next)[0]!.messages
      expect(sent.map((message) => "channelId" in message && message.channelId)).toEqual([1, groupId])
      const [one, other] = sent
      expect({ ...one, channelId: groupId }).toEqual(other)
    }
  })

  it("made after a future job get its SetNewPrevHash for each channel", () => {
    const { connection, miners, server } = setup()
    server.template(futureTemplate(2))
    const groupId = connection.newGroupId()
    server.ask((out) => connection.setGroup(groupId, [miners[1]!.channelId], out))
    expect(server.template(newPrevHash(2))[0]!.messages).toMatchObject([
      { _tag: "SetNewPrevHash", channelId: 1, jobId: 1001 },
      { _tag: "SetNewPrevHash", channelId: miners[1]!.channelId, jobId: 1001 }
    ])
  })

  it("are closed with only their own channels and then get no messages", () => {
    const { connection, miners, server } = setup()
    const groupId = connection.newGroupId()
    server.ask((out) => connection.setGroup(groupId, [miners[0]!.channelId, miners[2]!.channelId], out))
    const { events } = server.send(connection, { _tag: "CloseChannel", channelId: groupId, reasonCode: "" })
    expect(events.map((event) => "channel" in event && event.channel?.channelId)).toEqual([2, 4])
    expect(connection.channelCount).toBe(1)
    expect(server.template(template(2))[0]!.messages).toMatchObject([{ channelId: 1 }])
    // The id stays that of a group: a group can have it again, a channel cannot.
    server.ask((out) => expect(connection.setGroup(groupId, [miners[1]!.channelId], out)).toBeUndefined())
    expect(server.open(connection).channelId).toBeGreaterThan(groupId)
  })

  it.each([
    ["requires-standard-jobs", Mining.REQUIRES_STANDARD_JOBS, 1, 2],
    ["unknown-channel", 0, 1, 1],
    ["unknown-channel", 0, 1, 77],
    ["unknown-group", 0, 2, 2],
    ["unknown-group", 0, 77, 2]
  ] as const)("stay the same when setGroup refuses with %s", (refusal, flags, groupId, channelId) => {
    const server = TestServer.working()
    const connection = server.connect(flags)
    server.open(connection, { kind: "standard" })
    const { messages } = server.ask((out) => expect(connection.setGroup(groupId, [channelId], out)).toBe(refusal))
    expect(messages).toEqual([])
  })
})

describe.each(["standard", "extended"] as const)("another prefix of the %s channel", (kind) => {
  const withPrefix = () => {
    const { connection, miners, server } = setup([kind])
    const miner = miners[0]!
    const change = () => {
      const said = server.ask((out) => expect(connection.changeExtranoncePrefix(miner.channelId, out)).toBeUndefined())
      const message = said.messages[0]
      if (message?._tag !== "SetExtranoncePrefix") throw new Error("no SetExtranoncePrefix")
      expect(message).toMatchObject({ channelId: miner.channelId })
      expect(message.extranoncePrefix).toHaveLength(miner.prefix.length)
      expect(message.extranoncePrefix).not.toEqual(miner.prefix)
      return message.extranoncePrefix
    }
    return { server, connection, miner, change }
  }

  it("applies to later jobs, and earlier jobs keep the old prefix even if they become active later", () => {
    const { change, connection, miner, server } = withPrefix()
    deliver(server.template(futureTemplate(2)), miner)
    const old = miner.prefix
    const prefix = change()
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    deliver(server.template(newPrevHash(2)), miner)
    if (kind === "extended") {
      miner.prefix = prefix
      const wrong = server.send(connection, ...Array.from({ length: 20 }, () => miner.mine()))
      expect(tags([wrong])).toContain("SubmitShares.Error")
      miner.prefix = old
      expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
      miner.prefix = prefix
    }
    deliver(server.template(template(3)), miner)
    if (kind === "standard") miner.jobs.set(1002, job(miner, server, prefix))
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
  })

  it("gives the old prefix back when no share can use it any more, or when the channel is closed", () => {
    const { change, connection, server } = withPrefix()
    change()
    server.tick(connection)
    expect(server.space.held).toBe(2)
    server.template(futureTemplate(2))
    server.template(newPrevHash(2))
    server.tick(connection)
    expect(server.space.held).toBe(1)
    change()
    change()
    expect(server.space.held).toBe(3)
    server.close(connection)
    expect(server.space.held).toBe(0)
  })
})

/** The NewMiningJob that the miner of a standard channel would get without a group. */
const job = (miner: TestMiner, server: TestServer, prefix: Uint8Array) => {
  const { coinbasePrefix, coinbaseSuffix, merklePath, version } = server.context.jobs.current!
  const asExtended = Object.assign(Object.create(miner) as TestMiner, { prefix })
  asExtended.receive({
    _tag: "NewExtendedMiningJob",
    channelId: miner.channelId,
    jobId: 1002,
    minNtime: 1,
    version,
    versionRollingAllowed: true,
    merklePath,
    coinbaseTxPrefix: coinbasePrefix,
    coinbaseTxSuffix: coinbaseSuffix
  })
  return miner.jobs.get(1002)!
}

it("changeExtranoncePrefix refuses an unknown channel and an exhausted space", () => {
  const server = new TestServer({ layout: { indexSize: 1 } })
  const connection = server.connect()
  server.ask((out) => expect(connection.changeExtranoncePrefix(2, out)).toBe("unknown-channel"))
  for (let i = 0; i < 256; i++) server.open(connection)
  server.ask((out) => expect(connection.changeExtranoncePrefix(2, out)).toBe("extranonce-space-exhausted"))
})

describe("a much harder target", () => {
  const update = (miner: TestMiner, nominalHashRate: number, maximumTarget = ANY_TARGET): Mining.UpdateChannel => ({
    _tag: "UpdateChannel",
    channelId: miner.channelId,
    nominalHashRate,
    maximumTarget
  })
  const one = () => {
    const { connection, miners, server } = setup(["extended"])
    return { server, connection, miner: miners[0]!, other: server.open(connection) }
  }

  it("sends only the channel a variant of the current job, under another id", () => {
    const { connection, miner, other, server } = one()
    const said = server.send(connection, update(miner, 100))
    expect(said.messages).toMatchObject([
      { _tag: "SetTarget", channelId: miner.channelId },
      { _tag: "NewExtendedMiningJob", channelId: miner.channelId, jobId: 1001, minNtime: server.now / 1000 }
    ])
    deliver([said], miner)
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    other.jobs.set(1001, miner.jobs.get(1001)!)
    expect(server.send(connection, other.mine({ jobId: 1001 })).messages[0]).toMatchObject({
      _tag: "SubmitShares.Error"
    })
    // Another channel that needs a variant gets the same one, so that ids do not run out.
    expect(server.send(connection, update(other, 1000)).messages[1]).toMatchObject({ jobId: 1001 })
    expect(server.template(template(2))[0]!.messages).toMatchObject([{ jobId: 1002 }])
  })

  it("gives the channel new work, without the shares found before and with a valid coinbase for a block", () => {
    const server = new TestServer()
    server.template(futureTemplate(1))
    server.template(newPrevHash(1, { target: ANY_TARGET }))
    const connection = server.connect()
    const miner = server.open(connection, { maxTarget: u256ToBytes(1n << 253n) })
    const share = miner.mine()
    server.send(connection, share)
    const said = server.send(connection, update(miner, 16, u256ToBytes(1n << 250n)))
    deliver([said], miner)
    const { jobId } = miner
    expect(jobId).toBe(1001)
    expect(miner.jobs.get(jobId)!.root(bytes(1, 8))).not.toEqual(miner.jobs.get(1000)!.root(bytes(1, 8)))
    const block = server.send(connection, { ...miner.mine({ ntime: share.ntime }) }).events[1]
    if (block?._tag !== "BlockFound") throw new Error("no block")
    // The script and its size follow version, marker and flag, count and outpoint.
    const { coinbaseTx } = solutionOf(block.found)
    const [size, script] = [coinbaseTx[43]!, coinbaseTx.subarray(44)]
    expect(script.subarray(size - 5, size)).toEqual(Uint8Array.of(4, 0, 0, 1001 >> 8, 1001 & 0xff))
    expect(script.subarray(size, size + 4)).toEqual(Uint8Array.of(0xfe, 0xff, 0xff, 0xff))
  })

  it("makes a variant of a job with the longest possible coinbase", () => {
    const server = new TestServer({ coinbase: { tags: bytes(0x20, 68) } })
    server.template(futureTemplate(1, { coinbasePrefix: Uint8Array.of(4, 0, 0, 0, 1) }))
    server.template(newPrevHash(1))
    const connection = server.connect()
    const miner = server.open(connection)
    expect(server.context.jobs.current!.coinbasePrefix[41]).toBe(100)
    expect(tags([server.send(connection, update(miner, 100))])).toEqual(["SetTarget", "NewExtendedMiningJob"])
  })

  it("holds for shares of the variant, with the prefix that was in force when it was sent", () => {
    const { connection, miner, other, server } = one()
    server.send(connection, update(other, 1000))
    const prefixed = server.ask((out) => connection.changeExtranoncePrefix(miner.channelId, out)).messages[0]
    const old = miner.target
    deliver([server.send(connection, update(miner, 16 * HASH_RATE))], miner)
    if (prefixed?._tag !== "SetExtranoncePrefix") throw new Error("no SetExtranoncePrefix")
    // The variant is older than the prefix, because another channel had it before. It counts when this channel got it.
    expect(miner.jobId).toBe(1001)
    miner.prefix = prefixed.extranoncePrefix
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    const harder = miner.target
    for (;;) {
      miner.target = old
      const share = miner.mine()
      miner.target = harder
      const answer = server.send(connection, share).messages[0]!
      if (answer._tag === "SubmitShares.Success") continue
      expect(answer).toMatchObject({ errorCode: "difficulty-too-low" })
      return
    }
  })

  it("limits further shares of the easier job, but not blocks", () => {
    const { connection, miner, server } = one()
    const easy = Array.from({ length: 200 }, () => miner.mine())
    const { messages } = server.send(connection, update(miner, 1e6), ...easy)
    const refused = messages.filter((message) => message._tag === "SubmitShares.Error")
    expect(refused).toHaveLength(200 - 128)
    expect(new Set(refused.map(({ errorCode }) => errorCode))).toEqual(new Set(["stale-share"]))
    // The next previous hash resets the limit.
    deliver(server.template(futureTemplate(2)), miner)
    deliver(server.template(newPrevHash(2)), miner)
    expect(server.counted(connection)[0]!.accepted).toBe(128)
  })

  it("waits for the next job after the most variants, as does an easier target that the client asks for", () => {
    const { connection, miner, server } = one()
    let jobs = 0
    for (let rate = 10; rate < 1e12; rate *= 3) {
      const { messages } = server.send(connection, update(miner, rate))
      jobs += messages.filter(({ _tag }) => _tag === "NewExtendedMiningJob").length
    }
    expect(jobs).toBe(16)
    expect(tags([server.send(connection, update(miner, 1))])).toEqual(["SetTarget"])
  })
})

describe("a connection", () => {
  it("tells since when it has no channel", () => {
    const server = TestServer.working()
    const connection = server.connect()
    expect(connection.emptySince).toBe(0)
    const miners = [server.open(connection), server.open(connection)]
    expect(connection.emptySince).toBeUndefined()
    const close = (miner: TestMiner) => ({ _tag: "CloseChannel", channelId: miner.channelId, reasonCode: "" }) as const
    server.send(connection, close(miners[0]!))
    expect(connection.emptySince).toBeUndefined()
    server.send(connection, close(miners[1]!))
    expect(connection.emptySince).toBe(server.now)
    server.open(connection)
    expect(connection.emptySince).toBeUndefined()
  })

  it("acknowledges the shares of channels before it closes them for the server", () => {
    const { connection, miners, server } = setup()
    const [first] = miners
    const said = server.ask((out) => {
      connection.receiveOne(first!.mine(), server.now, out)
      expect(connection.closeChannel(first!.channelId, "maintenance", server.now, out)).toBe(true)
      expect(connection.closeChannel(first!.channelId, "maintenance", server.now, out)).toBe(false)
      expect(connection.closeChannel(1, "maintenance", server.now, out)).toBe(true)
    })
    expect(said.messages).toMatchObject([
      { _tag: "SubmitShares.Success", channelId: 2 },
      { _tag: "CloseChannel", channelId: 2, reasonCode: "maintenance" },
      { _tag: "CloseChannel", channelId: 1 }
    ])
    expect(said.events.map(({ _tag }) => _tag)).toEqual([
      "ShareAccepted",
      "ChannelClosed",
      "ChannelClosed",
      "ChannelClosed"
    ])
    expect(connection.emptySince).toBe(server.now)
    expect(server.space.held).toBe(0)
  })

  it("asks its client to reconnect to another server", () => {
    const { connection, server } = setup()
    expect(server.ask((out) => connection.reconnect("other.example", 3333, out)).messages).toEqual([
      { _tag: "Reconnect", newHost: "other.example", newPort: 3333 }
    ])
  })

  it("that requires version rolling gets no channel if the jobs forbid it", () => {
    const flags = Mining.REQUIRES_VERSION_ROLLING
    const server = TestServer.working({ coinbase: { versionRollingAllowed: false } })
    expect(server.send(server.connect(flags), open()).messages).toMatchObject([
      { _tag: "OpenMiningChannel.Error", errorCode: "version-rolling-not-supported" }
    ])
    expect(TestServer.working().open(TestServer.working().connect(flags)).channelId).toBe(2)
  })
})
