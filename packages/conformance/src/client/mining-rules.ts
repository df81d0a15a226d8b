/** Rules for a mining client, a device or a proxy: channels, jobs, shares, redirection (3.6.5, 5.3). */
import { Common, Mining } from "@sluice/protocol"
import { Clock, Effect } from "effect"
import { RuleBroken, RuleSkipped } from "../rule.ts"
import type { ClientKit, ClientRule, Miner, Visitor } from "./kit.ts"
import { harder } from "./mining-books.ts"
import { observed as observedIn } from "./observed.ts"
import {
  admitMiner,
  answer,
  atWork,
  greeted,
  newJob,
  nextShare,
  opens,
  refuses,
  setupSuccess,
  sharesOf,
  tell
} from "./visit.ts"

const rule = (id: string, section: string, title: string, check: ClientRule["check"]): ClientRule => ({
  id,
  section,
  title,
  side: "client",
  protocol: "mining",
  check
})

const observed = (id: string, section: string, title: string, never: string): ClientRule =>
  observedIn(id, section, "mining", title, never)

const NO_CHANNEL = "no channel was asked for"
const NO_EXTENDED = "no extended channel was asked for"
const NO_SHARE = "no share came"
const NO_UPDATE = "no UpdateChannel came"
const NO_CLOSE = "no CloseChannel came"
/** A target of an eighth: nobody meets it five times by chance. */
const HARDER_BITS = 3
const SEVERAL = 5

