import { assert, it } from "@effect/vitest"
import { coinbaseTags } from "@sluice/bitcoin"
import { ExtranonceSpace, type Jobs, Server, templateOf } from "@sluice/channels"
import { TemplateDistribution } from "@sluice/protocol"
import { Work } from "../src/work.ts"
import { futureTemplate, newPrevHash, template } from "@sluice/testing/templates"

const policy = Server.defaultChannelPolicy
const payout = (script: number) => (reward: bigint) => [{ value: reward, script: Uint8Array.of(script) }]

const templateIdOf = ({ current }: Jobs): bigint | undefined => current && templateOf(current).templateId

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
    validator: new Server.ShareValidator(policy),
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
  work.onMessages([futureTemplate(1)], 1_000)
  work.onMessages([newPrevHash(1)], 1_000)
  work.onMessages([futureTemplate(2)], 2_000)
  work.onMessages([newPrevHash(2)], 60_000)
  work.onMessages([template(3)], 70_000)
  work.onMessages([futureTemplate(4)], 80_000)
  const payee = work.take("51", payout(1), policy)
  const { jobs } = payee.context
  assert.strictEqual(templateIdOf(jobs), 3n)
  assert.deepStrictEqual(
    Array.from(jobs.futureJobs(), (job) => templateOf(job).templateId),
    [4n]
  )
  assert.deepStrictEqual(jobs.prevHash, work.jobs.prevHash)
  assert.strictEqual(jobs.epoch, work.jobs.epoch)
  assert.notDeepEqual(jobs.current?.coinbaseSuffix, work.jobs.current?.coinbaseSuffix)
  const heard = work.newsEnd
  work.onMessages([newPrevHash(4), newPrevHash(99)], 90_000)
  const [announcement, ...more] = work.newsFor(payee, heard)
  assert.strictEqual(announcement?._tag === "NewPrevHash" && announcement.job, jobs.current)
  assert.deepStrictEqual(more, [])
  assert.strictEqual(jobs.epoch, work.jobs.epoch)
})

it("what is no news for the pool's own jobs is none for anybody", () => {
  const work = makeWork()
  const payee = work.take("51", payout(1), policy)
  const made = work.onMessages([newPrevHash(1), futureTemplate(2)], 1_000)
  assert.deepStrictEqual(
    made.map(({ _tag }) => _tag),
    ["Ignored", "FutureJob"]
  )
  assert.strictEqual(work.newsEnd, 1)
  assert.lengthOf(work.newsFor(payee, 0), 1)
})

it("the first of as many future templates as are kept is worked on, for the pool and for every address", () => {
  const work = makeWork()
  const { MAX_FUTURE_TEMPLATES } = TemplateDistribution
  const early = work.take("51", payout(1), policy)
  for (let id = 1; id <= MAX_FUTURE_TEMPLATES; id++) work.onMessages([futureTemplate(id)], id)
  const late = work.take("52", payout(2), policy)
  const [made] = work.onMessages([newPrevHash(1)], 1_000)
  assert.strictEqual(made?._tag, "NewPrevHash")
  for (const payee of [work.pool, early, late]) {
    assert.strictEqual(work.newsFor(payee, work.newsEnd - 1)[0]?._tag, "NewPrevHash")
    assert.strictEqual(templateIdOf(payee.context.jobs), 1n)
  }
})

it("an address hears the news once, whenever it listens, and comes into it with nothing left to hear", () => {
  const work = makeWork()
  const early = work.take("51", payout(1), policy)
  work.onMessages([futureTemplate(1), newPrevHash(1)], 1_000)
  const late = work.take("52", payout(2), policy)
  assert.deepStrictEqual(
    work.newsFor(early, 1).map(({ _tag }) => _tag),
    ["NewPrevHash"]
  )
  assert.strictEqual(templateIdOf(early.context.jobs), 1n)
  assert.isTrue(work.newsFor(late, 0).every(({ _tag }) => _tag === "Ignored"))
  assert.strictEqual(templateIdOf(late.context.jobs), 1n)
  // Who did not listen has its jobs all the same when the next news comes, or somebody else mines for it.
  const deaf = work.take("53", payout(3), policy)
  work.onMessages([futureTemplate(2)], 2_000)
  work.onMessages([newPrevHash(2)], 3_000)
  assert.strictEqual(work.take("53", payout(3), policy), deaf)
  assert.strictEqual(templateIdOf(deaf.context.jobs), 2n)
  assert.strictEqual(deaf.context.jobs.epoch, work.jobs.epoch)
  assert.deepStrictEqual(
    work.newsFor(late, work.newsEnd - 1).map(({ _tag }) => _tag),
    ["NewPrevHash"]
  )
})
