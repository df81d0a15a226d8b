/** Steps of a session with a mining client: accept it, send jobs, wait for its shares (5.3). */
import { Mining } from "@sluice/protocol"
import { Clock, Effect } from "effect"
import type { ChannelBook } from "./channel-book.ts"
import type { AcceptOptions, ClientKit, Miner, Visitor } from "../kit.ts"
import { MiningBooks } from "./mining-books.ts"
import { receiveSetup, acceptClient } from "../reception.ts"
import { RuleBroken, RuleSkipped } from "../../verdict.ts"

/** Accepts a mining client and sets it up. The kit then answers its requests to open channels. */
export const setUpMiner = Effect.fnUntraced(function* (
  kit: ClientKit,
  flags = 0,
  options?: AcceptOptions
): Effect.fn.Return<Miner, RuleBroken | RuleSkipped> {
  const visitor = yield* receiveSetup(kit, options)
  const { ledger, random, sharesPerMinute } = kit
  const clientFlags = visitor.setup.flags
  const books = new MiningBooks({ ledger, sharesPerMinute, clientFlags, serverFlags: flags, random })
  yield* acceptClient(kit, visitor, flags, (message, now) => books.receive(message, now))
  return Object.assign(visitor, { books })
})

/** Waits for the next request to open a channel. */
export const nextOpenRequest = ({ peer }: Visitor) =>
  peer.expect(Mining.OpenStandardMiningChannel, Mining.OpenExtendedMiningChannel)

/** Waits for the next share, valid or not. */
export const nextShare = (kit: ClientKit, { peer }: Visitor) =>
  peer.expectWithin(kit.shareMs, Mining.SubmitSharesStandard, Mining.SubmitSharesExtended)

/** A mining client at work: the one that earlier rules left, or a new one. Skips the rule if none starts to work. */
export const workingMiner = Effect.fnUntraced(function* (kit: ClientKit): Effect.fn.Return<Miner, RuleSkipped> {
  const { state } = kit
  if (state.hopeless !== undefined) return yield* new RuleSkipped({ why: state.hopeless })
  const left = state.miner
  if (left !== undefined && !left.peer.ended && left.books.open.length > 0) {
    yield* left.peer.skip
    return left
  }
  return yield* Effect.gen(function* () {
    const miner = yield* setUpMiner(kit)
    yield* nextOpenRequest(miner)
    yield* nextShare(kit, miner)
    state.miner = miner
    return miner
  }).pipe(
    Effect.catchTag("RuleBroken", ({ came, expected }) => {
      state.hopeless = `the client did not start to mine: expected ${expected}, came ${came}`
      return Effect.andThen(kit.end, Effect.fail(new RuleSkipped({ why: state.hopeless })))
    })
  )
})

const closed = Effect.suspend(() => Effect.fail(new RuleSkipped({ why: "the client has closed its channels" })))

/** The open channel whose share came last, or else the first open channel. */
export const channelOf = ({ books }: Miner): Effect.Effect<ChannelBook, RuleSkipped> =>
  Effect.suspend(() => {
    const { lastShareOn, open } = books
    const channel = open.find(({ id }) => id === lastShareOn) ?? open[0]
    return channel === undefined ? closed : Effect.succeed(channel)
  })

/** Sends the messages that `make` gives for the current time. */
export const sendNow = Effect.fnUntraced(function* (
  { peer }: Visitor,
  make: (now: number) => readonly [Uint8Array, ...Array<Uint8Array>]
) {
  const now = yield* Clock.currentTimeMillis
  yield* peer.send(...make(now))
})

