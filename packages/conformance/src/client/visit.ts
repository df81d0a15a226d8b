/** The sessions that scripts begin with: a client that is set up, has a channel or a template, and works (3.6, 5.3, 7). */
import { Common, ErrorCode, Mining, TemplateDistribution } from "@sluice/protocol"
import { Clock, Effect } from "effect"
import { RuleBroken, RuleSkipped } from "../rule.ts"
import { MiningBooks } from "./mining-books.ts"
import type { AcceptOptions, ClientKit, Miner, TemplateUser, Visitor } from "./kit.ts"
import { TemplateBooks } from "./template-books.ts"
import type { ToServer } from "./conduct.ts"

/** A client's SetupConnection, whose protocol is the kit's and whose flags are all known. */
export const greeted = Effect.fnUntraced(function* (
  kit: ClientKit,
  options?: AcceptOptions
): Effect.fn.Return<Visitor & { readonly setup: Common.SetupConnection }, RuleBroken | RuleSkipped> {
  const first = yield* greet(kit, options)
  const unknown = unknownFlags(kit, first.setup)
  if (unknown === 0) {
    kit.ledger.note("client-setup.flags", true, "", "")
    return first
  }
  // It may have set all of them to see which the server knows (3.6.3).
  yield* answer(first, setupError(ErrorCode.setup.unsupportedFeatureFlags, unknown))
  const second = yield* greet(kit, options)
  const left = unknownFlags(kit, second.setup)
  if (left === 0) {
    kit.ledger.note("client-setup.flags", true, "", "")
    return second
  }
  const came = `flags 0x${left.toString(16)}`
  const expected = "no flags that nobody defined, after SetupConnection.Error named them"
  kit.ledger.note("client-setup.flags", false, expected, came)
  return yield* new RuleBroken({ expected, came })
})

const greet = Effect.fnUntraced(function* (kit: ClientKit, options?: AcceptOptions) {
  const visitor = yield* kit.accept(options)
  const setup = yield* visitor.peer.expect(Common.SetupConnection)
  if (setup.protocol === PROTOCOL[kit.protocol]) return Object.assign(visitor, { setup })
  yield* answer(visitor, setupError(ErrorCode.setup.unsupportedProtocol, 0))
  return yield* new RuleSkipped({ why: `the client asks for protocol ${setup.protocol}, not for ${kit.protocol}` })
})

/** Answers SetupConnection with this frame, right or wrong. */
export const answer = ({ conduct, peer }: Visitor, frame: Uint8Array): Effect.Effect<void> =>
  Effect.suspend(() => {
    conduct.answer()
    return peer.send(frame)
  })

export const setupError = (errorCode: string, flags: number): Uint8Array =>
  Common.SetupConnectionError.codec.encode(Common.SetupConnectionError.make({ flags, errorCode }))

export const setupSuccess = (flags: number, usedVersion: number = Common.PROTOCOL_VERSION): Uint8Array =>
  Common.SetupConnectionSuccess.codec.encode(Common.SetupConnectionSuccess.make({ usedVersion, flags }))

/** Sends SetupConnection.Success, once in a run after a time in which nothing may come. */
export const welcome = Effect.fnUntraced(function* (
  kit: ClientKit,
  visitor: Visitor,
  flags: number,
  host: (message: ToServer, now: number) => ReadonlyArray<Uint8Array>
) {
  if (kit.state.hasWaited !== true) {
    kit.state.hasWaited = true
    yield* Effect.sleep(kit.quietMs)
  }
  visitor.host = host
  yield* answer(visitor, setupSuccess(flags))
})

/** Sets up a mining client; channels open by themselves. */
export const admitMiner = Effect.fnUntraced(function* (
  kit: ClientKit,
  flags = 0,
  options?: AcceptOptions
): Effect.fn.Return<Miner, RuleBroken | RuleSkipped> {
  const visitor = yield* greeted(kit, options)
  const { ledger, random, sharesPerMinute } = kit
  const clientFlags = visitor.setup.flags
  const books = new MiningBooks({ ledger, sharesPerMinute, clientFlags, serverFlags: flags, random })
  yield* welcome(kit, visitor, flags, (message, now) => books.receive(message, now))
  return Object.assign(visitor, { books })
})