export const clientMiningRules: ReadonlyArray<ClientRule> = [
  rule("client-open.channel", "5.3.2", "After SetupConnection.Success the client opens a channel", (kit) =>
    Effect.gen(function* () {
      const miner = yield* admitMiner(kit)
      yield* opens(miner)
      // For the next rule.
      kit.state.miner = miner
    })
  ),
  rule("client-jobs.started", "5.3.17", "Shares come of the first job, once SetNewPrevHash has named it", (kit) =>
    Effect.gen(function* () {
      const miner = kit.state.miner ?? (yield* atWork(kit))
      if (miner.books.open.length === 0) return yield* new RuleSkipped({ why: NO_CHANNEL })
      const share = yield* Effect.tapError(nextShare(kit, miner), () => kit.end)
      const breach = miner.books.channels.get(share.channelId)?.jobs.get(share.jobId)?.breach
      if (breach !== undefined) return yield* new RuleBroken(breach)
    })
  ),
  observed("client-open.request-id", "5.3.2", "Each request to open a channel has an id of its own", NO_CHANNEL),
  observed("client-open.hash-rate", "5.3.2", "nominal_hash_rate is a number from 0 on", NO_CHANNEL),
  observed("client-open.max-target", "5.3.2", "max_target is one that a hash can meet", NO_CHANNEL),
  observed("client-open.extranonce-size", "5.3.4", "min_extranonce_size is at most 32", NO_EXTENDED),
  observed("client-open.kind", "5.3.1", "With REQUIRES_STANDARD_JOBS no extended channel is asked for", NO_EXTENDED),

  rule("client-jobs.active", "5.3.15", "A job with min_ntime is mined at once", (kit) =>
    Effect.gen(function* () {
      const miner = yield* atWork(kit)
      const { channel, jobId } = yield* newJob(miner)
      yield* sharesOf(kit, miner, channel.id, jobId)
    })
  ),
  rule("client-jobs.future", "5.1.3", "A future job is not mined before SetNewPrevHash names it", (kit) =>
    Effect.gen(function* () {
      const miner = yield* atWork(kit)
      const [channel] = miner.books.open
      yield* tell(miner, (now) => [miner.books.job(channel!.id, { future: true }, now).frame])
      // Time for a client that begins with it.
      yield* Effect.sleep(kit.quietMs)
      for (let shares = 0; shares < 2 * SEVERAL; shares++) yield* nextShare(kit, miner)
    })
  ),
  rule("client-jobs.named", "5.3.17", "Of several future jobs the one is mined that SetNewPrevHash names", (kit) =>
    Effect.gen(function* () {
      const miner = yield* atWork(kit)
      const { books } = miner
      const [channel] = books.open
      let jobId = 0
      yield* tell(miner, (now) => {
        const jobs = [1, 2, 3].map(() => books.job(channel!.id, { future: true }, now))
        jobId = jobs[1]!.jobId
        return [jobs[0]!.frame, jobs[1]!.frame, jobs[2]!.frame, books.newPrevHash(channel!.id, jobId, now)]
      })
      yield* sharesOf(kit, miner, channel!.id, jobId, SEVERAL)
    })
  ),
  rule("client-jobs.stale", "5.3.17", "After SetNewPrevHash no share comes of a job before it", (kit) =>
    Effect.gen(function* () {
      const miner = yield* atWork(kit)
      const { channelId, jobId } = yield* newBlock(miner)
      yield* sharesOf(kit, miner, channelId, jobId, SEVERAL)
      const next = yield* newJob(miner)
      yield* sharesOf(kit, miner, next.channel.id, next.jobId)
    })
  ),
  rule("client-jobs.group", "5.3.16", "A job for a group is mined on all of its channels", (kit) =>
    Effect.gen(function* () {
      const miner = yield* withGroups(kit)
      yield* mineGroup(kit, miner, miner.books.groupId)
    })
  ),
  rule("client-shares.version-fixed", "5.3.16", "Where version rolling is not allowed, the version stays", (kit) =>
    Effect.gen(function* () {
      const miner = yield* atWork(kit)
      if ((miner.setup.flags & Mining.REQUIRES_VERSION_ROLLING) !== 0) {
        return yield* new RuleSkipped({ why: "the client requires version rolling" })
      }
      if (miner.books.open[0]?.kind === "standard") return yield* fixedVersion(kit)
      const { channel, jobId } = yield* newJob(miner, { versionRolling: false })
      yield* sharesOf(kit, miner, channel.id, jobId, 2 * SEVERAL)
    })
  ),
  observed("client-shares.channel", "5.3.11", "Shares are of channels that are open", NO_SHARE),
  observed("client-shares.kind", "5.3.12", "Each kind of channel has its kind of share", NO_SHARE),
  observed("client-shares.sequence", "5.3.11", "Sequence numbers increase on a channel", NO_SHARE),
  observed("client-shares.job", "5.3.11", "Shares are of jobs that were sent on their channel", NO_SHARE),
  observed(
    "client-shares.extranonce",
    "5.3.12",
    "The extranonce has exactly the size agreed on",
    "no extended share came"
  ),
  observed("client-shares.version-bits", "5.3.16", "Only version bits of BIP323 are rolled", NO_SHARE),
  observed("client-shares.ntime-early", "5.3.11", "No share has an ntime before min_ntime", NO_SHARE),
  observed("client-shares.ntime-late", "5.3.11", "ntime goes no further than time has passed", NO_SHARE),
  observed("client-shares.target", "5.3.21", "The hash of a share meets its job's target", NO_SHARE),
  observed("client-shares.once", "5.3.11", "No solution is submitted twice", NO_SHARE),

  rule("client-shares.after-error", "5.3.14", "After SubmitShares.Error the client goes on with others", (kit) =>
    Effect.gen(function* () {
      const miner = yield* atWork(kit)
      miner.books.refuseNext = 1
      const { channel, jobId } = yield* newJob(miner)
      yield* sharesOf(kit, miner, channel.id, jobId, SEVERAL)
    })
  ),
  rule(
    "client-frames.trailing-bytes",
    "3.4.3",
    "Bytes behind the fields that it knows do not make a message bad",
    (kit) =>
      Effect.gen(function* () {
        const miner = yield* atWork(kit)
        const { channel, jobId } = yield* newJob(miner, { trailing: 7 })
        yield* sharesOf(kit, miner, channel.id, jobId)
      })
  ),
  rule("client-channels.endpoint-changed", "3.6.4", "ChannelEndpointChanged does not disturb the work", (kit) =>
    Effect.gen(function* () {
      const miner = yield* atWork(kit)
      const [first] = miner.books.open
      const { ChannelEndpointChanged } = Common
      yield* miner.peer.send(ChannelEndpointChanged.codec.encode(ChannelEndpointChanged.make({ channelId: first!.id })))
      const { channel, jobId } = yield* newJob(miner)
      yield* sharesOf(kit, miner, channel.id, jobId)
    })
  ),

  rule("client-target.later-jobs", "5.3.21", "SetTarget holds for the jobs behind it", (kit) =>
    Effect.gen(function* () {
      const miner = yield* atWork(kit)
      const [channel] = miner.books.open
      yield* withTarget(miner, channel!.id, newJob(miner), (given) =>
        sharesOf(kit, miner, given.channel.id, given.jobId, SEVERAL)
      )
    })
  ),
  rule("client-target.future-jobs", "5.3.21", "SetTarget holds for future jobs that were sent before it", (kit) =>
    Effect.gen(function* () {
      const miner = yield* atWork(kit)
      const { books } = miner
      const [channel] = books.open
      let jobId = 0
      yield* tell(miner, (now) => {
        const future = books.job(channel!.id, { future: true }, now)
        jobId = future.jobId
        return [future.frame]
      })
      yield* withTarget(
        miner,
        channel!.id,
        tell(miner, (now) => [books.newPrevHash(channel!.id, jobId, now)]),
        () => sharesOf(kit, miner, channel!.id, jobId, SEVERAL)
      )
    })
  ),
  rule("client-target.group", "5.3.21", "SetTarget for a group holds for all of its channels", (kit) =>
    Effect.gen(function* () {
      const miner = yield* withGroups(kit)
      yield* withTarget(miner, miner.books.open[0]!.groupId, newJob(miner), (given) =>
        sharesOf(kit, miner, given.channel.id, given.jobId, SEVERAL)
      )
    })
  ),

  rule("client-prefix.later-jobs", "5.3.10", "SetExtranoncePrefix holds for the jobs behind it", (kit) =>
    Effect.gen(function* () {
      const { address, miner } = yield* withExtendedJobs(kit)
      const { books } = miner
      const [channel] = books.open
      let jobId = 0
      yield* tell(miner, (now) => {
        const prefix = books.setPrefix(channel!)
        const job = books.job(address, {}, now)
        jobId = job.jobId
        return [prefix, job.frame]
      })
      yield* sharesOf(kit, miner, channel!.id, jobId, SEVERAL)
    })
  ),
  rule("client-prefix.earlier-jobs", "5.3.10", "SetExtranoncePrefix does not touch the jobs before it", (kit) =>
    Effect.gen(function* () {
      const { address, miner } = yield* withExtendedJobs(kit)
      const { books } = miner
      const [channel] = books.open
      let jobId = 0
      yield* tell(miner, (now) => {
        const job = books.job(address, { future: true }, now)
        jobId = job.jobId
        return [job.frame, books.setPrefix(channel!), books.newPrevHash(address, jobId, now)]
      })
      yield* sharesOf(kit, miner, channel!.id, jobId, SEVERAL)
    })
  ),

  rule("client-groups.changed", "5.3.22", "After SetGroupChannel the jobs of the new group are mined", (kit) =>
    Effect.gen(function* () {
      const miner = yield* withGroups(kit)
      const group = miner.books.groupId + 1
      yield* miner.peer.send(miner.books.setGroup(group))
      yield* mineGroup(kit, miner, group)
    })
  ),

  observed("client-update.hash-rate", "5.3.7", "UpdateChannel has a hash rate from 0 on", NO_UPDATE),
  observed("client-update.channel", "5.3.7", "UpdateChannel is for channels that are open", NO_UPDATE),
  observed("client-close.channel", "5.3.9", "CloseChannel is for channels and groups that are open", NO_CLOSE),
  observed("client-close.reason", "5.3.9", "The reason_code has no control characters", NO_CLOSE),

  rule("client-close.stops", "5.3.9", "After CloseChannel from the server its shares come to an end", (kit) =>
    Effect.gen(function* () {
      const miner = yield* atWork(kit)
      const { books, peer } = miner
      const closed = books.open.map((channel) => ({ channelId: channel.id, frame: books.close(channel) }))
      const [first, ...rest] = closed.map(({ frame }) => frame)
      yield* peer.send(first!, ...rest)
      const until = (yield* Clock.currentTimeMillis) + kit.answerMs
      // Some may be on their way. It may open other channels, or go.
      while ((yield* Clock.currentTimeMillis) < until) {
        const share = yield* peer.maybe(Mining.SubmitSharesStandard, Mining.SubmitSharesExtended)
        if (share === undefined || closed.every(({ channelId }) => channelId !== share.channelId)) {
          return yield* kit.end
        }
      }
      const expected = `no shares of channel ${closed[0]!.channelId} any more within ${kit.answerMs / 1000} s`
      return yield* new RuleBroken({ expected, came: "shares all the time" })
    })
  ),

  rule("client-open.error", "5.3.6", "After OpenMiningChannel.Error, of whatever code, nothing is submitted", (kit) =>
    Effect.gen(function* () {
      const visitor = yield* greeted(kit)
      yield* refuseToOpen(visitor)
      yield* visitor.peer.expect(Mining.OpenStandardMiningChannel, Mining.OpenExtendedMiningChannel)
      yield* visitor.peer.expectNone(Mining.SubmitSharesStandard, Mining.SubmitSharesExtended)
    })
  ),

  rule(
    "client-setup.extended-only",
    "5.3.1",
    "Where the server has REQUIRES_EXTENDED_CHANNELS, no standard channel is asked for",
    (kit) =>
      Effect.gen(function* () {
        const visitor = yield* greeted(kit)
        yield* answer(visitor, setupSuccess(Mining.REQUIRES_EXTENDED_CHANNELS))
        yield* visitor.peer.expectNone(Mining.OpenStandardMiningChannel)
      })
  ),

  rule("client-reconnect.same", "3.6.5", "Reconnect without host and port leads to the same server again", (kit) =>
    Effect.gen(function* () {
      const { peer } = yield* atWork(kit)
      yield* peer.send(reconnect("", 0))
      yield* comesAgain(kit, "here")
      yield* peer.expectEnd
    })
  ),
  rule("client-reconnect.elsewhere", "3.6.5", "Reconnect leads to the host and port that it names", (kit) =>
    Effect.gen(function* () {
      yield* sendElsewhere(kit)
      const { peer } = yield* kit.accept({ at: "elsewhere" })
      yield* peer.expect(Common.SetupConnection)
    })
  ),
  rule(
    "client-reconnect.authority",
    "3.6.5",
    "The server that Reconnect names is not trusted with a certificate of another authority",
    (kit) =>
      Effect.gen(function* () {
        if (!kit.encrypted) return yield* new RuleSkipped({ why: "the client is served without Noise" })
        yield* sendElsewhere(kit)
        yield* refuses(kit, { at: "elsewhere", forgery: "authority" })
      })
  )
]

