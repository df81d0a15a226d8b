import { assert, it } from "@effect/vitest"
import { coinbaseTags } from "@sluice/bitcoin"
import { ExtranonceSpace, Server } from "@sluice/channels"
import { Work } from "../src/work.ts"
import { futureTemplate, newPrevHash, template } from "./templates.ts"

const policy = Server.defaultChannelPolicy
const payout = (script: number) => (reward: bigint) => [{ value: reward, script: Uint8Array.of(script) }]

const makeWork = () => {
  const space = new ExtranonceSpace()
  let id = 1000
  return new Work({
    coinbase: {
      tags: coinbaseTags("x", ""),
      extranonceSize: space.fullSize,
      payout: payout(0),
      versionRollingAllowed: true
    },
    space,
    judge: new Server.ShareJudge(policy),
    policy,
    nextJobId: () => (id += 1000)
  })
}

it("jobs for a miner's address are kept while a connection mines for it, and no longer", () => {
  const work = makeWork()
  const first = work.take("51", payout(1), policy)
  assert.strictEqual(work.take("51", payout(1), policy), first)
  work.take("52", payout(2), policy)
  assert.strictEqual(work.payees, 3)
  work.release(first)
  assert.strictEqual(work.payees, 3)
  work.release(first)
  assert.strictEqual(work.payees, 2)
  assert.notStrictEqual(work.take("51", payout(1), policy), first)
  // The pool's own stay, whoever leaves.
  work.release(work.pool)
  assert.strictEqual(work.jobs, work.pool.context.jobs)
})

it("jobs for an address that comes late are those of the others but for their outputs, in the same epoch and time", () => {
  const work = makeWork()
  work.onMessage(futureTemplate(1), 1_000)
  work.onMessage(newPrevHash(1), 1_000)
  work.onMessage(futureTemplate(2), 2_000)
  work.onMessage(newPrevHash(2), 60_000)
  work.onMessage(template(3), 70_000)
  work.onMessage(futureTemplate(4), 80_000)
  const { jobs } = work.take("51", payout(1), policy).context
  assert.strictEqual(jobs.current?.templateId, 3n)
  assert.deepStrictEqual(
    Array.from(jobs.futureJobs(), ({ templateId }) => templateId),
    [4n]
  )
  assert.deepStrictEqual(jobs.prevHash, work.jobs.prevHash)
  assert.strictEqual(jobs.epoch, work.jobs.epoch)
  assert.notDeepEqual(jobs.current?.coinbaseSuffix, work.jobs.current?.coinbaseSuffix)
  const announcements = work.onMessage(newPrevHash(4), 90_000)
  assert.strictEqual(announcements instanceof Map && announcements.size, 2)
  assert.strictEqual(jobs.epoch, work.jobs.epoch)
  assert.deepInclude(work.onMessage(newPrevHash(99), 91_000), { _tag: "Ignored" })
})
