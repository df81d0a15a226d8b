import { describe, expect, it } from "@effect/vitest"
import { hashToDisplay } from "@sluice/bitcoin"
import { Mining } from "@sluice/protocol"
import { Result } from "effect"
import { bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { CustomJobOrigin, MAX_CUSTOM_JOBS, u256ToBytes } from "../src/index.ts"
import { customJob, mineCustom, setJob, TestCustomJobs } from "./custom-jobs-fixture.ts"
import { START_SECONDS, TestServer, type TestServerOptions } from "./server-fixture.ts"

const { REQUIRES_WORK_SELECTION } = Mining
const BLOCK_TARGET = u256ToBytes(2n ** 246n)

const setup = (options: TestServerOptions = {}, target?: Uint8Array) => {
  const customJobs = new TestCustomJobs()
  const server = new TestServer({ customJobs, ...options })
  server.template(futureTemplate(1))
  server.template(newPrevHash(1, target === undefined ? {} : { target }))
  const connection = server.connect(REQUIRES_WORK_SELECTION)
  const miner = server.open(connection)
  return { connection, customJobs, miner, server }
}

/** A new block: all connections get a future job and the previous hash that names it. */
const newTip = (server: TestServer, id: number, target?: Uint8Array) => {
  server.template(futureTemplate(id))
  return server.template(newPrevHash(id, { prevHash: bytes(id), ...(target === undefined ? {} : { target }) }))
}

describe("a client that selects its work", () => {
  it("gets no jobs and no previous hashes, neither when it opens a channel nor later", () => {
    const { connection, server } = setup()
    const opened = server.send(connection, {
      _tag: "OpenExtendedMiningChannel",
      requestId: 7,
      userIdentity: "user",
      nominalHashRate: 1,
      maxTarget: bytes(0xff),
      minExtranonceSize: 4
    })
    expect(opened.messages.map(({ _tag }) => _tag)).toEqual(["OpenExtendedMiningChannel.Success"])
    expect(server.template(template(2)).map(({ messages }) => messages)).toEqual([[]])
    expect(newTip(server, 3).map(({ messages }) => messages)).toEqual([[]])
  })

  it("gets the server's jobs if the server takes no custom jobs", () => {
    const server = TestServer.working()
    const connection = server.connect(REQUIRES_WORK_SELECTION)
    const miner = server.open(connection)
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    expect(server.send(connection, customJob(miner.channelId)).messages).toMatchObject([
      { errorCode: "jd-not-supported" }
    ])
  })

  it("is told that its own job is accepted, with ids that never repeat on the connection", () => {
    const { connection, miner, server } = setup()
    const other = server.open(connection)
    const answers = [miner, other, miner].map(
      ({ channelId }, index) => server.send(connection, customJob(channelId, { requestId: 10 + index })).messages
    )
    expect(answers).toEqual([
      [{ _tag: "SetCustomMiningJob.Success", channelId: miner.channelId, requestId: 10, jobId: 1 }],
      [{ _tag: "SetCustomMiningJob.Success", channelId: other.channelId, requestId: 11, jobId: 2 }],
      [{ _tag: "SetCustomMiningJob.Success", channelId: miner.channelId, requestId: 12, jobId: 3 }]
    ])
    newTip(server, 2)
    expect(setJob(server, connection, miner, customJob(miner.channelId, {}, { tip: 2 }))).toBe(4)
  })

  it("is told the code for which the acceptor refuses, and the server's events have the reason", () => {
    const { connection, miner, server } = setup()
    const { channelId } = miner
    const { events, messages } = server.send(connection, customJob(channelId, { miningJobToken: new Uint8Array(0) }))
    const errorCode = "invalid-mining-job-token"
    expect(messages).toEqual([{ _tag: "SetCustomMiningJob.Error", channelId, requestId: 1, errorCode }])
    expect(events).toMatchObject([
      {
        _tag: "CustomJobRefused",
        channelId,
        channel: { userIdentity: "user.worker" },
        errorCode,
        reason: "the token is empty"
      }
    ])
  })

  it("gets invalid-channel-id for channels that are not there, and stale-chain-tip before the first previous hash", () => {
    const customJobs = new TestCustomJobs()
    const server = new TestServer({ customJobs })
    const connection = server.connect(REQUIRES_WORK_SELECTION)
    const code = (channelId: number) => server.send(connection, customJob(channelId)).messages
    // The first group has no channels yet.
    expect([code(1), code(99)].flat()).toMatchObject([
      { errorCode: "invalid-channel-id" },
      { errorCode: "invalid-channel-id" }
    ])
    const miner = server.open(connection)
    expect(code(miner.channelId)).toMatchObject([{ errorCode: "stale-chain-tip" }])
    expect(customJobs.requests).toEqual([])
  })

  it("must have set the flag", () => {
    const { server } = setup()
    const connection = server.connect()
    const miner = server.open(connection)
    expect(server.send(connection, customJob(miner.channelId)).messages).toMatchObject([
      { errorCode: "jd-not-supported" }
    ])
  })

  it("is asked for with its channels, the size of its extranonce, and the chain as the server has it", () => {
    const { connection, customJobs, miner, server } = setup({ policy: { ntimeDriftSeconds: 100 } })
    server.now += 30_000
    setJob(server, connection, miner)
    expect(customJobs.requests).toMatchObject([
      {
        channels: [{ channelId: miner.channelId, userIdentity: "user.worker" }],
        extranonceSize: 20,
        tip: { height: 159, leastNtime: START_SECONDS - 86_400, latestNtime: START_SECONDS + 130 },
        versionRollingAllowed: true
      }
    ])
  })
})

describe("a share of a custom job", () => {
  it("is accepted with the difficulty of its channel, and counts like others", () => {
    const { connection, miner, server } = setup()
    setJob(server, connection, miner)
    const { events, messages } = server.send(connection, miner.mine(), miner.mine())
    expect(messages).toMatchObject([{ _tag: "SubmitShares.Success", newSubmitsAcceptedCount: 2 }])
    expect(events).toMatchObject([
      { _tag: "ShareAccepted", jobId: 1, height: 159, isBlock: false, channel: { userIdentity: "user.worker" } },
      { _tag: "ShareAccepted" }
    ])
    expect(server.counted(connection)[0]!.acceptedDifficulty).toBeGreaterThan(0)
  })

  it("is accepted alone and among many of one read, for several jobs at once", () => {
    const { connection, miner, server } = setup()
    const shares = [1, 2, 3].flatMap((tag) => {
      setJob(server, connection, miner, customJob(miner.channelId, {}, { tag: Uint8Array.of(tag) }))
      return [miner.mine(), miner.mine()]
    })
    const said = [
      ...shares.slice(0, 1).map((share) => server.send(connection, share)),
      server.send(connection, ...shares.slice(1))
    ]
    expect(said.flatMap(({ events }) => events).map(({ _tag }) => _tag)).toEqual(Array(6).fill("ShareAccepted"))
  })

  it("may roll the version bits of BIP323 and the time within its own range", () => {
    const { connection, miner, server } = setup()
    const minNtime = START_SECONDS - 50
    setJob(server, connection, miner, customJob(miner.channelId, { minNtime }))
    const code = (fields: Parameters<typeof miner.mine>[0]) =>
      server.send(connection, miner.mine(fields)).messages.map((message) => "errorCode" in message && message.errorCode)
    expect(code({ version: 0x3fffffe0 })).toEqual([false])
    expect(code({ version: 0x20000001 })).toEqual(["invalid-non-rollable-version-bit"])
    expect(code({ ntime: minNtime })).toEqual([false])
    expect(code({ ntime: minNtime - 1 })).toEqual(["invalid-share"])
    expect(code({ ntime: START_SECONDS + 601 })).toEqual(["invalid-share"])
    expect(code({ extranonce: bytes(1, miner.extranonceSize - 1) })).toEqual(["bad-extranonce-size"])
    expect(code({ bad: true })).toEqual(["difficulty-too-low"])
  })

  it("may not roll the version if the server's jobs do not", () => {
    const { connection, miner, server } = setup({ coinbase: { versionRollingAllowed: false } })
    setJob(server, connection, miner)
    expect(server.send(connection, miner.mine({ version: 0x20002000 })).messages).toMatchObject([
      { errorCode: "version-rolling-not-allowed" }
    ])
  })

  it("is a duplicate the second time, also under the id of an equal job", () => {
    const { connection, miner, server } = setup()
    setJob(server, connection, miner)
    const share = miner.mine()
    server.send(connection, share)
    const jobId = setJob(server, connection, miner)
    const { messages } = server.send(connection, share, { ...share, jobId })
    expect(messages).toMatchObject([{ errorCode: "duplicate-share" }, { errorCode: "duplicate-share" }])
  })

  it("is a duplicate also when the chain has returned to an earlier previous hash", () => {
    const { connection, miner, server } = setup()
    setJob(server, connection, miner)
    const share = miner.mine()
    expect(server.send(connection, share).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    newTip(server, 2)
    setJob(server, connection, miner, customJob(miner.channelId, {}, { tip: 2 }))
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    server.template(futureTemplate(3))
    server.template(newPrevHash(3, { prevHash: bytes(1) }))
    const jobId = setJob(server, connection, miner)
    expect(server.send(connection, { ...share, jobId }).messages).toMatchObject([{ errorCode: "duplicate-share" }])
  })

  it("is refused as invalid-job-id on a channel that the job was not set on, and for ids that were not given", () => {
    const { connection, miner, server } = setup()
    setJob(server, connection, miner)
    const other = server.open(connection)
    const share = miner.mine()
    const { messages } = server.send(
      connection,
      { ...share, channelId: other.channelId },
      { ...share, jobId: 2 },
      { ...share, jobId: 0 }
    )
    expect(messages.map((message) => "errorCode" in message && message.errorCode)).toEqual([
      "invalid-job-id",
      "invalid-job-id",
      "invalid-job-id"
    ])
    const { messages: ordinary } = server.send(connection, { ...share, jobId: 1000 })
    expect(ordinary).toMatchObject([{ errorCode: "invalid-job-id" }])
  })

  it("is stale when the server has another previous hash, and not when it gets the same one again", () => {
    const { connection, miner, server } = setup()
    setJob(server, connection, miner)
    server.template(futureTemplate(2))
    server.template(newPrevHash(2, { prevHash: bytes(1) }))
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    newTip(server, 3)
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ errorCode: "stale-share" }])
  })

  it("is stale when only nbits have changed, because headers have the old ones", () => {
    const { connection, miner, server } = setup()
    setJob(server, connection, miner)
    server.template(futureTemplate(2))
    server.template(newPrevHash(2, { prevHash: bytes(1), nbits: 0x1d00fffe }))
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ errorCode: "stale-share" }])
  })

  it("is stale for all but the newest jobs of a channel", () => {
    const { connection, miner, server } = setup()
    const shares = Array.from({ length: MAX_CUSTOM_JOBS + 1 }, () => {
      setJob(server, connection, miner)
      return miner.mine()
    })
    const codes = shares.map((share) => server.send(connection, share).messages[0])
    expect(codes[0]).toMatchObject({ errorCode: "stale-share" })
    for (const answer of codes.slice(1)) expect(answer).toMatchObject({ _tag: "SubmitShares.Success" })
  })

  it("must meet the target that was in force when the job was set", () => {
    const { connection, miner, server } = setup()
    setJob(server, connection, miner)
    const easy = miner.mine({ bad: false })
    const { target } = miner
    const { messages } = server.send(connection, {
      _tag: "UpdateChannel",
      channelId: miner.channelId,
      nominalHashRate: 1000,
      maximumTarget: bytes(0xff)
    })
    // No variant of the job comes with it: only the client can make one.
    expect(messages.map(({ _tag }) => _tag)).toEqual(["SetTarget"])
    for (const message of messages) miner.receive(message)
    expect(miner.target).toBeLessThan(target)
    expect(server.send(connection, easy).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    setJob(server, connection, miner)
    expect(server.send(connection, miner.mine({ bad: true })).messages).toMatchObject([
      { errorCode: "difficulty-too-low" }
    ])
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
  })

  it("of an easier job counts only within the limit for late shares when a harder job is set", () => {
    const { connection, miner, server } = setup({ policy: { maxLateShares: 2 } })
    setJob(server, connection, miner)
    const easy = [1, 2, 3].map(() => miner.mine())
    const update = { nominalHashRate: 1000, maximumTarget: bytes(0xff) }
    server.send(connection, { _tag: "UpdateChannel", channelId: miner.channelId, ...update })
    server.send(connection, customJob(miner.channelId))
    const answers = easy.map((share) => server.send(connection, share).messages[0])
    expect(answers).toMatchObject([
      { _tag: "SubmitShares.Success" },
      { _tag: "SubmitShares.Success" },
      { errorCode: "stale-share" }
    ])
  })

  it("has the prefix that the channel had when the job was set", () => {
    const { connection, miner, server } = setup()
    setJob(server, connection, miner)
    const [early, later] = [miner.mine(), miner.mine()]
    const before = miner.prefix
    const { messages } = server.ask((out) => connection.changeExtranoncePrefix(miner.channelId, out))
    const [changed] = messages
    if (changed?._tag === "SetExtranoncePrefix") miner.prefix = changed.extranoncePrefix
    expect(miner.prefix).not.toEqual(before)
    expect(server.send(connection, early).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    setJob(server, connection, miner)
    expect(server.send(connection, miner.mine(), later).events.map(({ _tag }) => _tag)).toEqual([
      "ShareAccepted",
      "ShareAccepted"
    ])
    newTip(server, 2)
    server.tick(connection)
    expect(server.space.held).toBe(1)
  })
})