/** A new previous hash on all channels; the first channel's, with its job. */
const newBlock = Effect.fnUntraced(function* (miner: Miner) {
  const { books, peer } = miner
  const now = yield* Clock.currentTimeMillis
  const given = books.open.map(({ id: channelId }) => {
    const { frame, jobId } = books.job(channelId, { future: true }, now)
    return { channelId, jobId, frames: [frame, books.newPrevHash(channelId, jobId, now)] }
  })
  const [frame, ...rest] = given.flatMap(({ frames }) => frames)
  yield* peer.send(frame!, ...rest)
  return given[0]!
})

/** Skips for a client that can have no groups (5.3.22). */
const withGroups = Effect.fnUntraced(function* (kit: ClientKit) {
  const miner = yield* atWork(kit)
  if (!miner.books.requiresStandardJobs) return miner
  return yield* new RuleSkipped({ why: "the client has REQUIRES_STANDARD_JOBS, and with it no groups" })
})

/** Jobs of which the client makes the merkle root itself: an extended channel's, or a group's. */
const withExtendedJobs = Effect.fnUntraced(function* (kit: ClientKit) {
  const miner = yield* atWork(kit)
  const channel = miner.books.open[0]!
  if (channel.kind === "extended") return { miner, address: channel.id }
  if (!miner.books.requiresStandardJobs) return { miner, address: channel.groupId }
  return yield* new RuleSkipped({ why: "the client's jobs come with their merkle root (REQUIRES_STANDARD_JOBS)" })
})

