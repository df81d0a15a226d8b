import { assert, describe, it } from "@effect/vitest"
import { coinbaseTags } from "@sluice/bitcoin"
import { defaultChannelPolicy, ExtranonceSpace, ShareValidator } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { Effect } from "effect"
import { Session } from "../src/connections/session.ts"
import { ShownUsers } from "../src/connections/shown-users.ts"
import { defaultTrafficLimits } from "../src/connections/traffic.ts"
import { PayoutGroups } from "../src/templates/payout-groups.ts"
import { bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { openExtended } from "@sluice/testing/pool-client"

const policy = defaultChannelPolicy

/** A pool's work with a first job, and a session whose frames are kept. */
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
  const session = new Session(
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
    } as ConstructorParameters<typeof Session>[0],
    {
      id: 1,
      work,
      contextFor: ({ jobs }) => ({ jobs, space, validator, policy, shown: new ShownUsers().of("peer") }),
      onEvents: () => {},
      now: 1_000,
      maxPendingBytes: 1_000_000,
      limits: defaultTrafficLimits,
      interrupt: () => assert.fail("the session is ended"),
      start: (write) => Effect.runSync(write)
    }
  )
  /** A read of the socket. */
  const read = (message: Mining.ToServer) => {
    session.run((machine, out) => machine.receive([message], 2_000, out))
    session.reply(session.takeReplies(), 2_000)
    Effect.runSync(session.outgoing.drain)
    return sent.splice(0)
  }
  const send = () => {
    session.send()
    return sent.splice(0)
  }
  return { work, session, read, send }
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

describe("a connection that speaks before it was told the news", () => {
  it("hears it before the answer, once, and so knows why its share is stale", () => {
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

  it("opens a channel with the jobs of now, and is not told of them again", () => {
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
