/** Rules for a mining client, a device or a proxy: jobs, shares and targets (5.3.11 to 5.3.17, 5.3.21). */
import { Mining } from "@sluice/protocol"
import { Effect } from "effect"
import { type ClientKit, type ClientRule, clientRule, type Miner } from "../kit.ts"
import { harder } from "./mining-books.ts"
import {
  setUpMiner,
  workingMiner,
  channelOf,
  mineGroup,
  newBlock,
  newJob,
  nextShare,
  nextOpenRequest,
  sharesOf,
  sendNow,
  withGroups
} from "./mining-visit.ts"
import { observedIn } from "../observed.ts"
import { RuleBroken, RuleSkipped } from "../../verdict.ts"

const rule = clientRule("mining")
const observed = observedIn("mining")

const NO_CHANNEL = "the client requested no channel"
const NO_SHARE = "no share came"
/** Divides the target by 8. Shares for the old target do not meet it five times by chance. */
const HARDER_BITS = 3
const SEVERAL = 5
/** Enough shares that a valid one is among them. */
const MANY = 100

export const clientJobRules: ReadonlyArray<ClientRule> = [
  rule(
    "client-jobs.started",
    "5.3.17",
    "The client submits shares of the first job once SetNewPrevHash has named it",
    (kit) =>
      Effect.gen(function* () {
        const miner = yield* setUpMiner(kit)
        yield* Effect.mapError(nextOpenRequest(miner), () => new RuleSkipped({ why: NO_CHANNEL }))
        const { channelId, jobId } = yield* nextShare(kit, miner)
        const job = miner.books.channels.get(channelId)?.jobs.get(jobId)
        const came = `one of job ${jobId} on channel ${channelId}`
        if (job === undefined) return yield* new RuleBroken({ expected: "a share of a job that was sent", came })
        if (job.breach !== undefined) return yield* new RuleBroken(job.breach)
        // The rules after this one use the client.
        kit.state.miner = miner
      })
  ),
  rule("client-jobs.active", "5.3.15", "The client mines a job with min_ntime at once", (kit) =>
    Effect.gen(function* () {
      const miner = yield* workingMiner(kit)
      const { channel, jobId } = yield* newJob(miner)
      yield* sharesOf(kit, miner, channel.id, jobId)
    })
  ),
  rule("client-jobs.future", "5.1.3", "The client does not mine a future job before SetNewPrevHash names it", (kit) =>
    Effect.gen(function* () {
      const miner = yield* workingMiner(kit)
      const channel = yield* channelOf(miner)
      yield* sendNow(miner, (now) => [miner.books.job(channel.id, { future: true }, now).frame])
      // Gives a client time to begin with the job, if it does so wrongly.
      yield* Effect.sleep(kit.quietMs)
      for (let shares = 0; shares < 2 * SEVERAL; shares++) yield* nextShare(kit, miner)
    })
  ),
  rule(
    "client-jobs.named",
    "5.3.17",
    "The client mines the future job that SetNewPrevHash names, and no other",
    (kit) =>
      Effect.gen(function* () {
        const miner = yield* workingMiner(kit)
        const { books } = miner
        const channel = yield* channelOf(miner)
        let jobId = 0
        yield* sendNow(miner, (now) => {
          const jobs = [1, 2, 3].map(() => books.job(channel.id, { future: true }, now))
          jobId = jobs[1]!.jobId
          return [jobs[0]!.frame, jobs[1]!.frame, jobs[2]!.frame, books.newPrevHash(channel.id, jobId, now)]
        })
        yield* sharesOf(kit, miner, channel.id, jobId, SEVERAL)
      })
  ),
  rule("client-jobs.stale", "5.3.17", "After SetNewPrevHash the client submits no share of an earlier job", (kit) =>
    Effect.gen(function* () {
      const miner = yield* workingMiner(kit)
      const { channelId, jobId } = yield* newBlock(miner)
      yield* sharesOf(kit, miner, channelId, jobId, SEVERAL)
      const next = yield* newJob(miner)
      yield* sharesOf(kit, miner, next.channel.id, next.jobId)
    })
  ),
  rule("client-jobs.group", "5.3.16", "The client mines a job for a group on all channels of the group", (kit) =>
    Effect.gen(function* () {
      const miner = yield* withGroups(kit)
      const { groupId } = yield* channelOf(miner)
      yield* mineGroup(kit, miner, groupId)
    })
  ),
  rule(
    "client-shares.version-fixed",
    "5.3.16",
    "The client does not change the version if a job does not allow version rolling",
    (kit) =>
      Effect.gen(function* () {
        const miner = yield* workingMiner(kit)
        if ((miner.setup.flags & Mining.REQUIRES_VERSION_ROLLING) !== 0) {
          return yield* new RuleSkipped({ why: "the client requires version rolling" })
        }
        if ((yield* channelOf(miner)).kind === "standard") return yield* fixedVersion(kit)
        const { channel, jobId } = yield* newJob(miner, { versionRolling: false })
        yield* sharesOf(kit, miner, channel.id, jobId, 2 * SEVERAL)
      })
  ),
  observed("client-shares.channel", "5.3.11", "Shares are for open channels", NO_SHARE),
  observed(
    "client-shares.kind",
    "5.3.12",
    "The client submits the kind of share that belongs to the channel",
    NO_SHARE
  ),
  observed(
    "client-shares.sequence",
    "5.3.11",
    "Sequence numbers increase on a channel",
    "no two shares came on a channel"
  ),
  observed("client-shares.job", "5.3.11", "Shares are for jobs that were sent on their channel", NO_SHARE),
  observed(
    "client-shares.extranonce",
    "5.3.12",
    "The extranonce has exactly the agreed size",
    "no extended share came"
  ),
  observed("client-shares.version-bits", "5.3.16", "The client rolls only the version bits of BIP323", NO_SHARE),
  observed("client-shares.ntime-early", "5.3.11", "No share has an ntime before min_ntime", NO_SHARE),
  observed("client-shares.ntime-late", "5.3.11", "ntime grows no faster than time passes", NO_SHARE),
  observed("client-shares.target", "5.3.21", "The hash of a share meets its job's target", NO_SHARE),
  observed("client-shares.once", "5.3.11", "No solution is submitted twice", NO_SHARE),
  rule("client-shares.after-error", "5.3.14", "After SubmitShares.Error the client submits other shares", (kit) =>
    Effect.gen(function* () {
      const miner = yield* workingMiner(kit)
      miner.books.refuseNext = 1
      for (let shares = 0; shares < MANY && miner.books.refuseNext > 0; shares++) yield* nextShare(kit, miner)
      // A client that mines this job has read the error, which was sent before it.
      const { channel, jobId } = yield* newJob(miner)
      yield* sharesOf(kit, miner, channel.id, jobId)
    })
  ),
  rule(
    "client-frames.trailing-bytes",
    "3.4.3",
    "The client accepts a message with bytes behind the fields that it knows",
    (kit) =>
      Effect.gen(function* () {
        const miner = yield* workingMiner(kit)
        const { channel, jobId } = yield* newJob(miner, { trailing: 7 })
        yield* sharesOf(kit, miner, channel.id, jobId)
      })
  ),
  rule("client-target.later-jobs", "5.3.21", "SetTarget applies to the jobs after it", (kit) =>
    Effect.gen(function* () {
      const miner = yield* workingMiner(kit)
      const channel = yield* channelOf(miner)
      yield* withTarget(miner, channel.id, newJob(miner), (given) =>
        sharesOf(kit, miner, given.channel.id, given.jobId, SEVERAL)
      )
    })
  ),
  rule("client-target.future-jobs", "5.3.21", "SetTarget applies to future jobs that were sent before it", (kit) =>
    Effect.gen(function* () {
      const miner = yield* workingMiner(kit)
      const { books } = miner
      const channel = yield* channelOf(miner)
      let jobId = 0
      yield* sendNow(miner, (now) => {
        const future = books.job(channel.id, { future: true }, now)
        jobId = future.jobId
        return [future.frame]
      })
      yield* withTarget(
        miner,
        channel.id,
        sendNow(miner, (now) => [books.newPrevHash(channel.id, jobId, now)]),
        () => sharesOf(kit, miner, channel.id, jobId, SEVERAL)
      )
    })
  ),
  rule("client-target.group", "5.3.21", "SetTarget for a group applies to all channels of the group", (kit) =>
    Effect.gen(function* () {
      const miner = yield* withGroups(kit)
      const { groupId } = yield* channelOf(miner)
      yield* withTarget(miner, groupId, newJob(miner), (given) =>
        sharesOf(kit, miner, given.channel.id, given.jobId, SEVERAL)
      )
    })
  )
]

/** Makes the target harder, sends work, checks its shares, and restores the target. */
const withTarget = <A, E1, E2>(
  miner: Miner,
  address: number,
  give: Effect.Effect<A, E1>,
  look: (given: A) => Effect.Effect<void, E2>
) =>
  Effect.gen(function* () {
    const { books, peer } = miner
    const { target } = yield* channelOf(miner)
    yield* peer.send(books.setTarget(address, harder(target, HARDER_BITS)))
    yield* look(yield* give)
    yield* peer.send(books.setTarget(address, target))
    yield* newJob(miner)
  })

/** Checks a standard channel, whose jobs cannot forbid version rolling: the server sets REQUIRES_FIXED_VERSION instead. */
const fixedVersion = Effect.fnUntraced(function* (kit: ClientKit) {
  const miner = yield* setUpMiner(kit, Mining.REQUIRES_FIXED_VERSION)
  yield* nextOpenRequest(miner)
  const channel = yield* channelOf(miner)
  const { jobId } = yield* newJob(miner)
  yield* sharesOf(kit, miner, channel.id, jobId, 2 * SEVERAL)
  yield* kit.end
})
