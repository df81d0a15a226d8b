/** Steps of a session with a job declaration client: accept it, and wait for what it declares (6). */
import { JobDeclaration } from "@sluice/protocol"
import { Clock, Effect } from "effect"
import { acceptClient, receiveSetup } from "../reception.ts"
import type { ClientKit, Declarer } from "../kit.ts"
import { DeclarationBooks } from "./declaration-books.ts"
import { RuleBroken, RuleSkipped } from "../../verdict.ts"

/** The books of all connections: a client may use a token that it got before. */
export const booksOf = ({ ledger, random, state }: ClientKit): DeclarationBooks =>
  (state.declarations ??= new DeclarationBooks(ledger, random))

/** Accepts a client and sets it up. The kit then answers its requests for tokens. */
export const setUpDeclarer = Effect.fnUntraced(function* (
  kit: ClientKit
): Effect.fn.Return<Declarer, RuleBroken | RuleSkipped> {
  const visitor = yield* receiveSetup(kit)
  const books = booksOf(kit)
  books.begin(visitor.setup.flags)
  yield* acceptClient(kit, visitor, 0, (message) => books.receive(message))
  return Object.assign(visitor, { books })
})

/** A connected client that has requested a token: the one that earlier rules left, or a new one. */
export const workingDeclarer = (kit: ClientKit): Effect.Effect<Declarer, RuleSkipped> =>
  Effect.gen(function* () {
    const { state } = kit
    if (state.hopeless !== undefined) return yield* new RuleSkipped({ why: state.hopeless })
    const left = state.declarer
    if (left !== undefined && !left.peer.ended) return left
    return yield* newDeclarer(kit)
  })

/** A client that has just connected and requested a token. */
export const newDeclarer = (kit: ClientKit): Effect.Effect<Declarer, RuleSkipped> =>
  Effect.gen(function* () {
    const { state } = kit
    const declarer = yield* setUpDeclarer(kit)
    yield* declarer.peer.expect(JobDeclaration.AllocateMiningJobToken)
    state.declarer = declarer
    return declarer
  }).pipe(
    Effect.catchTag("RuleBroken", ({ came, expected }) => {
      const why = `the client did not request a token: expected ${expected}, came ${came}`
      kit.state.hopeless = why
      return Effect.andThen(kit.end, Effect.fail(new RuleSkipped({ why })))
    })
  )

/** Waits for the next declared job. Skips the rule for a client in coinbase-only mode. */
export const nextJob = Effect.fnUntraced(function* (kit: ClientKit, { peer, setup }: Declarer) {
  if ((setup.flags & JobDeclaration.DECLARE_TX_DATA) === 0) {
    return yield* new RuleSkipped({ why: "the client declares no transactions (coinbase-only mode)" })
  }
  return yield* peer.expectWithin(kit.shareMs, JobDeclaration.DeclareMiningJob)
})

/** Waits for a custom job at the pool beside, after `count` earlier ones. */
export const customJobAfter = Effect.fnUntraced(function* (kit: ClientKit, count: number) {
  const books = booksOf(kit)
  const until = (yield* Clock.currentTimeMillis) + kit.shareMs
  while (books.customJobs <= count) {
    if ((yield* Clock.currentTimeMillis) >= until) {
      return yield* new RuleBroken({ expected: `SetCustomMiningJob within ${kit.shareMs / 1000} s`, came: "none" })
    }
    yield* Effect.sleep(POLL_MS)
  }
})

const POLL_MS = 10
