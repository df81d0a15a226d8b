/** The lists: where work comes from, what became of it, and what happened. */
import { createSignal, For } from "solid-js"
import type { AlertView } from "../../../src/api/alerts.ts"
import type { AuditEntry, ConfigurationKey, EventData, LogLine } from "../../../src/api/journal.ts"
import type { ConnectionView } from "../../../src/api/miners.ts"
import type { FoundBlock } from "../../../src/api/overview.ts"
import type { Page } from "../../../src/api/page.ts"
import type { JobView, ShareCount, UpstreamView } from "../../../src/api/work.ts"
import { get } from "../api.ts"
import { ago, count, hashes, milliseconds, percent, time } from "../format.ts"
import { events, now } from "../live.ts"
import { Load } from "../load.tsx"
import { type Column, LongTable, Table } from "../table.tsx"
import { text } from "../text.ts"

/** The most items of one request. */
const ALL = { limit: 1000 }

function List<A>(props: { readonly title: string; readonly path: string; readonly columns: ReadonlyArray<Column<A>> }) {
  return (
    <>
      <h1>{props.title}</h1>
      <Load from={() => get<Page<A>>(props.path, ALL)}>
        {(page) => <Table label={props.title} columns={props.columns} items={page().items} />}
      </Load>
    </>
  )
}

const connectionColumns: ReadonlyArray<Column<ConnectionView>> = [
  { id: "connectionId", sort: "asc", isNumber: true, cell: ({ connectionId }) => String(connectionId) },
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
    />
  </>
)

const known = (value: number | null): string => (value === null ? "" : count(value))

const upstreamColumns: ReadonlyArray<Column<UpstreamView>> = [
  { id: "name", cell: ({ connectedTo, name }) => <span class="wrap">{connectedTo ?? name}</span> },
  { id: "state", cell: ({ state }) => <strong class={state}>{state}</strong> },
  { id: "accepted", isNumber: true, cell: ({ accepted }) => known(accepted) },
  { id: "refused", isNumber: true, cell: ({ refused }) => known(refused) },
  { id: "pending", isNumber: true, cell: ({ pending }) => known(pending) },
  { id: "reason", cell: ({ reason }) => reason ?? "" }
]
export const Upstreams = () => <List title={text.views.upstreams} path="/upstreams" columns={upstreamColumns} />

const jobColumns: ReadonlyArray<Column<JobView>> = [
  { id: "at", cell: ({ at }) => time(at) },
  { id: "height", isNumber: true, cell: ({ height }) => String(height) },
  { id: "kind", cell: ({ kind }) => text.jobs[kind] },
  { id: "connections", isNumber: true, cell: ({ connections }) => count(connections) },
  { id: "latencyMs", isNumber: true, cell: ({ latencyMs }) => milliseconds(latencyMs) }
]
export const Jobs = () => <List title={text.views.jobs} path="/jobs" columns={jobColumns} />

const blockColumns: ReadonlyArray<Column<FoundBlock>> = [
  { id: "at", cell: ({ at }) => time(at) },
  { id: "height", isNumber: true, cell: ({ height }) => String(height) },
  { id: "worker", cell: ({ worker }) => worker },
  { id: "hash", isMinor: true, cell: ({ hash }) => <code class="wrap">{hash}</code> },
  { id: "state", cell: ({ refusal }) => (refusal === null ? "" : text.refusedBlock(refusal)) }
]
export const Blocks = () => <List title={text.views.blocks} path="/blocks" columns={blockColumns} />

export const Shares = () => (
  <>
    <h1>{text.views.shares}</h1>
    <Load from={() => get<Page<ShareCount>>("/shares", ALL)}>
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

const alertColumns: ReadonlyArray<Column<AlertView>> = [
  { id: "alert", cell: ({ name }) => name },
  { id: "state", cell: ({ state }) => <strong class={state}>{state}</strong> },
  { id: "subject", cell: ({ subject }) => subject },
  { id: "message", cell: ({ message }) => message },
  { id: "since", cell: ({ since }) => ago(since, now()) },
  { id: "sentAt", isMinor: true, cell: ({ sentAt }) => ago(sentAt, now()) }
]
export const Alerts = () => <List title={text.views.alerts} path="/alerts" columns={alertColumns} />

const eventColumns: ReadonlyArray<Column<EventData>> = [
  { id: "at", cell: ({ at }) => time(at) },
  { id: "event", cell: ({ event }) => event },
  {
    id: "fields",
    cell: ({ fields }) => (
      <span class="wrap">
        {Object.entries(fields)
          .map(([name, value]) => `${name} ${String(value)}`)
          .join(", ")}
      </span>
    )
  }
]
export const Events = () => (
  <>
    <h1>{text.views.events}</h1>
    <Table label={text.views.events} columns={eventColumns} items={events()} />
  </>
)

const logColumns: ReadonlyArray<Column<LogLine>> = [
  { id: "at", cell: ({ at }) => time(at) },
  { id: "level", cell: ({ level }) => <strong class={level}>{level}</strong> },
  { id: "message", cell: ({ message }) => <span class="wrap">{message}</span> }
]
export const Log = () => {
  const [level, setLevel] = createSignal("info")
  const [search, setSearch] = createSignal("")
  return (
    <>
      <h1>{text.views.log}</h1>
      <div class="tools">
        <label>
          {text.level}{" "}
          <select value={level()} onChange={({ currentTarget }) => setLevel(currentTarget.value)}>
            <For each={["trace", "debug", "info", "warn", "error"]}>{(one) => <option>{one}</option>}</For>
          </select>
        </label>
        <label>
          {text.search}{" "}
          <input type="search" maxlength="255" onChange={({ currentTarget }) => setSearch(currentTarget.value)} />
        </label>
      </div>
      <Load
        by={() => ({ level: level(), search: search() })}
        from={(filter) => get<Page<LogLine>>("/logs", { ...ALL, ...filter })}
      >
        {(page) => <Table label={text.views.log} columns={logColumns} items={page().items} />}
      </Load>
    </>
  )
}

const configurationColumns: ReadonlyArray<Column<ConfigurationKey>> = [
  { id: "name", cell: ({ name }) => <code>{name}</code> },
  {
    id: "value",
    cell: ({ isSecret, value }) => (
      <span class="wrap">{isSecret ? text.secret : value === null ? text.notGiven : JSON.stringify(value)}</span>
    )
  },
  { id: "source", isMinor: true, cell: ({ source }) => <span class="wrap">{source}</span> }
]
export const Configuration = () => (
  <List title={text.views.configuration} path="/configuration" columns={configurationColumns} />
)

const changeColumns: ReadonlyArray<Column<AuditEntry>> = [
  { id: "at", cell: ({ at }) => time(at) },
  { id: "remote", cell: ({ remote }) => remote },
  { id: "action", cell: ({ action }) => action },
  { id: "subject", cell: ({ subject }) => <code class="wrap">{subject}</code> },
  { id: "outcome", cell: ({ outcome }) => outcome }
]
export const Changes = () => <List title={text.views.changes} path="/audit" columns={changeColumns} />
