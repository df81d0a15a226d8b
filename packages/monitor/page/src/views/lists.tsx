/** The lists: where work comes from, what became of it, and what happened. */
import { createSignal, For, Show } from "solid-js"
import type { AlertView } from "../../../src/api/alerts.ts"
import type { CertificateView } from "../../../src/api/certificates.ts"
import type { AuditEntry, ConfigurationKey, EventData, LogLine } from "../../../src/api/journal.ts"
import type { ConnectionView } from "../../../src/api/miners.ts"
import type { Page } from "../../../src/api/page.ts"
import type { JobView, ShareCount, UpstreamView } from "../../../src/api/work.ts"
import { ChangeButton } from "../action.tsx"
import { get } from "../api.ts"
import { drain, reconnect } from "../changes.ts"
import { ago, count, duration, hashes, milliseconds, percent } from "../format.ts"
import { events, now } from "../live.ts"
import { Load } from "../load.tsx"
import { to } from "../route.ts"
import { type Column, List, LongTable, Table } from "../table.tsx"
import { text } from "../text.ts"
import { at, height, State } from "../columns.tsx"
import { Channels } from "./miners.tsx"

interface ListProps<A> {
  readonly title: string
  readonly path: string
  readonly columns: ReadonlyArray<Column<A>>
}

/** A view that is one list. */
const listView =
  <A extends object>({ columns, path, title }: ListProps<A>) =>
  () => (
    <>
      <h1>{title}</h1>
      <List label={title} path={path} columns={columns} />
    </>
  )

const connectionColumns: ReadonlyArray<Column<ConnectionView>> = [
  {
    id: "connectionId",
    sort: "asc",
    cell: ({ connectionId }) => <a href={to("connections", String(connectionId))}>{connectionId}</a>
  },
  { id: "remote", cell: ({ remote }) => remote ?? text.unknown },
  {
    id: "vendor",
    sort: "asc",
    cell: ({ hardware, vendor }) => [vendor, hardware].filter(Boolean).join(" ") || text.unknown
  },
  { id: "firmware", isMinor: true, cell: ({ firmware }) => firmware ?? "" },
  { id: "channels", sort: "desc", isNumber: true, cell: ({ channels }) => count(channels) },
  { id: "hashesPerSecond", sort: "desc", isNumber: true, cell: ({ hashesPerSecond }) => hashes(hashesPerSecond) },
  {
    id: "openedAt",
    sort: "asc",
    isMinor: true,
    cell: ({ openedAt }) => (openedAt === null ? "" : ago(openedAt, now()))
  }
]

export const Connections = () => (
  <>
    <h1>{text.views.connections}</h1>
    <LongTable
      label={text.views.connections}
      path="/connections"
      columns={connectionColumns}
      sort="connectionId"
      order="asc"
    >
      <ChangeButton change={drain} />
    </LongTable>
  </>
)

export function ConnectionPage(props: { readonly id: string }) {
  const id = () => Number(props.id)
  return (
    <>
      <h1>{text.connection(props.id)}</h1>
      <p class="tools">
        <ChangeButton change={reconnect(id())} />
      </p>
      <Channels query={{ connectionId: props.id }} />
    </>
  )
}

const known = (value: number | null): string => (value === null ? "" : count(value))

export const Upstreams = listView<UpstreamView>({
  title: text.views.upstreams,
  path: "/upstreams",
  columns: [
    { id: "state", cell: ({ state }) => <State state={state} label={text.states[state]} /> },
    { id: "kind", isMinor: true, cell: ({ kind }) => text.upstreamKinds[kind] },
    { id: "name", cell: ({ connectedTo, name }) => <span class="wrap">{connectedTo ?? name}</span> },
    { id: "accepted", isNumber: true, cell: ({ accepted }) => known(accepted) },
    { id: "refused", isNumber: true, cell: ({ refused }) => known(refused) },
    { id: "pending", isNumber: true, cell: ({ pending }) => known(pending) },
    {
      id: "declared",
      isMinor: true,
      cell: ({ declared }) =>
        declared === null ? "" : text.declared(count(declared.acknowledged), count(declared.jobs))
    },
    { id: "reason", cell: ({ reason }) => reason ?? "" }
  ]
})

export const Jobs = listView<JobView>({
  title: text.views.jobs,
  path: "/jobs",
  columns: [
    at,
    height,
    { id: "kind", cell: ({ kind }) => text.jobs[kind] },
    { id: "connections", isNumber: true, isMinor: true, cell: ({ connections }) => count(connections) },
    { id: "latencyMs", isNumber: true, cell: ({ latencyMs }) => milliseconds(latencyMs) }
  ]
})

