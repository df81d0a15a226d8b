/** The operators' API, declared once: the server, the typed client and the OpenAPI document are made of it. */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Changing, Reading, WellFormed } from "./access.ts"
import { Alerts } from "./alerts.ts"
import { Certificates } from "./certificates.ts"
import { PresentCoinbase } from "./coinbase.ts"
import { CloseChannel, Done, Drain, DrainStarted, Reconnect } from "./control.ts"
import { Live, Ready } from "./health.ts"
import { ChannelHistory, History, historyQuery, RefusedHistory, WorkerHistory, workerHistoryQuery } from "./history.ts"
import { AccountPage, accountQuery, Accounts, Adjust, Adjusted, LedgerBlocks, Payments, PlanView } from "./ledger.ts"
import { Luck } from "./luck.ts"
import { Audit, Configuration, Events, LogPage, logQuery } from "./journal.ts"
import {
  ChannelPage,
  channelQuery,
  ConnectionPage,
  connectionQuery,
  UserPage,
  UserPageView,
  userQuery,
  WorkerPage,
  workerQuery,
  WorkerView
} from "./miners.ts"
import { Overview } from "./overview.ts"
import { pageQuery, QUERY_NUMBERS } from "./page.ts"
import { Conflict, LedgerUnavailable, NotFound, NotReady, TooManyReaders } from "./problems.ts"
import { Blocks, Jobs, Shares, Upstreams } from "./work.ts"

const get = HttpApiEndpoint.get
const post = HttpApiEndpoint.post
/** Names are at most 255 bytes in the protocol. */
const name = Schema.String.check(Schema.isMaxLength(255))
/** Numbers of a path, in decimal digits. */
const number = Schema.String.check(Schema.isPattern(/^[0-9]{1,16}$/))
/** Of a block, 64 hex digits. */
const hash = Schema.String.check(Schema.isMaxLength(64))
/** The user's name and a proof, see `server/links.ts`. */
const link = Schema.String.check(Schema.isMaxLength(600))

const reading = HttpApiGroup.make("monitor")
  .add(
    get("overview", "/overview", { success: Overview }),
    get("upstreams", "/upstreams", { query: pageQuery, success: Upstreams }),
    get("connections", "/connections", { query: connectionQuery, success: ConnectionPage }),
    get("channels", "/channels", { query: channelQuery, success: ChannelPage }),
    get("channelHistory", "/channels/:connectionId/:channelId/history", {
      params: { connectionId: number, channelId: number },
      success: ChannelHistory,
      error: NotFound
    }),
    get("users", "/users", { query: userQuery, success: UserPage }),
    get("user", "/users/:name", { params: { name }, query: workerQuery, success: UserPageView, error: NotFound }),
    get("userLink", "/users/:name/link", {
      params: { name },
      success: Schema.Struct({ link: Schema.String }),
      error: NotFound
    }),
    get("workers", "/workers", { query: workerQuery, success: WorkerPage }),
    get("worker", "/workers/:name", { params: { name }, success: WorkerView, error: NotFound }),
    get("workerHistory", "/workers/:name/history", {
      params: { name },
      query: workerHistoryQuery,
      success: WorkerHistory,
      error: NotFound
    }),
    get("jobs", "/jobs", { query: pageQuery, success: Jobs }),
    get("coinbase", "/coinbase", { success: PresentCoinbase }),
    get("luck", "/luck", { success: Luck }),
    get("certificates", "/certificates", { query: pageQuery, success: Certificates }),
    get("blocks", "/blocks", { query: pageQuery, success: Blocks }),
    get("shares", "/shares", { query: pageQuery, success: Shares }),
    get("history", "/history", { query: historyQuery, success: History }),
    get("refusedHistory", "/history/refused", { query: historyQuery, success: RefusedHistory }),
    get("alerts", "/alerts", { query: pageQuery, success: Alerts }),
    get("logs", "/logs", { query: logQuery, success: LogPage }),
    get("configuration", "/configuration", { query: pageQuery, success: Configuration }),
    get("audit", "/audit", { query: pageQuery, success: Audit }),
    get("events", "/events", {
      headers: { "last-event-id": Schema.optionalKey(Schema.String.check(Schema.isMaxLength(32))) },
      success: Events,
      error: TooManyReaders
    })
  )
  .middleware(WellFormed)
  .middleware(Reading)
  .prefix("/api")
  .annotateMerge(OpenApi.annotations({ title: "Reading", description: "Open on loopback; elsewhere with the token." }))