/** The client does not trust what it was shown in the handshake: it sends nothing, and closes the connection. */
export const refuses = Effect.fnUntraced(function* (kit: ClientKit, options: AcceptOptions) {
  const { peer } = yield* kit.accept(options)
  const speaks = yield* peer.speaks
  if (!speaks && peer.ended) return
  const expected = "the end of the connection, without a message"
  return yield* new RuleBroken({ expected, came: speaks ? "a message" : "nothing, and it stays open" })
})

/** The next message that asks for a channel. */
export const opens = ({ peer }: Visitor) =>
  peer.expect(Mining.OpenStandardMiningChannel, Mining.OpenExtendedMiningChannel)

/** The next share, whatever it is worth. */
export const nextShare = (kit: ClientKit, { peer }: Visitor) =>
  peer.expectWithin(kit.shareMs, Mining.SubmitSharesStandard, Mining.SubmitSharesExtended)

/** A client that mines; the one that the rules before left, if it still does. Skips where there is none to be had. */
export const atWork = Effect.fnUntraced(function* (kit: ClientKit): Effect.fn.Return<Miner, RuleSkipped> {
  const { state } = kit
  if (state.hopeless !== undefined) return yield* new RuleSkipped({ why: state.hopeless })
  const left = state.miner
  if (left !== undefined && !left.peer.ended && left.books.open.length > 0) {
    yield* left.peer.skip
    return left
  }
  return yield* Effect.gen(function* () {
    const miner = yield* admitMiner(kit)
    yield* opens(miner)
    yield* nextShare(kit, miner)
    state.miner = miner
    return miner
  }).pipe(
    Effect.catchTag("RuleBroken", ({ came, expected }) => {
      state.hopeless = `the client did not get to work: expected ${expected}, came ${came}`
      return Effect.andThen(kit.end, Effect.fail(new RuleSkipped({ why: state.hopeless })))
    })
  )
})

/** Sends what the books make of the present time. */
export const tell = Effect.fnUntraced(function* (
  { peer }: Visitor,
  make: (now: number) => readonly [Uint8Array, ...Array<Uint8Array>]
) {
  const now = yield* Clock.currentTimeMillis
  yield* peer.send(...make(now))
})

/** Waits for shares of a job on a channel, and fails with what was wrong with one of them. */
export const sharesOf = Effect.fnUntraced(function* (
  kit: ClientKit,
  miner: Miner,
  channelId: number,
  jobId: number,
  count = 2
): Effect.fn.Return<void, RuleBroken> {
  const job = miner.books.channels.get(channelId)?.jobs.get(jobId)
  const until = (yield* Clock.currentTimeMillis) + kit.shareMs
  let others = 0
  for (let shares = 0; shares < count;) {
    const share = yield* nextShare(kit, miner)
    if (job?.breach !== undefined) return yield* new RuleBroken(job.breach)
    if (share.channelId === channelId && share.jobId === jobId) shares++
    else others++
    if (shares < count && (yield* Clock.currentTimeMillis) > until) {
      const expected = `${count} shares of job ${jobId} on channel ${channelId} within ${kit.shareMs / 1000} s`
      return yield* new RuleBroken({ expected, came: `${shares} of them, and ${others} of other jobs` })
    }
  }
})

/** Gives every open channel a new job on the present previous hash, and gives the first one's. */
export const newJob = Effect.fnUntraced(function* (
  miner: Miner,
  options: { versionRolling?: boolean; trailing?: number } = {}
) {
  const { books, peer } = miner
  const now = yield* Clock.currentTimeMillis
  const jobs = books.open.map((channel) => ({ channel, ...books.job(channel.id, options, now) }))
  const [first, ...rest] = jobs
  if (first === undefined) return yield* new RuleSkipped({ why: "the client has closed its channels" })
  yield* peer.send(first.frame, ...rest.map(({ frame }) => frame))
  return { channel: first.channel, jobId: first.jobId }
})

/** Sets up a template client; its first templates go by themselves. */
export const admitTemplateUser = Effect.fnUntraced(function* (
  kit: ClientKit
): Effect.fn.Return<TemplateUser, RuleBroken | RuleSkipped> {
  const visitor = yield* greeted(kit)
  const books = (kit.state.templates ??= new TemplateBooks(kit.ledger, kit.random))
  books.begin()
  yield* welcome(kit, visitor, 0, (message, now) => books.receive(message, now))
  return Object.assign(visitor, { books })
})

