import { assert, describe, it } from "@effect/vitest"
import { coinbaseTags } from "@sluice/bitcoin"
import {
  type ChannelEvent,
  defaultChannelPolicy,
  ExtranonceSpace,
  HashRateSum,
  ShareValidator,
  u256FromBytes,
  u256ToBytes
} from "@sluice/channels"
import { Target } from "@sluice/core"
import type { Mining } from "@sluice/protocol"
import { Effect } from "effect"
import { Downstream } from "../src/connections/downstream.ts"
import type { Held } from "../src/connections/held-step.ts"
import { Recording, ShareSinkError } from "../src/index.ts"
import { ShownUsers } from "../src/connections/shown-users.ts"
import { defaultTrafficLimits } from "../src/connections/traffic.ts"
import { PayoutGroups } from "../src/templates/payout-groups.ts"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { acceptedShare } from "@sluice/testing/accepted-share"
import { HASH_RATE, Miner, openExtended } from "@sluice/testing/pool-client"

/** A pool's work with a first job, and a downstream whose frames are kept. */
const serving = (acknowledgements = { after: 10, withinMs: 0 }, policy = defaultChannelPolicy) => {
  const space = new ExtranonceSpace()
  const validator = new ShareValidator(policy)
  const coinbase = {
    tags: coinbaseTags("x", ""),
    extranonceSize: space.fullSize,
    versionRollingAllowed: true
  }
  const payouts = { outputs: (reward: bigint) => [{ value: reward, script: bytes(0x51, 1) }] }
  const work = new PayoutGroups({ coinbase, payouts, space, nextJobId: () => 1000 })
  work.onMessages([futureTemplate(1), newPrevHash(1)], 1_000)
  const sent: Array<Mining.ToClient["_tag"]> = []
  const messages: Array<Mining.ToClient> = []
  const told: Array<ChannelEvent> = []
  const clock = { now: 2_000 }
  const downstream = new Downstream(
    {
      remote: { host: "peer", port: 1 },
      setup: {
        flags: 0,
        version: 2,
        extensions: [],
        device: { vendor: "", hardwareVersion: "", firmware: "", deviceId: "" }
      },
      receive: undefined as never,
      send: (some) =>
        Effect.sync(() => {
          messages.push(...some)
          for (const { _tag } of some) sent.push(_tag)
        })
    } as ConstructorParameters<typeof Downstream>[0],
    {
      id: 1,
      acknowledgements,
      onWaiting: () => {},
      work,
      contextFor: ({ jobs }) => ({ jobs, space, validator, policy, shown: new ShownUsers().of("peer") }),
      onBatch: () => undefined,
      onEvents: (events) => void told.push(...events),
      takesPrefixes: true,
      now: () => clock.now,
      tell: () => Effect.void,
      withoutLost: (events) => events,
      maxPendingBytes: 1_000_000,
      limits: defaultTrafficLimits,
      interrupt: () => assert.fail("the downstream is ended"),
      late: { count: 0 },
      start: (write) => Effect.runSync(write)
    }
  )
  /** A read of the socket. */
  const read = (message: Mining.ToServer) => {
    downstream.run((machine, out) => machine.receive([message], 2_000, out))
    downstream.reply(downstream.takeReplies(), 2_000)
    Effect.runSync(downstream.queue.drain)
    return sent.splice(0)
  }
  /** The same, whose shares are recorded when `recording` is. */
  const exchange = (message: Mining.ToServer, now: number, recording = Recording.done) => {
    const events = downstream.read([message], now)
    const replies = downstream.takeReplies()
    if (!recording.isRecorded) downstream.waitFor(recording, now)
    downstream.answer({ events, replies, since: now, reply: (some) => downstream.reply(some, now) })
    Effect.runSync(downstream.queue.drain)
    return sent.splice(0)
  }
  /** Opens a channel, and gives its miner. */
  const open = (nominalHashRate = HASH_RATE): Miner => {
    read(openExtended({ minExtranonceSize: 8, nominalHashRate }))
    const [success, job, prevHash] = messages.splice(0) as [
      Mining.OpenExtendedMiningChannelSuccess,
      Mining.NewExtendedMiningJob,
      Mining.SetNewPrevHash
    ]
    const miner = new Miner(success)
    miner.receive(job)
    miner.receive(prevHash)
    return miner
  }
  const send = () => {
    downstream.send()
    return sent.splice(0)
  }
  return { work, downstream, read, exchange, open, messages, told, send, clock }
}

/** The hash rate that the difficulty of its channels assumes. */
const assumedRate = ({ machine }: Downstream): number => {
  const sum = new HashRateSum()
  machine.addTo(sum, 2_000)
  return sum.assumed
}

const share = (jobId: number): Mining.SubmitSharesExtended => ({
  _tag: "SubmitSharesExtended",
  channelId: 2,
  sequenceNumber: 1,
  jobId,
  nonce: 1,
  ntime: 1,
  version: 0x20000000,
  extranonce: bytes(0, 8)
})

