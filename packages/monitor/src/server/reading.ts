/** Answers the requests that read. */
import { Clock, Effect, Option } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import type { BoundedHttpServer } from "@sluice/transport"
import type { IncomingMessage } from "node:http"
import { MonitorApi } from "../api/api.ts"
import type { Resolution } from "../api/history.ts"
import { NotFound, NotReady, TooManyReaders } from "../api/problems.ts"
import { page, select } from "../follow/select.ts"
import { usualSpanMs } from "../history/history.ts"
import { Monitor } from "../monitor.ts"
import { accountPage } from "./ledger.ts"
import type { Links } from "./secret.ts"
import { channelTable, connectionTable, userTable, workerTable } from "./tables.ts"
import type { SortedQuery } from "../api/page.ts"

type WorkerColumn = Parameters<typeof workerTable.column>[1]

const makeViews = Effect.map(Monitor, ({ coinbase, history, miners, monitored: { ledger } }) => {
  const noUser = (name: string) =>
    new NotFound({ detail: `There is no user ${JSON.stringify(name)}. Users who left are forgotten after a while.` })

  const user = Effect.fnUntraced(function* (name: string, query: SortedQuery<WorkerColumn>) {
    const { users, workers } = yield* miners.picture
    const found = users.find((one) => one.user === name)
    if (found === undefined) return yield* noUser(name)
    const own = workers.filter((worker) => worker.user === name)
    return { ...found, workers: select(own, query, workerTable), ...(yield* moneyOf(name)) }
  })

  const moneyOf = Effect.fnUntraced(function* (name: string) {
    if (ledger === undefined) return { account: null, nextPayment: null }
    const account = (yield* ledger.account(name)) ?? null
    const reward = (yield* coinbase)?.reward
    const plan = reward === undefined ? undefined : yield* ledger.plan(BigInt(reward))
    const payment = plan?.payments.find(({ user }) => user === name)
    return { account, nextPayment: plan === undefined ? null : (payment?.paid ?? 0) }
  })

  const workerHistory = Effect.fnUntraced(function* (name: string, query: { from?: number; to?: number }) {
    const now = yield* Clock.currentTimeMillis
    const { from = (query.to ?? now) - 86_400_000, to = now } = query
    const found = history.workers.history(name, from, Math.min(to, now))
    return found ?? (yield* new NotFound({ detail: `There is no history of a worker ${JSON.stringify(name)}.` }))
  })

  const range = Effect.fnUntraced(function* (query: { resolution?: Resolution; from?: number; to?: number }) {
    const now = yield* Clock.currentTimeMillis
    const { resolution = "10s" } = query
    // Without an end it is the last sample that is over: the one of now has not been taken.
    const to = Math.min(query.to ?? now, now)
    return { resolution, from: query.from ?? to - usualSpanMs(resolution), to }
  })

  return { user, workerHistory, range, noUser }
})

export interface ReadingOptions {
  readonly links: Links | undefined
  readonly trust: BoundedHttpServer["trust"]
}

