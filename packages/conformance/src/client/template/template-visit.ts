/** Steps of a session with a template client: accept it, and wait for its solutions (7). */
import { TemplateDistribution } from "@sluice/protocol"
import { Clock, Effect } from "effect"
import type { ClientKit, TemplateUser } from "../kit.ts"
import { receiveSetup, acceptClient } from "../reception.ts"
import { TemplateBooks } from "./template-books.ts"
import { RuleBroken, RuleSkipped } from "../../verdict.ts"

/** Accepts a template client and sets it up. The kit then answers its constraints with the first templates. */
export const setUpTemplateUser = Effect.fnUntraced(function* (
  kit: ClientKit
): Effect.fn.Return<TemplateUser, RuleBroken | RuleSkipped> {
  const visitor = yield* receiveSetup(kit)
  const books = (kit.state.templates ??= new TemplateBooks(kit.ledger, kit.random))
  books.begin()
  yield* acceptClient(kit, visitor, 0, (message, now) => books.receive(message, now))
  return Object.assign(visitor, { books })
})

/** A connected template client: the one that earlier rules left, or a new one. */
export const workingTemplateUser = Effect.fnUntraced(function* (
  kit: ClientKit
): Effect.fn.Return<TemplateUser, RuleSkipped> {
  const { state } = kit
  if (state.hopeless !== undefined) return yield* new RuleSkipped({ why: state.hopeless })
  const left = state.templateUser
  if (left !== undefined && !left.peer.ended) {
    yield* left.peer.skip
    return left
  }
  return yield* Effect.gen(function* () {
    const user = yield* setUpTemplateUser(kit)
    yield* user.peer.expect(TemplateDistribution.CoinbaseOutputConstraints)
    state.templateUser = user
    return user
  }).pipe(
    Effect.catchTag("RuleBroken", ({ came, expected }) => {
      state.hopeless = `the client did not request templates: expected ${expected}, came ${came}`
      return Effect.andThen(kit.end, Effect.fail(new RuleSkipped({ why: state.hopeless })))
    })
  )
})

/** Waits for a solution of this template. Skips the rule if the client has never found one. */
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
