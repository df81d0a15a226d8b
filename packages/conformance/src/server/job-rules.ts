/** Rules for a mining server: jobs and previous hashes (5.3.1, 5.3.15 to 5.3.17, 3.7). */
import { BlockDecodeError, isCoinbase, parseTransaction } from "@sluice/bitcoin"
import { Frame, Mining } from "@sluice/protocol"
import { Effect } from "effect"
import {
  isFor,
  type Job,
  nextJob,
  nextPrevHash,
  openChannel,
  openOn,
  setUpFor,
  type WorkingChannel
} from "./mining-session.ts"
import { type Rule, serverRule } from "../rule.ts"
import { expectThat, skipWhereRefused } from "./setup-session.ts"
import { RuleBroken, RuleSkipped } from "../verdict.ts"

const rule = serverRule("mining")

const KINDS = ["standard", "extended"] as const
const A = { standard: "a standard", extended: "an extended" } as const
const MAX_SCRIPT = 100

export const jobRules: ReadonlyArray<Rule> = [
  ...KINDS.map((kind) =>
    rule(
      `jobs.first-is-future-${kind}`,
      "5.3.15",
      `The first job of ${A[kind]} channel is a future job, and SetNewPrevHash for it follows`,
      (kit) =>
        Effect.gen(function* () {
          const { peer } = yield* setUpFor(kit, kind)
          const opened = yield* openOn(kit, peer, kind)
          while (true) {
            const first = yield* peer.expect(Mining.NewMiningJob, Mining.NewExtendedMiningJob, Mining.SetNewPrevHash)
            if (!isFor(opened, first)) continue
            if (first._tag === "SetNewPrevHash") return yield* expectThat(false, "a job first", "SetNewPrevHash")
            yield* expectThat(first.minNtime === undefined, "a job without min_ntime", `min_ntime ${first.minNtime}`)
            const { jobId } = yield* nextPrevHash(peer, opened)
            yield* expectThat(jobId === first.jobId, `SetNewPrevHash for job ${first.jobId}`, `one for job ${jobId}`)
            return
          }
        })
    )
  ),

  rule(
    "jobs.standard-only",
    "5.3.1",
    "A connection with REQUIRES_STANDARD_JOBS gets NewMiningJob for its channel, and no extended job",
    (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* setUpFor(kit, "standard", Mining.REQUIRES_STANDARD_JOBS)
        const opened = yield* openOn(kit, peer, "standard")
        const job = yield* nextJob(peer, opened)
        yield* expectThat(job._tag === "NewMiningJob", "NewMiningJob", job._tag)
        yield* expectThat(job.channelId === opened.channelId, `channel_id ${opened.channelId}`, `${job.channelId}`)
        yield* peer.expectNone(Mining.NewExtendedMiningJob, Mining.SetGroupChannel)
      })
  ),

  rule(
    "jobs.version-rolling",
    "5.3.1",
    "A connection with REQUIRES_VERSION_ROLLING gets only jobs that allow it",
    (kit) =>
      Effect.gen(function* () {
        const { job, serverFlags } = yield* openChannel(kit, "extended", Mining.REQUIRES_VERSION_ROLLING).pipe(
          skipWhereRefused("REQUIRES_VERSION_ROLLING")
        )
        const fixed = (serverFlags & Mining.REQUIRES_FIXED_VERSION) !== 0
        yield* expectThat(!fixed, "no REQUIRES_FIXED_VERSION in answer to REQUIRES_VERSION_ROLLING", "it is set")
        const { versionRollingAllowed } = yield* asExtended(job)
        yield* expectThat(versionRollingAllowed, "version_rolling_allowed", "a job that does not allow it")
      })
  ),

  rule(
    "jobs.fixed-version",
    "5.3.1",
    "A server with REQUIRES_FIXED_VERSION sends no job that allows version rolling",
    (kit) =>
      Effect.gen(function* () {
        const { job, serverFlags } = yield* openChannel(kit, "extended")
        if ((serverFlags & Mining.REQUIRES_FIXED_VERSION) === 0) {
          return yield* new RuleSkipped({ why: "the server lets versions be rolled" })
        }
        const { versionRollingAllowed } = yield* asExtended(job)
        yield* expectThat(!versionRollingAllowed, "version_rolling_allowed false", "true")
      })
  ),

  rule("jobs.kind", "5.3.15", "NewMiningJob is sent only to standard channels", (kit) =>
    Effect.gen(function* () {
      const { job, peer } = yield* openChannel(kit, "extended")
      yield* asExtended(job)
      yield* peer.expectNone(Mining.NewMiningJob)
    })
  ),

  rule("jobs.coinbase", "5.3.16", "Prefix, extranonce and suffix make a whole coinbase without BIP141 fields", (kit) =>
    Effect.gen(function* () {
      const coinbase = yield* coinbaseOf(yield* openChannel(kit, "extended"))
      const { inputs, witnesses } = coinbase.transaction
      yield* expectThat(witnesses.length === 0, "no marker, flag and witness", "a coinbase with them")
      yield* expectThat(isCoinbase(coinbase.transaction), "one input that spends nothing", `${inputs.length} inputs`)
    })
  ),

  rule("jobs.coinbase-script", "5.3.16", "The extranonce is in the coinbase's script, of at most 100 bytes", (kit) =>
    Effect.gen(function* () {
      const { bytes, extranonceAt, extranonceSize, transaction } = yield* coinbaseOf(
        yield* openChannel(kit, "extended")
      )
      const script = transaction.inputs[0]?.script ?? new Uint8Array(0)
      yield* expectThat(script.length <= MAX_SCRIPT, "at most 100 bytes of script", `${script.length}`)
      // Behind version, count, outpoint (36) and the script's length, of one byte.
      const scriptAt = 4 + 1 + 36 + 1
      const inside = extranonceAt >= scriptAt && extranonceAt + extranonceSize <= scriptAt + script.length
      yield* expectThat(
        inside,
        `an extranonce within bytes ${scriptAt} to ${scriptAt + script.length} of ${bytes.length}`,
        `at ${extranonceAt}`
      )
    })
  ),

  rule("frames.channel-bit", "3.2.1", "Messages for a channel have the channel bit, others do not", (kit) =>
    Effect.gen(function* () {
      const { peer } = yield* openChannel(kit, "extended")
      for (const frame of peer.seen) {
        const message = Mining.protocol.toClient.find(frame.extensionType, frame.messageType)
        if (message === undefined) continue
        const came = Frame.isChannelMessage(frame)
        yield* expectThat(
          came === message.channel,
          `${message.name} ${message.channel ? "with" : "without"} the bit`,
          `${came ? "with" : "without"} it`
        )
      }
    })
  ),

  {
    ...rule(
      "jobs.new-block",
      "5.3.17",
      "On a new block SetNewPrevHash names a future job that was sent before, with an id not in use",
      (kit) =>
        Effect.gen(function* () {
          const { newBlock } = kit
          if (newBlock === undefined) return yield* new RuleSkipped({ why: "there is no way to make a new block" })
          const { job: first, opened, peer, prevHash: firstPrevHash } = yield* openChannel(kit, "extended")
          yield* newBlock
          const jobs = new Map<number, Job>([[first.jobId, first]])
          while (true) {
            const next = yield* peer.expect(Mining.NewExtendedMiningJob, Mining.NewMiningJob, Mining.SetNewPrevHash)
            if (!isFor(opened, next)) continue
            if (next._tag !== "SetNewPrevHash") {
              yield* expectThat(!jobs.has(next.jobId), "a job id that is not in use", `${next.jobId}, which is`)
              jobs.set(next.jobId, next)
              continue
            }
            const named = jobs.get(next.jobId)
            const isFuture = named !== undefined && named !== first && named.minNtime === undefined
            yield* expectThat(isFuture, "SetNewPrevHash for a future job", `one for job ${next.jobId}`)
            const changed = Buffer.compare(next.prevHash, firstPrevHash.prevHash) !== 0
            yield* expectThat(changed, "another prev_hash", "the same")
            return
          }
        })
    ),
    alone: true
  }
]