const ledger = HttpApiGroup.make("ledger")
  .add(
    get("accounts", "/accounts", {
      query: accountQuery,
      success: Accounts,
      error: [NotFound, LedgerUnavailable]
    }),
    get("account", "/accounts/:name", {
      params: { name },
      query: pageQuery,
      success: AccountPage,
      error: [NotFound, LedgerUnavailable]
    }),
    get("payouts", "/payouts", {
      query: pageQuery,
      success: LedgerBlocks,
      error: [NotFound, LedgerUnavailable]
    }),
    get("payments", "/payouts/:hash", {
      params: { hash },
      query: pageQuery,
      success: Payments,
      error: [NotFound, LedgerUnavailable]
    }),
    get("plan", "/plan", { query: pageQuery, success: PlanView, error: [NotFound, LedgerUnavailable] })
  )
  .middleware(WellFormed)
  .middleware(Reading)
  .prefix("/api/ledger")
  .annotateMerge(
    OpenApi.annotations({ title: "Ledger", description: "Accounts and payouts of a program with a ledger." })
  )

const control = HttpApiGroup.make("control")
  .add(
    post("closeChannel", "/channels/close", { payload: CloseChannel, success: Done, error: [NotFound, Conflict] }),
    post("reconnect", "/connections/reconnect", { payload: Reconnect, success: Done, error: [NotFound, Conflict] }),
    post("drain", "/drain", { payload: Drain, success: DrainStarted, error: Conflict }),
    post("adjust", "/ledger/adjust", { payload: Adjust, success: Adjusted, error: [NotFound, LedgerUnavailable] })
  )
  .middleware(WellFormed)
  .middleware(Changing)
  .prefix("/api")
  .annotateMerge(
    OpenApi.annotations({ title: "Changing", description: "With the token always. Each is written down." })
  )

const shared = HttpApiGroup.make("shared")
  .add(
    get("user", "/:link", { params: { link }, query: workerQuery, success: UserPageView, error: NotFound }),
    get("workerHistory", "/:link/history/:name", {
      params: { link, name },
      query: workerHistoryQuery,
      success: WorkerHistory,
      error: NotFound
    }),
    get("account", "/:link/account", {
      params: { link },
      query: pageQuery,
      success: AccountPage,
      error: [NotFound, LedgerUnavailable]
    })
  )
  .middleware(WellFormed)
  .prefix("/api/shared")
  .annotateMerge(OpenApi.annotations({ title: "Shared", description: "A user's own numbers, by a link." }))

const health = HttpApiGroup.make("health")
  .add(get("live", "/live", { success: Live }), get("ready", "/ready", { success: Ready, error: NotReady }))
  .prefix("/health")
  .annotateMerge(OpenApi.annotations({ title: "Health", description: "For supervisors, without a token." }))

interface Spec {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}
interface Operation {
  readonly parameters?: ReadonlyArray<{ readonly name: string; schema: unknown }>
}

/** Shows numbers of queries as numbers. Made from the Schemas, the document has the text that they are decoded from. */
const withNumbers = (spec: Spec): Spec => {
  for (const path of Object.values(spec.paths)) {
    for (const { parameters = [] } of Object.values(path)) {
      for (const parameter of parameters) {
        const bounds = QUERY_NUMBERS[parameter.name]
        if (bounds !== undefined) parameter.schema = { type: "integer", ...bounds }
      }
    }
  }
  return spec
}

export class MonitorApi extends HttpApi.make("sluice-monitor")
  .add(reading)
  .add(ledger)
  .add(control)
  .add(shared)
  .add(health)
  // A misspelled key of a change is an error, and not a change without it.
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotateMerge(
    OpenApi.annotations({
      title: "Sluice",
      version: "1",
      description: "The state, the history and the alerts of a pool, a proxy or a declaration client.",
      transform: (spec) => withNumbers(spec as Spec)
    })
  ) {}
