/** Workers and users: lists of any length, and one of each. */
import { createResource, createSignal, type JSX, Show } from "solid-js"
import type { WorkerHistory } from "../../../src/api/history.ts"
import type { UserPageView, UserView as User, WorkerView as Worker } from "../../../src/api/miners.ts"
import { get } from "../api.ts"
import { Chart } from "../chart.tsx"
import { ago, count, hashes, short } from "../format.ts"
import { bandOf } from "../history.tsx"
import { now } from "../live.ts"
import { Load } from "../load.tsx"
import { to } from "../route.ts"
import { type Column, LongTable, Table } from "../table.tsx"
import { text } from "../text.ts"

type UserPage = typeof UserPageView.Type
const WEEK = 7 * 86_400_000

/** A rate, with its band where the pointer is, and for screen readers. */
const rateCell = ({ hashRate }: Pick<Worker, "hashRate">): JSX.Element => (
  <span title={text.cards.band(hashes(hashRate.low), hashes(hashRate.high))}>{hashes(hashRate.hashesPerSecond)}</span>
)

const workerColumns = (linked: boolean): ReadonlyArray<Column<Worker>> => [
  {
    id: "worker",
    sort: "asc",
    cell: ({ worker }) => (linked ? <a href={to("workers", worker)}>{worker}</a> : worker)
  },
  { id: "hashRate", sort: "desc", isNumber: true, cell: rateCell },
  { id: "hashRateHour", isNumber: true, isMinor: true, cell: ({ hashRateHour }) => hashes(hashRateHour) },
  { id: "accepted", sort: "desc", isNumber: true, cell: ({ accepted }) => count(accepted) },
  { id: "refused", sort: "desc", isNumber: true, cell: ({ refused }) => count(refused) },
  { id: "difficulty", sort: "desc", isNumber: true, isMinor: true, cell: ({ difficulty }) => short(difficulty) },
  { id: "connectedSince", sort: "asc", isMinor: true, cell: ({ connectedSince }) => ago(connectedSince, now()) }
]

export function Workers() {
  return (
    <>
      <h1>{text.views.workers}</h1>
      <LongTable
        label={text.views.workers}
        path="/workers"
        columns={workerColumns(true)}
        sort="hashRate"
        order="desc"
      />
    </>
  )
}

export function WorkerView(props: { readonly name: string }) {
  const path = () => `/workers/${encodeURIComponent(props.name)}`
  return (
    <>
      <h1>{props.name}</h1>
      <Load from={() => get<Worker>(path())}>
        {(worker) => <Table label={props.name} columns={workerColumns(false)} items={[worker()]} />}
      </Load>
      <h2>{text.history}</h2>
      <Load from={() => get<WorkerHistory>(`${path()}/history`, { from: Math.floor(now() - WEEK) })}>
        {(history) => <WorkerCharts {...history()} />}
      </Load>
    </>
  )
}

function WorkerCharts(history: WorkerHistory) {
  const { accepted, at, hashRate, refused } = history
  return (
    <div class="charts">
      <Chart
        title={text.charts.hashRate}
        at={at}
        show={hashes}
        series={[{ label: text.charts.mean, values: hashRate, band: bandOf(hashRate, accepted) }]}
      />
      <Chart
        title={text.views.shares}
        at={at}
        show={short}
        series={[
          { label: text.charts.accepted, values: accepted },
          { label: text.charts.refused, values: refused }
        ]}
      />
    </div>
  )
}

const userColumns: ReadonlyArray<Column<User>> = [
  { id: "user", sort: "asc", cell: ({ user }) => <a href={to("users", user)}>{user}</a> },
  { id: "hashRate", sort: "desc", isNumber: true, cell: rateCell },
  { id: "channels", sort: "desc", isNumber: true, cell: ({ channels }) => count(channels) },
  { id: "accepted", sort: "desc", isNumber: true, cell: ({ accepted }) => count(accepted) },
  { id: "refused", sort: "desc", isNumber: true, cell: ({ refused }) => count(refused) },
  { id: "lastShareAt", sort: "desc", isMinor: true, cell: ({ lastShareAt }) => ago(lastShareAt, now()) }
]

export function Users() {
  return (
    <>
      <h1>{text.views.users}</h1>
      <LongTable label={text.views.users} path="/users" columns={userColumns} sort="hashRate" order="desc" />
    </>
  )
}

export function UserView(props: { readonly name: string }) {
  const [link, setLink] = createSignal<string>()
  const path = () => `/users/${encodeURIComponent(props.name)}`
  const makeLink = async (): Promise<void> => {
    const found = await get<{ readonly link: string }>(`${path()}/link`).catch((error: Error) => error)
    setLink(found instanceof Error ? found.message : `${location.origin}${found.link}`)
  }
  return (
    <>
      <h1>{props.name}</h1>
      <Load from={() => get<UserPage>(path(), { limit: 1000 })}>{(user) => <UserTables user={user()} linked />}</Load>
      <p>
        {text.shareLink}:{" "}
        <Show
          when={link()}
          fallback={
            <button type="button" onClick={() => void makeLink()}>
              {text.makeLink}
            </button>
          }
        >
          <output class="wrap">{link()}</output>
        </Show>
      </p>
    </>
  )
}

function UserTables(props: { readonly user: UserPage; readonly linked: boolean }) {
  return (
    <>
      <Table label={props.user.user} columns={userColumns.slice(1)} items={[props.user]} />
      <h2>{text.views.workers}</h2>
      <Table label={text.views.workers} columns={workerColumns(props.linked)} items={props.user.workers.items} />
    </>
  )
}

/** The page of a user who has a link: its own numbers, and the history of its workers. */
export function SharedView(props: { readonly link: string }) {
  const path = () => `/shared/${encodeURIComponent(props.link)}`
  const [worker, setWorker] = createSignal<string>()
  const [history] = createResource(worker, (name) =>
    get<WorkerHistory>(`${path()}/history/${encodeURIComponent(name)}`, { from: Math.floor(now() - WEEK) })
  )
  return (
    <Load from={() => get<UserPage>(path(), { limit: 1000 })}>
      {(user) => (
        <>
          <h1>{user().user}</h1>
          <UserTables user={user()} linked={false} />
          <label>
            {text.history}{" "}
            <select onChange={({ currentTarget }) => setWorker(currentTarget.value || undefined)}>
              <option value="">–</option>
              {user().workers.items.map((one) => (
                <option selected={one.worker === worker()}>{one.worker}</option>
              ))}
            </select>
          </label>
          <Show when={!history.error && history.latest}>{(found) => <WorkerCharts {...found()} />}</Show>
        </>
      )}
    </Load>
  )
}
