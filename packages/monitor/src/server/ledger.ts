/** Answers what a ledger knows. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { MonitorApi } from "../api/api.ts"
import { DEFAULT_LIMIT, type PageQuery } from "../api/page.ts"
import { NotFound } from "../api/problems.ts"
import { page, select } from "../follow/select.ts"
import { Monitor } from "../monitor.ts"
import type { MonitoredLedger } from "../monitored.ts"
import { accountTable } from "./tables.ts"

export const ledger = HttpApiBuilder.group(
  MonitorApi,
  "ledger",
  Effect.fnUntraced(function* (handlers) {
    const { coinbase, monitored } = yield* Monitor
    const there = ledgerOf(monitored.ledger)
    return handlers
      .handle("accounts", ({ query }) =>
        Effect.gen(function* () {
          const { accounts } = yield* there
          return select(yield* accounts, query, accountTable)
        })
      )
      .handle("account", ({ params, query }) => accountPage(monitored.ledger, params.name, query))
      .handle("payouts", ({ query }) =>
        Effect.gen(function* () {
          const { blockCount, payouts } = yield* there
          const total = yield* blockCount
          const wanted = whole(query)
          return { total, offset: wanted.offset, items: wanted.offset < total ? yield* payouts(wanted) : [] }
        })
      )
      .handle("payments", ({ params: { hash }, query }) =>
        Effect.gen(function* () {
          const { payments } = yield* there
          const found = /^[0-9a-f]{64}$/.test(hash) ? yield* payments(hash) : undefined
          if (found === undefined)
            return yield* new NotFound({ detail: `The ledger has no block ${JSON.stringify(hash)}.` })
          return { ...found.payout, payments: page(found.payments, query) }
        })
      )
      .handle("plan", ({ query }) =>
        Effect.gen(function* () {
          const { plan } = yield* there
          const job = yield* coinbase
          if (job === undefined) return yield* new NotFound({ detail: "There is no job yet." })
          const planned = yield* plan(BigInt(job.reward))
          if (planned === undefined) {
            return yield* new NotFound({ detail: "The ledger divides no rewards: there is no payout-scheme." })
          }
          const { minimum, payments, pool, scheme, windowFilled } = planned
          const { height, reward } = job
          return { height, reward, scheme, windowFilled, minimum, pool, ...page(payments, query) }
        })
      )
  })
)

const ledgerOf = (ledger: MonitoredLedger | undefined): Effect.Effect<MonitoredLedger, NotFound> =>
  ledger === undefined ? Effect.fail(new NotFound({ detail: "The program has no ledger." })) : Effect.succeed(ledger)

const whole = ({ limit = DEFAULT_LIMIT, offset = 0 }: PageQuery): Required<PageQuery> => ({ limit, offset })

/** An account with its lines. */
export const accountPage = Effect.fnUntraced(function* (
  ledger: MonitoredLedger | undefined,
  user: string,
  query: PageQuery
) {
  const { account, entries } = yield* ledgerOf(ledger)
  const found = yield* account(user)
  if (found === undefined) return yield* new NotFound({ detail: `${JSON.stringify(user)} has no account.` })
  return { ...found, entries: yield* entries(user, whole(query)) }
})