describe("a custom job for a group", () => {
  it("is for all channels that the group has, with one id, and not for channels that join it later", () => {
    const { connection, customJobs, miner, server } = setup()
    const other = server.open(connection, { userIdentity: "user.other" })
    const message = customJob(1)
    const said = server.send(connection, message)
    expect(said.messages).toEqual([{ _tag: "SetCustomMiningJob.Success", channelId: 1, requestId: 1, jobId: 1 }])
    expect(said.events).toMatchObject([{ _tag: "CustomJobSet", channels: 2, jobId: 1, height: 159 }])
    expect(customJobs.requests[0]!.channels.map(({ userIdentity }) => userIdentity)).toEqual([
      "user.worker",
      "user.other"
    ])
    const later = server.open(connection)
    for (const one of [miner, other, later]) mineCustom(one, message, said)
    const answers = [miner, other, later].map((one) => server.send(connection, one.mine()).messages[0])
    expect(answers).toMatchObject([
      { _tag: "SubmitShares.Success", channelId: miner.channelId },
      { _tag: "SubmitShares.Success", channelId: other.channelId },
      { errorCode: "invalid-job-id" }
    ])
  })

  it("stays valid for a channel that leaves the group, and for the others when one is closed", () => {
    const { connection, customJobs, miner, server } = setup()
    const other = server.open(connection)
    const message = customJob(1)
    const said = server.send(connection, message)
    for (const one of [miner, other]) mineCustom(one, message, said)
    const groupId = connection.newGroupId()
    server.ask((out) => connection.setGroup(groupId, [miner.channelId], out))
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    const { bytes } = customJobs
    server.send(connection, { _tag: "CloseChannel", channelId: miner.channelId, reasonCode: "" })
    expect(customJobs.bytes).toBe(bytes)
    expect(server.send(connection, other.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    server.send(connection, { _tag: "CloseChannel", channelId: other.channelId, reasonCode: "" })
    expect(customJobs.bytes).toBe(0)
  })
})

describe("a block of a custom job", () => {
  it("is reported once, with all that its header and coinbase have", () => {
    const { connection, miner, server } = setup({}, BLOCK_TARGET)
    miner.target = 2n ** 246n
    const message = customJob(miner.channelId, { miningJobToken: Uint8Array.of(42) })
    const jobId = setJob(server, connection, miner, message)
    const share = miner.mine()
    const root = miner.jobs.get(jobId)!.root(bytes(1, miner.extranonceSize))
    const hash = miner.hash(share.version, root, share.ntime, share.nonce)
    const { events } = server.send(connection, share, share)
    const blocks = events.filter(({ _tag }) => _tag === "BlockFound")
    expect(blocks).toMatchObject([
      {
        refusal: undefined,
        height: 159,
        hash: hashToDisplay(hash),
        found: { nonce: share.nonce, ntime: share.ntime, version: share.version, isBlock: true }
      }
    ])
    const [block] = blocks
    const found = block?._tag === "BlockFound" ? block.found : undefined
    expect(found?.extranonce).toEqual(new Uint8Array([...miner.prefix, ...bytes(1, miner.extranonceSize)]))
    expect(found?.job.origin).toEqual(new CustomJobOrigin(bytes(1), 0x1d00ffff, Uint8Array.of(42)))
  })

  it("is reported although its share is stale, or over the limit of shares", () => {
    const { connection, miner, server } = setup({}, BLOCK_TARGET)
    miner.target = 2n ** 246n
    setJob(server, connection, miner)
    const shares = [miner.mine(), miner.mine()]
    newTip(server, 2)
    const { events, messages } = server.send(connection, ...shares)
    expect(messages).toMatchObject([{ errorCode: "stale-share" }, { errorCode: "stale-share" }])
    expect(events.filter(({ _tag }) => _tag === "BlockFound")).toMatchObject([
      { refusal: "stale-share", found: { job: { origin: { prevHash: bytes(1) } } } },
      { refusal: "stale-share" }
    ])
    for (const id of [3, 4]) {
      newTip(server, id)
      server.tick(connection)
    }
    expect(server.send(connection, miner.mine()).events).toMatchObject([{ _tag: "ShareRefused" }])
  })
})

describe("a custom job on a previous hash that the server has not seen", () => {
  const ahead = (channelId: number, requestId = 1) => customJob(channelId, { requestId }, { tip: 2 })
  const setupChecked = () => {
    const made = setup()
    // As the acceptor of a pool does.
    const { customJobs } = made
    const accept = customJobs.accept.bind(customJobs)
    customJobs.accept = (request) =>
      Buffer.compare(request.message.prevHash, request.tip.prevHash.hash) === 0
        ? accept(request)
        : Result.fail({ errorCode: "stale-chain-tip", reason: "another previous hash" })
    return made
  }

  it("is answered when the server has it, in the order of the jobs", () => {
    const { connection, customJobs, miner, server } = setupChecked()
    const { channelId } = miner
    expect(server.send(connection, ahead(channelId, 1), ahead(channelId, 2)).messages).toEqual([])
    expect(customJobs.bytes).toBeGreaterThan(0)
    server.template(futureTemplate(2))
    const [said] = server.template(newPrevHash(2))
    expect(said!.messages).toEqual([
      { _tag: "SetCustomMiningJob.Success", channelId, requestId: 1, jobId: 1 },
      { _tag: "SetCustomMiningJob.Success", channelId, requestId: 2, jobId: 2 }
    ])
    mineCustom(miner, ahead(channelId), said!)
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
  })

  it("keeps its own bytes, not those of the read buffer", () => {
    const { connection, miner, server } = setupChecked()
    const job = ahead(miner.channelId)
    server.send(connection, job)
    const before = structuredClone(job)
    for (const part of [job.prevHash, job.miningJobToken, job.coinbasePrefix, job.coinbaseTxOutputs, ...job.merklePath])
      part.fill(0)
    server.template(futureTemplate(2))
    const [said] = server.template(newPrevHash(2))
    mineCustom(miner, before, said!)
    expect(server.send(connection, miner.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
  })

  it("waits on while another previous hash comes, and is refused after some seconds", () => {
    const { connection, customJobs, miner, server } = setupChecked()
    server.send(connection, ahead(miner.channelId))
    expect(newTip(server, 3).map(({ messages }) => messages)).toEqual([[]])
    server.now += 2_999
    expect(server.tick(connection).messages).toEqual([])
    server.now += 1
    expect(server.tick(connection).messages).toMatchObject([{ errorCode: "stale-chain-tip" }])
    expect(customJobs.bytes).toBe(0)
  })

  it("is refused at once if it is on an earlier previous hash, or if eight wait already", () => {
    const { connection, miner, server } = setupChecked()
    newTip(server, 3)
    const answers = Array.from({ length: 9 }, () => server.send(connection, ahead(miner.channelId)).messages.length)
    expect(answers).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1])
    expect(server.send(connection, customJob(miner.channelId)).messages).toMatchObject([
      { errorCode: "stale-chain-tip" }
    ])
  })

  it("is refused if its channel was closed meanwhile, and forgotten if the connection ends", () => {
    const { connection, customJobs, miner, server } = setupChecked()
    server.send(connection, ahead(miner.channelId))
    server.send(connection, { _tag: "CloseChannel", channelId: miner.channelId, reasonCode: "" })
    server.template(futureTemplate(2))
    expect(server.template(newPrevHash(2))[0]!.messages).toMatchObject([{ errorCode: "invalid-channel-id" }])
    const other = server.open(connection)
    server.send(connection, customJob(other.channelId, {}, { tip: 4 }))
    expect(customJobs.bytes).toBeGreaterThan(0)
    server.close(connection)
    expect(customJobs.bytes).toBe(0)
  })
})

describe("the memory of custom jobs", () => {
  it("is counted for as long as shares of them may come, and given back", () => {
    const { connection, customJobs, miner, server } = setup()
    setJob(server, connection, miner)
    const one = customJobs.bytes
    expect(one).toBeGreaterThan(1024)
    for (let i = 1; i < 50; i++) setJob(server, connection, miner)
    expect(customJobs.bytes).toBe(one * MAX_CUSTOM_JOBS)
    for (const id of [2, 3]) {
      newTip(server, id)
      server.tick(connection)
    }
    expect(customJobs.bytes).toBe(one * MAX_CUSTOM_JOBS)
    newTip(server, 4)
    server.tick(connection)
    expect(customJobs.bytes).toBe(0)
    setJob(server, connection, miner, customJob(miner.channelId, {}, { tip: 4 }))
    server.close(connection)
    expect(customJobs.bytes).toBe(0)
  })

  it("of a channel is free when an empty epoch passes unseen, and no job is counted twice", () => {
    const { connection, customJobs, miner, server } = setup()
    setJob(server, connection, miner)
    newTip(server, 2)
    newTip(server, 3)
    setJob(server, connection, miner, customJob(miner.channelId, {}, { tip: 3 }))
    server.send(connection, { _tag: "CloseChannel", channelId: 1, reasonCode: "" })
    expect(customJobs.bytes).toBe(0)
  })
})