const asExtended = (job: Job): Effect.Effect<Mining.NewExtendedMiningJob, RuleBroken> =>
  job._tag === "NewExtendedMiningJob"
    ? Effect.succeed(job)
    : Effect.fail(new RuleBroken({ expected: "NewExtendedMiningJob for an extended channel", came: job._tag }))

/** The coinbase transaction of the channel's job. */
const coinbaseOf = Effect.fnUntraced(function* ({ extranonceSize, job, opened }: WorkingChannel) {
  const { coinbaseTxPrefix, coinbaseTxSuffix } = yield* asExtended(job)
  const extranonce = new Uint8Array(extranonceSize).fill(0x2a)
  const parts = [coinbaseTxPrefix, opened.extranoncePrefix, extranonce, coinbaseTxSuffix]
  const bytes = new Uint8Array(Buffer.concat(parts))
  const transaction = yield* Effect.try({
    try: () => parseTransaction(bytes),
    catch: (error) => {
      if (!(error instanceof BlockDecodeError)) throw error
      return new RuleBroken({ expected: "the bytes of a transaction", came: error.message })
    }
  })
  const fullSize = opened.extranoncePrefix.length + extranonceSize
  return { bytes, transaction, extranonceAt: coinbaseTxPrefix.length, extranonceSize: fullSize }
})