/** A client that has templates; the one that the rules before left, if it is still there. */
export const withTemplates = Effect.fnUntraced(function* (kit: ClientKit): Effect.fn.Return<TemplateUser, RuleSkipped> {
  const { state } = kit
  if (state.hopeless !== undefined) return yield* new RuleSkipped({ why: state.hopeless })
  const left = state.templateUser
  if (left !== undefined && !left.peer.ended) {
    yield* left.peer.skip
    return left
  }
  return yield* Effect.gen(function* () {
    const user = yield* admitTemplateUser(kit)
    yield* user.peer.expect(TemplateDistribution.CoinbaseOutputConstraints)
    state.templateUser = user
    return user
  }).pipe(
    Effect.catchTag("RuleBroken", ({ came, expected }) => {
      state.hopeless = `the client did not ask for templates: expected ${expected}, came ${came}`
      return Effect.andThen(kit.end, Effect.fail(new RuleSkipped({ why: state.hopeless })))
    })
  )
})

/** Waits for a solution of this template; skips where the client has shown that it finds none. */
export const solutionOf = Effect.fnUntraced(function* (kit: ClientKit, user: TemplateUser, templateId: bigint) {
  const { state } = kit
  if (state.noSolutions === true) return yield* new RuleSkipped({ why: NO_SOLUTIONS })
  const until = (yield* Clock.currentTimeMillis) + kit.shareMs
  let others = 0
  while (true) {
    const left = Math.max(0, until - (yield* Clock.currentTimeMillis))
    const solution = yield* Effect.result(user.peer.expectWithin(left, TemplateDistribution.SubmitSolution))
    if (solution._tag === "Failure") {
      if (others === 0 && kit.ledger.timesKept("client-solutions.template") === 0 && !user.peer.ended) {
        state.noSolutions = true
        return yield* new RuleSkipped({ why: NO_SOLUTIONS })
      }
      const expected = `a solution of template ${templateId} within ${kit.shareMs / 1000} s`
      return yield* new RuleBroken({ expected, came: `${others} of other templates, then ${solution.failure.came}` })
    }
    if (solution.success.templateId === templateId) return
    others++
  }
})

const NO_SOLUTIONS = "no solution came: the client needs miners that find blocks at the lowest difficulty"

/** It goes on as if nothing had happened: a miner with shares of another job, a template client with its connection. */
export const goesOn = Effect.fnUntraced(function* (
  kit: ClientKit,
  visitor: Miner | TemplateUser
): Effect.fn.Return<void, RuleBroken | RuleSkipped> {
  if (visitor.books instanceof MiningBooks) {
    const miner = visitor as Miner
    const { channel, jobId } = yield* newJob(miner)
    return yield* sharesOf(kit, miner, channel.id, jobId)
  }
  const user = visitor as TemplateUser
  const { frame, templateId } = user.books.template()
  yield* user.peer.send(frame)
  if (kit.state.noSolutions !== true) {
    const solved = yield* Effect.result(solutionOf(kit, user, templateId))
    if (solved._tag === "Success" || solved.failure._tag === "RuleBroken") return yield* Effect.fromResult(solved)
  }
  yield* Effect.sleep(kit.quietMs)
  if (user.peer.ended) return yield* new RuleBroken({ expected: "an open connection", came: "its end" })
})

/** A client at its work, of whichever protocol. */
export const busy = (kit: ClientKit): Effect.Effect<Miner | TemplateUser, RuleSkipped> =>
  kit.protocol === "mining" ? atWork(kit) : withTemplates(kit)

const PROTOCOL: Readonly<Record<ClientKit["protocol"], number>> = {
  mining: Common.MINING_PROTOCOL,
  "template-distribution": Common.TEMPLATE_DISTRIBUTION_PROTOCOL
}

const MINING_FLAGS = Mining.REQUIRES_STANDARD_JOBS | Mining.REQUIRES_WORK_SELECTION | Mining.REQUIRES_VERSION_ROLLING

/** The flags of SetupConnection that the protocol does not define. */
const unknownFlags = ({ protocol }: ClientKit, { flags }: Common.SetupConnection): number =>
  (flags & ~(protocol === "mining" ? MINING_FLAGS : 0)) >>> 0