/** A job for the group, and shares of it from each of its channels. */
const mineGroup = Effect.fnUntraced(function* (kit: ClientKit, miner: Miner, group: number) {
  const { books, peer } = miner
  const now = yield* Clock.currentTimeMillis
  const { frame, jobId } = books.job(group, {}, now)
  yield* peer.send(frame)
  for (const { id } of books.membersOf(group)) yield* sharesOf(kit, miner, id, jobId, 1)
})

/** Makes the target harder, gives work, looks at it, and makes the target again what it was. */
const withTarget = <A, E1, E2>(
  miner: Miner,
  address: number,
  give: Effect.Effect<A, E1>,
  look: (given: A) => Effect.Effect<void, E2>
) =>
  Effect.gen(function* () {
    const { books, peer } = miner
    const { target } = books.open[0]!
    yield* peer.send(books.setTarget(address, harder(target, HARDER_BITS)))
    yield* look(yield* give)
    yield* peer.send(books.setTarget(address, target))
    yield* newJob(miner)
  })

/** A server whose jobs are all of a fixed version, which is what a standard channel can be told. */
const fixedVersion = Effect.fnUntraced(function* (kit: ClientKit) {
  const miner = yield* admitMiner(kit, Mining.REQUIRES_FIXED_VERSION)
  yield* opens(miner)
  const [channel] = miner.books.open
  const [jobId] = channel === undefined ? [] : [...channel.jobs.keys()]
  if (channel === undefined || jobId === undefined) return yield* new RuleSkipped({ why: NO_CHANNEL })
  yield* sharesOf(kit, miner, channel.id, jobId, 2 * SEVERAL)
  yield* kit.end
})

