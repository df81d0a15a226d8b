import { assert, describe, it } from "@effect/vitest"
import type { Mining } from "@sluice/protocol"
import { Effect, Schema } from "effect"
import { Crowd } from "../src/crowd.ts"
import { SwarmReport } from "../src/index.ts"
import { Member } from "../src/member.ts"
import { planOf } from "../src/options.ts"
import { SERVER } from "./world.ts"

const bytes = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

const opened: Mining.ToClient = {
  _tag: "OpenStandardMiningChannel.Success",
  requestId: 1,
  channelId: 7,
  target: bytes(0xff),
  extranoncePrefix: bytes(1).subarray(0, 8),
  groupChannelId: 0
}

const work: ReadonlyArray<Mining.ToClient> = [
  { _tag: "NewMiningJob", channelId: 7, jobId: 1, minNtime: undefined, version: 0x20000000, merkleRoot: bytes(2) },
  { _tag: "SetNewPrevHash", channelId: 7, jobId: 1, prevHash: bytes(3), minNtime: 1_700_000_000, nbits: 0x1d00ffff }
]

const refused = (errorCode: string): Mining.ToClient => ({ _tag: "OpenMiningChannel.Error", requestId: 1, errorCode })

const crowdOf = (connections: number): Crowd =>
  new Crowd(planOf({ server: SERVER, connections, sharesPerMinute: 0 }), 0, () => 0.5)

const reportOf = ({ plan, tally }: Crowd): SwarmReport =>
  tally.report(plan, 0, 1000, { cpuSeconds: 0, rssBytes: 0, eventLoopDelay: { p50: 0, p99: 0, max: 0 } })

describe("members of a crowd", () => {
  it("count as all working when all have work at the same time, however often some reconnected", () => {
    const crowd = crowdOf(2)
    const connect = (now: number): Member => {
      const member = new Member(1, 0, false, crowd)
      member.receive([opened, ...work], now)
      return member
    }
    const first = connect(1000)
    first.close()
    const again = connect(2000)
    assert.strictEqual(reportOf(crowd).channels.working, 1)
    assert.strictEqual(reportOf(crowd).connections.allWorkingAfterSeconds, 0)
    connect(3000)
    assert.strictEqual(reportOf(crowd).connections.allWorkingAfterSeconds, 3)
    again.close()
    connect(4000)
    assert.strictEqual(reportOf(crowd).connections.allWorkingAfterSeconds, 3)
  })

  it.effect("count a server's error codes by any name, and only up to a limit", () =>
    Effect.gen(function* () {
      const crowd = crowdOf(1)
      const codes = ["constructor", "constructor", "toString", "__proto__", "unknown-user"]
      for (let i = 0; i < 1000; i++) codes.push(`code-${i}`)
      for (const code of codes) new Member(1, 0, false, crowd).receive([refused(code)], 0)
      const encoded = yield* Schema.encodeEffect(SwarmReport)(reportOf(crowd))
      const counts = (JSON.parse(JSON.stringify(encoded)) as SwarmReport).channels.refused
      assert.deepInclude(counts, { constructor: 2, toString: 1, "unknown-user": 1 })
      assert.isAtMost(Object.keys(counts).length, 65)
      assert.strictEqual(
        Object.values(counts).reduce((all, one) => all + one, 0),
        codes.length
      )
    })
  )
})