export const reading = ({ links, trust }: ReadingOptions) =>
  HttpApiBuilder.group(
    MonitorApi,
    "monitor",
    Effect.fnUntraced(function* (handlers) {
      const monitor = yield* Monitor
      const { followed, history, hub, logs, miners, monitored } = monitor
      const views = yield* makeViews
      const past = history.blocks()

      return handlers
        .handle("overview", () => monitor.overview)
        .handle("upstreams", ({ query }) => Effect.map(monitor.upstreams, (all) => page(all, query)))
        .handle("connections", ({ query }) =>
          Effect.map(miners.picture, ({ connections }) => select(connections, query, connectionTable))
        )
        .handle("channels", ({ query }) =>
          Effect.map(miners.picture, ({ channels }) => {
            const { connectionId: id } = query
            const wanted = id === undefined ? channels : channels.filter(({ connectionId }) => connectionId === id)
            return select(wanted, query, channelTable)
          })
        )
        .handle("channelHistory", ({ params }) => {
          const [connectionId, channelId] = [Number(params.connectionId), Number(params.channelId)]
          const found = followed.points.history({ connectionId, channelId })
          return found === undefined
            ? Effect.fail(new NotFound({ detail: `Connection ${connectionId} has no open channel ${channelId}.` }))
            : Effect.succeed(found)
        })
        .handle("users", ({ query }) => Effect.map(miners.picture, ({ users }) => select(users, query, userTable)))
        .handle("user", ({ params, query }) => views.user(params.name, query))
        .handle("userLink", ({ params: { name } }) =>
          Effect.gen(function* () {
            if (links === undefined) {
              return yield* new NotFound({ detail: "Links need http-token: they are proofs made with it." })
            }
            const { users } = yield* miners.picture
            if (!users.some(({ user }) => user === name)) return yield* views.noUser(name)
            return { link: `/#/shared/${links.of(name)}` }
          })
        )
        .handle("workers", ({ query }) =>
          Effect.map(miners.picture, ({ workers }) => select(workers, query, workerTable))
        )
        .handle("worker", ({ params: { name } }) =>
          Effect.flatMap(miners.picture, ({ workers }) => {
            const found = workers.find(({ worker }) => worker === name)
            return found === undefined
              ? Effect.fail(new NotFound({ detail: `No worker ${JSON.stringify(name)} has a channel now.` }))
              : Effect.succeed(found)
          })
        )
        .handle("workerHistory", ({ params, query }) => views.workerHistory(params.name, query))
        .handle("jobs", ({ query }) => Effect.sync(() => page(followed.jobs.newest(), query)))
        .handle("coinbase", () => Effect.map(monitor.coinbase, (coinbase) => ({ coinbase: coinbase ?? null })))
        .handle("luck", () => monitor.luck)
        .handle("certificates", ({ query }) => Effect.map(monitor.certificates, (all) => page(all, query)))
        .handle("blocks", ({ query }) => Effect.sync(() => page([...followed.blocks.newest(), ...past], query)))
        .handle("shares", ({ query }) =>
          Effect.map(monitored.server.stats, ({ accepted, refused }) => {
            const byCode = Object.entries(refused).map(([code, shares]) => ({ code, shares }))
            return page(
              [{ code: "accepted", shares: accepted }, ...byCode.toSorted((a, b) => b.shares - a.shares)],
              query
            )
          })
        )
        .handle("history", ({ query }) =>
          Effect.map(views.range(query), ({ from, resolution, to }) => history.samples.history(resolution, from, to))
        )
        .handle("refusedHistory", ({ query }) =>
          Effect.map(views.range(query), ({ from, resolution, to }) => history.samples.refused(resolution, from, to))
        )
        .handle("alerts", ({ query }) => Effect.sync(() => page(monitor.alerts.views(), query)))
        .handle("logs", ({ query }) => Effect.sync(() => page(logs.lines(query), query)))
        .handle("configuration", ({ query }) => Effect.sync(() => page(monitored.configuration ?? [], query)))
        .handle("audit", ({ query }) => Effect.sync(() => page(history.audit(), query)))
        .handleRaw("events", ({ headers, request }) =>
          hub.read(headers["last-event-id"]).pipe(
            Effect.map((bytes) => {
              // Events are a long answer, not a connection without requests that may be replaced.
              trust((request.source as IncomingMessage).socket)
              return HttpServerResponse.stream(bytes, {
                contentType: "text/event-stream",
                headers: { "cache-control": "no-store", "x-accel-buffering": "no" }
              })
            }),
            Effect.mapError(
              () =>
                new TooManyReaders({ detail: `${hub.readers} readers of events are connected, and no more may be.` })
            )
          )
        )
    })
  )

/** What anybody with a user's link may read: the numbers of that user. */
export const shared = (links: Links | undefined) =>
  HttpApiBuilder.group(
    MonitorApi,
    "shared",
    Effect.fnUntraced(function* (handlers) {
      const views = yield* makeViews
      const { monitored } = yield* Monitor
      const userOf = (link: string) =>
        Option.match(Option.fromUndefinedOr(links?.user(link)), {
          onNone: () => Effect.fail(new NotFound({ detail: "This link is not valid, or not any more." })),
          onSome: Effect.succeed
        })
      return handlers
        .handle("user", ({ params, query }) => Effect.flatMap(userOf(params.link), (name) => views.user(name, query)))
        .handle("workerHistory", ({ params, query }) =>
          Effect.flatMap(userOf(params.link), (user) =>
            params.name === user || params.name.startsWith(`${user}.`)
              ? views.workerHistory(params.name, query)
              : Effect.fail(new NotFound({ detail: "The link is not for this worker." }))
          )
        )
        .handle("account", ({ params, query }) =>
          Effect.flatMap(userOf(params.link), (user) => accountPage(monitored.ledger, user, query))
        )
    })
  )

export const health = HttpApiBuilder.group(
  MonitorApi,
  "health",
  Effect.fnUntraced(function* (handlers) {
    const { monitored } = yield* Monitor
    return handlers
      .handle("live", () => Effect.succeed({ live: true as const }))
      .handle("ready", () =>
        Effect.flatMap(monitored.server.stats, ({ height, upstream }) =>
          // A proxy with a channel upstream for each miner has no job before its first miner.
          upstream._tag === "Connected" && (height > 0 || monitored.role === "proxy")
            ? Effect.succeed({ ready: true as const })
            : Effect.fail(new NotReady({ detail: "No work comes from the source of work." }))
        )
      )
  })
)
