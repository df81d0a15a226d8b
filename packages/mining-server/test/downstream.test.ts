import { assert, describe, it } from "@effect/vitest"
import { coinbaseTags } from "@sluice/bitcoin"
import { defaultChannelPolicy, ExtranonceSpace, ShareValidator } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { Effect } from "effect"
import { Downstream } from "../src/connections/downstream.ts"
import { Recording, ShareSinkError } from "../src/index.ts"
import { ShownUsers } from "../src/connections/shown-users.ts"
import { defaultTrafficLimits } from "../src/connections/traffic.ts"
import { PayoutGroups } from "../src/templates/payout-groups.ts"
import { bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { acceptedShare } from "@sluice/testing/accepted-share"
import { openExtended } from "@sluice/testing/pool-client"

const policy = defaultChannelPolicy

/** A pool's work with a first job, and a downstream whose frames are kept. */
const serving = () => {
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
      send: (messages) =>
        Effect.sync(() => {
          for (const { _tag } of messages) sent.push(_tag)
        })
    } as ConstructorParameters<typeof Downstream>[0],
    {
      id: 1,
      acknowledgements: { after: 10, withinMs: 0 },
      onWaiting: () => {},
      work,
      contextFor: ({ jobs }) => ({ jobs, space, validator, policy, shown: new ShownUsers().of("peer") }),
      onBatch: () => undefined,
      onEvents: () => {},
      takesPrefixes: true,
      now: () => 1_000,
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
  const send = () => {
    downstream.send()
    return sent.splice(0)
  }
  return { work, downstream, read, send }
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
