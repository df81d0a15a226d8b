import { assert, it } from "@effect/vitest"
import { coinbaseTags } from "@sluice/bitcoin"
import { ExtranonceSpace, type Jobs, templateOf } from "@sluice/channels"
import { TemplateDistribution } from "@sluice/protocol"
import { PayoutGroups } from "../src/templates/payout-groups.ts"
import { futureTemplate, newPrevHash, template } from "@sluice/testing/templates"

/** Solo mining of users whose name is the script in hex. */
const payouts = {
  outputs: (reward: bigint, miner: Uint8Array = Uint8Array.of(0)) => [{ value: reward, script: miner }],
  minerScript: (user: string) => (/^[0-9a-f]{2}$/.test(user) ? Uint8Array.from(Buffer.from(user, "hex")) : undefined)
}

const templateIdOf = ({ current }: Jobs): bigint | undefined => current && templateOf(current).templateId

const makeWork = () => {
  const space = new ExtranonceSpace()
  let id = 1000
  return new PayoutGroups({
    coinbase: {
      tags: coinbaseTags("x", ""),
      extranonceSize: space.fullSize,
      versionRollingAllowed: true
    },
    payouts,
    space,
    nextJobId: () => (id += 1000)
  })
}

it("keeps the jobs for a miner's address until the last connection that mines for it leaves", () => {
  const work = makeWork()
  const first = work.join("51")!
  assert.strictEqual(work.join("51")!, first)
  work.join("52")!
  assert.strictEqual(work.groupCount, 3)
  work.leave(first)
  assert.strictEqual(work.groupCount, 3)
  work.leave(first)
  assert.strictEqual(work.groupCount, 2)
  assert.notStrictEqual(work.join("51")!, first)
  // The common group always stays.
  work.leave(work.common)
  assert.strictEqual(work.groupCount, 3)
})

it("gives an address that joins late the jobs of the others with its own outputs, in the same epoch and time", () => {
  const work = makeWork()
  work.onMessages([futureTemplate(1)], 1_000)
  work.onMessages([newPrevHash(1)], 1_000)
  work.onMessages([futureTemplate(2)], 2_000)
  work.onMessages([newPrevHash(2)], 60_000)
  work.onMessages([template(3)], 70_000)
  work.onMessages([futureTemplate(4)], 80_000)
  const group = work.join("51")!
  const { jobs } = group
  assert.strictEqual(templateIdOf(jobs), 3n)
  assert.deepStrictEqual(
    Array.from(jobs.futureJobs(), (job) => templateOf(job).templateId),
    [4n]
  )
  assert.deepStrictEqual(jobs.prevHash, work.common.jobs.prevHash)
  assert.strictEqual(jobs.epoch, work.common.jobs.epoch)
  assert.notDeepEqual(jobs.current?.coinbaseSuffix, work.common.jobs.current?.coinbaseSuffix)
  const heard = work.changeCount
  work.onMessages([newPrevHash(4), newPrevHash(99)], 90_000)
  const [announcement, ...more] = work.changesSince(group, heard)
  assert.strictEqual(announcement?._tag === "NewPrevHash" && announcement.job, jobs.current)
  assert.deepStrictEqual(more, [])
  assert.strictEqual(jobs.epoch, work.common.jobs.epoch)
})

it("counts no change for a message that makes no job of the common group", () => {
  const work = makeWork()
  const group = work.join("51")!
  const made = work.onMessages([newPrevHash(1), futureTemplate(2)], 1_000)
  assert.deepStrictEqual(
    made.map(({ _tag }) => _tag),
    ["Ignored", "FutureJob"]
  )
  assert.strictEqual(work.changeCount, 1)
  assert.lengthOf(work.changesSince(group, 0), 1)
})

it("activates the oldest of all kept future templates, for the common group and for each address", () => {
  const work = makeWork()
  const { MAX_FUTURE_TEMPLATES } = TemplateDistribution
  const early = work.join("51")!
  for (let id = 1; id <= MAX_FUTURE_TEMPLATES; id++) work.onMessages([futureTemplate(id)], id)
  const late = work.join("52")!
  const [made] = work.onMessages([newPrevHash(1)], 1_000)
  assert.strictEqual(made?._tag, "NewPrevHash")
  for (const group of [work.common, early, late]) {
    assert.strictEqual(work.changesSince(group, work.changeCount - 1)[0]?._tag, "NewPrevHash")
    assert.strictEqual(templateIdOf(group.jobs), 1n)
  }
})

it("gives a group each change once, whenever it asks, and a new group no change of before", () => {
  const work = makeWork()
  const early = work.join("51")!
  work.onMessages([futureTemplate(1), newPrevHash(1)], 1_000)
  const late = work.join("52")!
  assert.deepStrictEqual(
    work.changesSince(early, 1).map(({ _tag }) => _tag),
    ["NewPrevHash"]
  )
  assert.strictEqual(templateIdOf(early.jobs), 1n)
  assert.isTrue(work.changesSince(late, 0).every(({ _tag }) => _tag === "Ignored"))
  assert.strictEqual(templateIdOf(late.jobs), 1n)
  // A group that did not ask for changes has its jobs all the same when the next batch comes, or another connection joins it.
  const deaf = work.join("53")!
  work.onMessages([futureTemplate(2)], 2_000)
  work.onMessages([newPrevHash(2)], 3_000)
  assert.strictEqual(work.join("53")!, deaf)
  assert.strictEqual(templateIdOf(deaf.jobs), 2n)
  assert.strictEqual(deaf.jobs.epoch, work.common.jobs.epoch)
  assert.deepStrictEqual(
    work.changesSince(late, work.changeCount - 1).map(({ _tag }) => _tag),
    ["NewPrevHash"]
  )
})