/** Waits for shares of a job on a channel. Fails with the breach if one of them is wrong. */
export const sharesOf = Effect.fnUntraced(function* (
  kit: ClientKit,
  miner: Miner,
  channelId: number,
  jobId: number,
  count = 2
): Effect.fn.Return<void, RuleBroken | RuleSkipped> {
  const channel = miner.books.channels.get(channelId)
  const job = channel?.jobs.get(jobId)
  const until = (yield* Clock.currentTimeMillis) + kit.shareMs
  let others = 0
  for (let shares = 0; shares < count;) {
    const share = yield* nextShare(kit, miner)
    // Allowed: proxies close channels of V1 miners, which cannot be told a new prefix, and open others.
    if (channel?.closed === "by-client") return yield* new RuleSkipped({ why: "the client has closed the channel" })
    if (job?.breach !== undefined) return yield* new RuleBroken(job.breach)
    if (share.channelId === channelId && share.jobId === jobId) shares++
    else others++
    if (shares < count && (yield* Clock.currentTimeMillis) > until) {
      const expected = `${count} shares of job ${jobId} on channel ${channelId} within ${kit.shareMs / 1000} s`
      return yield* new RuleBroken({ expected, came: `${shares} of them, and ${others} of other jobs` })
    }
  }
})

/** Sends every open channel a new job on the current previous hash. Gives the job of the channel of `channelOf`. */
export const newJob = Effect.fnUntraced(function* (
  miner: Miner,
  options: { versionRolling?: boolean; trailing?: number } = {}
) {
  const { books, peer } = miner
  const now = yield* Clock.currentTimeMillis
  const jobs = books.open.map((channel) => ({ channel, ...books.job(channel.id, options, now) }))
  const [first, ...rest] = jobs.map(({ frame }) => frame)
  if (first === undefined) return yield* closed
  yield* peer.send(first, ...rest)
  const channel = yield* channelOf(miner)
  return jobs.find((job) => job.channel === channel) ?? jobs[0]!
})

/** Sends every open channel a new job and previous hash. Gives the job of the channel of `channelOf`. */
export const newBlock = Effect.fnUntraced(function* (miner: Miner) {
  const { books, peer } = miner
  const now = yield* Clock.currentTimeMillis
  const given = books.open.map(({ id: channelId }) => {
    const { frame, jobId } = books.job(channelId, { future: true }, now)
    return { channelId, jobId, frames: [frame, books.newPrevHash(channelId, jobId, now)] }
  })
  const [frame, ...rest] = given.flatMap(({ frames }) => frames)
  if (frame === undefined) return yield* closed
  yield* peer.send(frame, ...rest)
  const { id } = yield* channelOf(miner)
  return given.find(({ channelId }) => channelId === id) ?? given[0]!
})

/** A mining client that can have groups; skips the rule for others (5.3.22). */
export const withGroups = Effect.fnUntraced(function* (kit: ClientKit) {
  const miner = yield* workingMiner(kit)
  if (!miner.books.requiresStandardJobs) return miner
  return yield* new RuleSkipped({ why: "the client has REQUIRES_STANDARD_JOBS, and with it no groups" })
})

/** An address for extended jobs, of which the client computes the merkle root: an extended channel or a group. */
export const withExtendedJobs = Effect.fnUntraced(function* (kit: ClientKit) {
  const miner = yield* workingMiner(kit)
  const channel = yield* channelOf(miner)
  if (channel.kind === "extended") return { miner, address: channel.id }
  if (!miner.books.requiresStandardJobs) return { miner, address: channel.groupId }
  return yield* new RuleSkipped({ why: "the client's jobs come with their merkle root (REQUIRES_STANDARD_JOBS)" })
})

/** Sends the group a job and waits for a share of it on each of its channels. */
export const mineGroup = Effect.fnUntraced(function* (kit: ClientKit, miner: Miner, group: number) {
  const { books, peer } = miner
  const now = yield* Clock.currentTimeMillis
  const { frame, jobId } = books.job(group, {}, now)
  yield* peer.send(frame)
  // A proxy may have channels without miners.
  const working = books.membersOf(group).filter(({ shownPrevHash }) => shownPrevHash > 0)
  for (const { id } of working) yield* sharesOf(kit, miner, id, jobId, 1)
})