/** Goes on with the setup, and lets no channel be opened. */
const refuseToOpen = (visitor: Visitor) => {
  visitor.host = (message) =>
    message._tag === "OpenStandardMiningChannel" || message._tag === "OpenExtendedMiningChannel"
      ? [openError(message.requestId)]
      : []
  return answer(visitor, setupSuccess(0))
}

const openError = (requestId: number): Uint8Array =>
  Mining.OpenMiningChannelError.codec.encode(
    Mining.OpenMiningChannelError.make({ requestId, errorCode: "conformance-test-refusal" })
  )

const reconnect = (newHost: string, newPort: number): Uint8Array =>
  Common.Reconnect.codec.encode(Common.Reconnect.make({ newHost, newPort }))

const comesAgain = (kit: ClientKit, at: "here" | "elsewhere"): Effect.Effect<void, RuleBroken> =>
  Effect.flatMap(kit.comes(at), (comes) =>
    comes ? Effect.void : Effect.fail(new RuleBroken({ expected: "another connection", came: "none in time" }))
  )

/** Sends a client at work to the kit's other address, by the name that it knows the server by. */
const sendElsewhere = Effect.fnUntraced(function* (kit: ClientKit) {
  const { elsewhere } = kit
  if (elsewhere === undefined)
    return yield* new RuleSkipped({ why: "there is no second address to send the client to" })
  const { peer, setup } = yield* atWork(kit)
  yield* peer.send(reconnect(setup.endpointHost, elsewhere.port))
  yield* comesAgain(kit, "elsewhere")
})