export const Shares = () => (
  <>
    <h1>{text.views.shares}</h1>
    <Load from={() => get<Page<ShareCount>>("/shares", { limit: 1000 })}>
      {(page) => {
        const all = () => page().items.reduce((sum, { shares }) => sum + shares, 0)
        const columns: ReadonlyArray<Column<ShareCount>> = [
          { id: "code", cell: ({ code }) => code },
          { id: "shares", isNumber: true, cell: ({ shares }) => count(shares) },
          { id: "part", isNumber: true, cell: ({ shares }) => (all() === 0 ? "" : percent(shares / all())) }
        ]
        return <Table label={text.views.shares} columns={columns} items={page().items} />
      }}
    </Load>
  </>
)

export const Alerts = () => (
  <>
    <h1>{text.views.alerts}</h1>
    <List<AlertView>
      label={text.views.alerts}
      path="/alerts"
      empty={text.noAlerts}
      columns={[
        { id: "state", cell: ({ state }) => <State state={state} label={text.states[state]} /> },
        { id: "alert", cell: ({ name }) => <span class="nowrap">{name}</span> },
        { id: "message", cell: ({ message }) => message },
        { id: "since", cell: ({ since }) => ago(since, now()) },
        { id: "sentAt", isMinor: true, cell: ({ sentAt }) => ago(sentAt, now()) }
      ]}
    />
  </>
)

const eventColumns: ReadonlyArray<Column<EventData>> = [
  at,
  { id: "event", cell: ({ event }) => event },
  {
    id: "fields",
    cell: ({ fields }) => (
      <dl class="fields">
        <For each={Object.entries(fields)}>
          {([name, value]) => (
            <div>
              <dt>{name}</dt> <dd>{String(value)}</dd>
            </div>
          )}
        </For>
      </dl>
    )
  }
]
export const Events = () => (
  <>
    <h1>{text.views.events}</h1>
    <Table label={text.views.events} columns={eventColumns} items={events()} empty={text.noEvents} />
  </>
)

const logColumns: ReadonlyArray<Column<LogLine>> = [
  at,
  { id: "level", cell: ({ level }) => <State state={level} /> },
  { id: "message", cell: ({ message }) => <span class="wrap">{message}</span> }
]
const LEVELS = ["trace", "debug", "info", "warn", "error"]
export const Log = () => {
  const [level, setLevel] = createSignal("info")
  const [search, setSearch] = createSignal("")
  return (
    <>
      <h1>{text.views.log}</h1>
      <div class="tools">
        <input
          type="search"
          maxlength="255"
          placeholder={text.search}
          aria-label={text.searchIn(text.views.log)}
          onChange={({ currentTarget }) => setSearch(currentTarget.value)}
        />
        <label>
          <span class="quiet">{text.level}</span>{" "}
          <select value={level()} onChange={({ currentTarget }) => setLevel(currentTarget.value)}>
            <For each={LEVELS}>{(one) => <option>{one}</option>}</For>
          </select>
        </label>
      </div>
      <List label={text.views.log} path="/logs" columns={logColumns} query={{ level: level(), search: search() }} />
    </>
  )
}

const configurationColumns: ReadonlyArray<Column<ConfigurationKey>> = [
  { id: "name", cell: ({ name }) => <code>{name}</code> },
  {
    id: "value",
    cell: ({ isSecret, value }) => (
      <Show
        when={!isSecret && value !== null}
        fallback={<span class="quiet">{isSecret ? text.secret : text.notGiven}</span>}
      >
        <span class="wrap">{typeof value === "string" ? value : JSON.stringify(value)}</span>
      </Show>
    )
  },
  { id: "source", isMinor: true, cell: ({ source }) => <span class="wrap quiet">{source}</span> }
]

const certificateColumns: ReadonlyArray<Column<CertificateView>> = [
  { id: "kind", cell: ({ kind }) => text.certificates.kinds[kind] },
  { id: "name", cell: ({ name }) => <code class="wrap">{name}</code> },
  { id: "subject", isMinor: true, cell: ({ subject }) => subject },
  {
    id: "validTo",
    cell: ({ kind, validTo }) =>
      validTo !== null
        ? text.in(duration(validTo - now()))
        : kind === "noise"
          ? text.certificates.renewed
          : text.unknown
  }
]

export const Configuration = () => (
  <>
    <h1>{text.views.configuration}</h1>
    <List label={text.views.configuration} path="/configuration" columns={configurationColumns} />
    <h2>{text.certificates.title}</h2>
    <List label={text.certificates.title} path="/certificates" columns={certificateColumns} />
  </>
)

export const Changes = listView<AuditEntry>({
  title: text.views.changes,
  path: "/audit",
  columns: [
    at,
    { id: "remote", isMinor: true, cell: ({ remote }) => remote },
    { id: "action", cell: ({ action }) => action },
    { id: "subject", cell: ({ subject }) => <code class="wrap">{subject}</code> },
    { id: "outcome", cell: ({ outcome }) => outcome }
  ]
})