describe("a connection whose shares are being recorded", () => {
  it("gets messages of the server and new work behind its replies", () => {
    const { read, send, downstream, work } = serving()
    read(openExtended({ minExtranonceSize: 8 }))
    downstream.run((machine, out) => machine.receive([share(0)], 2_000, out))
    const replies = downstream.takeReplies()
    const held = {
      isAnnouncement: false,
      isReady: false,
      hurry: () => {},
      run: () => downstream.reply(replies, 3_000),
      runEarly: () => assert.fail("it has not waited for long"),
      drop: () => assert.fail("it has not ended"),
      since: 2_000
    }
    downstream.hold(held)
    downstream.goOn(1_999)
    downstream.sendMessage({ _tag: "Reconnect", newHost: "", newPort: 0 })
    work.onMessages([template(2)], 2_000)
    assert.deepStrictEqual(send(), [])
    downstream.release(held)
    assert.deepStrictEqual(send(), ["SubmitShares.Error", "Reconnect", "NewExtendedMiningJob"])
  })
})

describe("a connection whose share came alone, and whose sink records at once when it is hurried", () => {
  it("gets new work behind the acknowledgement, also if its difficulty is reviewed before the work is announced to it", () => {
    const { downstream, read, send, work } = serving({ after: 10, withinMs: 1_000 })
    read(openExtended({ minExtranonceSize: 8 }))
    send()
    const recording = new Recording(() => recording.end())
    downstream.waitFor(recording, 2_000)
    let isAcknowledged = false
    const reply = () => void (isAcknowledged = true)
    const step = { events: [acceptedShare(1)], replies: [], since: 2_000, reply, isPatient: true }
    Effect.runSync(downstream.answer(step))
    assert.isFalse(isAcknowledged)
    work.onMessages([template(2)], 2_000)
    downstream.review(2_100)
    assert.isTrue(isAcknowledged)
    work.onMessages([futureTemplate(3), newPrevHash(3)], 2_200)
    downstream.send()
    assert.deepStrictEqual(
      send().filter((tag) => tag === "NewExtendedMiningJob" || tag === "SetNewPrevHash"),
      ["NewExtendedMiningJob", "NewExtendedMiningJob", "SetNewPrevHash"]
    )
  })
})

describe("a connection whose replies wait for a sink while the clock is set back", () => {
  it("goes on without them as if it were not", () => {
    const { clock, downstream } = serving()
    let isEarly = false
    const held = {
      isAnnouncement: false,
      isReady: false,
      hurry: () => {},
      since: 2_000,
      run: () => {},
      runEarly: () => void (isEarly = true),
      drop: () => {}
    }
    downstream.hold(held)
    downstream.goOn(1_000)
    assert.isFalse(isEarly)
    clock.now = 1_500
    downstream.goOn(500)
    assert.isTrue(isEarly)
  })
})

describe("a connection with very many replies that wait for a sink", () => {
  it("gets them in a time that grows with their number, not with its square", () => {
    const { downstream } = serving()
    let queued = 0
    const all = Array.from({ length: 50_000 }, () => ({
      isAnnouncement: false,
      isReady: false,
      hurry: () => {},
      since: 0,
      run: () => void queued++,
      runEarly: () => {},
      drop: () => {}
    }))
    const begun = performance.now()
    for (const held of all) {
      downstream.hold(held)
      downstream.goOn(1)
    }
    for (const held of all) downstream.release(held)
    assert.strictEqual(queued, all.length)
    assert.isBelow(performance.now() - begun, 2_000)
  })
})

describe("a connection with as many replies that wait for a sink as it may have", () => {
  it("is read from again, also if they are released before its reader begins to wait", () => {
    const { downstream } = serving()
    const all: Array<Held> = []
    while (downstream.room === undefined) {
      const held = { isAnnouncement: false, isReady: false, since: 0, hurry() {}, run() {}, runEarly() {}, drop() {} }
      all.push(held)
      downstream.hold(held)
    }
    const { released, room } = downstream
    for (const held of all) downstream.release(held)
    Effect.runSync(room)
    Effect.runSync(released)
  })
})

describe("a connection whose last shares are being recorded", () => {
  it("gets a new block at once, also if it sends a share before the block was announced to it", () => {
    const { exchange, open, send, work } = serving({ after: 10, withinMs: 1_000 })
    const miner = open()
    assert.deepStrictEqual(exchange(miner.mine(), 2_000), ["SubmitShares.Success"])
    const recording = new Recording()
    assert.deepStrictEqual(exchange(miner.mine(), 2_500, recording), [])
    work.onMessages([futureTemplate(2), newPrevHash(2)], 2_600)
    const late = miner.mine()
    assert.deepStrictEqual(exchange(late, 2_700), ["NewExtendedMiningJob", "SetNewPrevHash"])
    recording.end()
    assert.deepStrictEqual(send(), ["SubmitShares.Success", "SubmitShares.Error"])
  })
})

describe("a client whose shares wait", () => {
  const policy = { ...defaultChannelPolicy, minHashRate: 1 }
  const within = { after: 10, withinMs: 1_000 }

  /** A client that is found to be far stronger than it stated, with the last of 116 shares, if these are acknowledged now. */
  const stronger = () => {
    const served = serving(within, policy)
    const { exchange, messages, open, told } = served
    const miner = open()
    const hear = () => {
      for (const message of messages.splice(0)) {
        if (message._tag === "SetTarget") miner.target = u256FromBytes(message.maximumTarget)
        else if (message._tag === "NewExtendedMiningJob") miner.receive(message)
      }
    }
    let now = 2_000
    // Some come alone, so that their acknowledgements leave at once.
    for (let i = 0; i < 116; i++) {
      exchange(miner.mine(), (now += i % 47 < 4 ? 1_000 : 20))
      hear()
    }
    assert.isFalse(told.some(({ _tag }) => _tag === "TargetChanged"))
    return { ...served, miner, hear, now: now + 20 }
  }

  it("has the server's target when it has restricted it, whatever the shares have shown", () => {
    const { exchange, hear, miner, now, told } = stronger()
    const { channelId } = miner
    const maximumTarget = u256ToBytes((miner.target * 3n) / 4n)
    exchange({ _tag: "UpdateChannel", channelId, nominalHashRate: HASH_RATE, maximumTarget }, now)
    hear()
    const { difficulty } = told.findLast((event) => event._tag === "TargetChanged")!
    assert.strictEqual(Target.targetToDifficulty(u256ToBytes(miner.target), 0), difficulty)
  })

  it("gets the target that they cause behind the answer to its request, which the server made first", () => {
    const { exchange, now } = stronger()
    assert.deepStrictEqual(exchange(openExtended({ requestId: 2, minExtranonceSize: 8 }), now), [
      "SubmitShares.Success",
      "OpenExtendedMiningChannel.Success",
      "NewExtendedMiningJob",
      "SetNewPrevHash",
      "SetTarget",
      "NewExtendedMiningJob"
    ])
  })

  it("keeps its target while it finds as many as it should", () => {
    const many = { ...policy, sharesPerMinute: 1_000, maxSharesPerSecond: 1_000, shareBatchSize: 200 }
    const { downstream, exchange, open } = serving({ after: 200, withinMs: 60_000 }, many)
    const miner = open((HASH_RATE * 1_000) / 6)
    const hashRate = assumedRate(downstream)
    for (let now = 2_000; now < 62_000; now += 60) {
      exchange(miner.mine(), now)
      // Most of the shares since the last review wait at each of these.
      if (now % 5_000 < 60) downstream.review(now)
      assert.strictEqual(assumedRate(downstream), hashRate)
    }
  })

  it("does not get easier work when it states a lower hash rate than these have shown", () => {
    const { downstream, exchange, open } = serving(within, policy)
    const miner = open(1_000)
    // Three that come alone, and six that follow one another.
    let now = 2_000
    for (let i = 0; i < 9; i++) exchange(miner.mine(), (now += i < 3 ? 10_000 : 20))
    const { channelId } = miner
    exchange({ _tag: "UpdateChannel", channelId, nominalHashRate: 1, maximumTarget: ANY_TARGET }, (now += 20))
    assert.strictEqual(assumedRate(downstream), 1_000)
  })
})

describe("a connection whose shares could not be recorded", () => {
  it("gets nothing that waited for them", () => {
    const { send, downstream } = serving()
    const recording = new Recording()
    downstream.waitFor(recording, 2_000)
    const reply = () => assert.fail("the shares are not recorded")
    downstream.answer({ events: [acceptedShare(1)], replies: [], since: 2_000, reply })
    recording.end(new ShareSinkError({ message: "the disk is full" }))
    downstream.sendMessage({ _tag: "Reconnect", newHost: "", newPort: 0 })
    assert.deepStrictEqual(send(), [])
    downstream.dropReplies()
    Effect.runSync(downstream.queue.drain)
    assert.deepStrictEqual(send(), ["Reconnect"])
  })
})

describe("a connection that sends before new work was announced to it", () => {
  it("gets the work once, before the answer that calls its share stale", () => {
    const { read, send, work } = serving()
    assert.include(read(openExtended({ minExtranonceSize: 8 })), "SetNewPrevHash")
    const { id } = work.common.jobs.current!
    work.onMessages([futureTemplate(2), newPrevHash(2), template(3)], 2_000)
    assert.deepStrictEqual(read(share(id)), [
      "NewExtendedMiningJob",
      "SetNewPrevHash",
      "NewExtendedMiningJob",
      "SubmitShares.Error"
    ])
    assert.deepStrictEqual(send(), [])
  })

  it("opens a channel with the present jobs, and does not get them again", () => {
    const { read, send, work } = serving()
    work.onMessages([futureTemplate(2), newPrevHash(2)], 2_000)
    assert.deepStrictEqual(read(openExtended({ minExtranonceSize: 8 })), [
      "OpenExtendedMiningChannel.Success",
      "NewExtendedMiningJob",
      "SetNewPrevHash"
    ])
    assert.deepStrictEqual(send(), [])
    work.onMessages([template(3)], 3_000)
    assert.deepStrictEqual(send(), ["NewExtendedMiningJob"])
    assert.deepStrictEqual(send(), [])
  })
})
