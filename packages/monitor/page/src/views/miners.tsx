/** Workers and users: lists of any length, and one of each. */
import { createSignal, type JSX, Show } from "solid-js"
import type { WorkerHistory } from "../../../src/api/history.ts"
import type { ChannelView, UserPageView, UserView as User, WorkerView as Worker } from "../../../src/api/miners.ts"
import { ChangeButton } from "../action.tsx"
import { find, get } from "../api.ts"
import { closeChannel, reconnect } from "../changes.ts"
import { Card, Fact, Facts } from "../figure.tsx"
import { ago, brief, count, duration, hashes, percent, range, short } from "../format.ts"
import { HashRateChart, SharesChart } from "../history.tsx"
import { now } from "../live.ts"
import { Load } from "../load.tsx"
import { to } from "../route.ts"
import { type Column, List, LongTable, Table } from "../table.tsx"
import { text } from "../text.ts"
import { Money, SharedEntries } from "./money.tsx"

type UserPage = typeof UserPageView.Type
const WEEK = 7 * 86_400_000

type Rated = Pick<Worker, "hashRate">

/** Half the width of a band, where that says something: from a share or two nothing is sure. */
const marginOf = (rate: number, width: number): string => (width < 2 * rate ? `±${percent(width / 2 / rate)}` : "")

/** A rate, with half the width of its band. */
const rateCell = ({ hashRate: { hashesPerSecond, high, low } }: Rated): JSX.Element => (
  <span title={text.cards.band(range(hashes, low, high))}>
    {hashes(hashesPerSecond)}
    <span class="quiet margin">{marginOf(hashesPerSecond, high - low)}</span>
  </span>
)

/** How a rate was taken, and how sure it is. */
export function RateAbout(props: { readonly rate: Worker["hashRate"] }) {
  return (
    <p class="quiet">
      <Show when={props.rate.shares > 0}>{text.cards.band(range(hashes, props.rate.low, props.rate.high))}, </Show>
      {text.cards.window(count(props.rate.shares), duration(props.rate.windowSeconds * 1000))}
    </p>
  )
}

/** The columns that workers, users and channels share. */
const rated = [
  { id: "hashRate", sort: "desc", isNumber: true, cell: rateCell },
  { id: "accepted", sort: "desc", isNumber: true, isMinor: true, cell: ({ accepted }) => count(accepted) },
  {
    id: "refused",
    sort: "desc",
    isNumber: true,
    cell: ({ refused }) => (refused === 0 ? <span class="quiet">0</span> : count(refused))
  }
] as const satisfies ReadonlyArray<Column<Rated & Pick<Worker, "accepted" | "refused">>>

const difficulty: Column<Pick<Worker, "difficulty">> = {
  id: "difficulty",
  sort: "desc",
  isNumber: true,
  isMinor: true,
  cell: (item) => short(item.difficulty)
}

/** Workers, with the address of each one's own page. */
const workerColumns = (page: (worker: string) => string): ReadonlyArray<Column<Worker>> => [
  {
    id: "worker",
    sort: "asc",
    cell: ({ worker }) => (
      <a href={page(worker)} title={worker}>
        {brief(worker)}
      </a>
    )
  },
  ...rated,
  { id: "hashRateHour", isNumber: true, isMinor: true, cell: ({ hashRateHour }) => hashes(hashRateHour) },
  difficulty,
  { id: "connectedSince", sort: "asc", isMinor: true, cell: ({ connectedSince }) => duration(now() - connectedSince) }
]
const ownPage = (worker: string): string => to("workers", worker)

export function Workers() {
  return (
    <>
      <h1>{text.views.workers}</h1>
      <LongTable
        label={text.views.workers}
        path="/workers"
        columns={workerColumns(ownPage)}
        sort="hashRate"
        order="desc"
      />
    </>
  )
}

const channelColumns: ReadonlyArray<Column<ChannelView>> = [
  {
    id: "connectionId",
    cell: ({ connectionId }) => <a href={to("connections", String(connectionId))}>{connectionId}</a>
  },
  {
    id: "channelId",
    cell: ({ channelId, connectionId }) => (
      <a href={to("connections", String(connectionId), String(channelId))}>{channelId}</a>
    )
  },
  { id: "kind", isMinor: true, cell: ({ kind }) => kind },
  ...rated,
  difficulty,
  { id: "openedSince", isMinor: true, cell: ({ openedAt }) => duration(now() - openedAt) },
  {
    id: "changes",
    cell: (channel) => (
      <span class="buttons">
        <ChangeButton change={closeChannel(channel)} />
        <ChangeButton change={reconnect(channel.connectionId)} />
      </span>
    )
  }
]

/** The channels of a worker, or of a connection. */
export function Channels(props: {
  readonly query: Readonly<Record<string, string>>
  readonly only?: (channel: ChannelView) => boolean
}) {
  return (
    <>
      <h2>{text.columns.channels}</h2>
      <List
        label={text.columns.channels}
        path="/channels"
        columns={channelColumns}
        query={props.query}
        only={props.only}
      />
    </>
  )
}

/** The figures of one worker or user. */
function Figures(props: { readonly of: Worker | User; readonly children?: JSX.Element }) {
  const rate = () => props.of.hashRate
  return (
    <div class="cards low">
      <Card title={text.cards.hashRate} value={hashes(rate().hashesPerSecond)} isHero>
        <RateAbout rate={rate()} />
        <Facts>
          <Fact title={text.cards.rateHour} value={hashes(props.of.hashRateHour)} />
          <Fact title={text.cards.best} value={short(props.of.bestDifficulty)} />
        </Facts>
      </Card>
      <Card title={text.charts.accepted} value={count(props.of.accepted)} />
      <Card title={text.charts.refused} value={count(props.of.refused)} />
      {props.children}
    </div>
  )
}

/** One worker; `history` is the path of its history. It may be away, and has a history all the same. */
function OneWorker(props: { readonly worker: Worker | undefined; readonly history: string }) {
  return (
    <>
      <Show when={props.worker}>
        {(worker) => (
          <Figures of={worker()}>
            <Card title={text.columns.difficulty} value={short(worker().difficulty)}>
              <p class="quiet">{text.connectedSince(duration(now() - worker().connectedSince))}</p>
            </Card>
          </Figures>
        )}
      </Show>
      <h2>{text.week}</h2>
      <Load by={() => props.history} from={(path) => find<WorkerHistory>(`${path}?from=${Math.floor(now() - WEEK)}`)}>
        {(answer) => (
          <Show when={answer().found} fallback={<p class="quiet">{text.charts.empty}</p>}>
            {(history) => (
              <div class="charts">
                <HashRateChart history={history()} />
                <SharesChart history={history()} />
              </div>
            )}
          </Show>
        )}
      </Load>
    </>
  )
}

export function WorkerView(props: { readonly name: string }) {
  const path = () => `/workers/${encodeURIComponent(props.name)}`
  return (
    <>
      <h1>{props.name}</h1>
      <Load from={() => find<Worker>(path())}>
        {(answer) => (
          <>
            <Show when={answer().found} fallback={<p class="crumbs">{text.isAway}</p>}>
              {(worker) => (
                <p class="crumbs">
                  {text.columns.user} <a href={to("users", worker().user)}>{worker().user}</a>
                </p>
              )}
            </Show>
            <OneWorker worker={answer().found} history={`${path()}/history`} />
          </>
        )}
      </Load>
      <Channels query={{ search: props.name }} only={({ worker }) => worker === props.name} />
    </>
  )
}

const userColumns: ReadonlyArray<Column<User>> = [
  {
    id: "user",
    sort: "asc",
    cell: ({ user }) => (
      <a href={to("users", user)} title={user}>
        {brief(user)}
      </a>
    )
  },
  ...rated,
  { id: "channels", sort: "desc", isNumber: true, cell: ({ channels }) => count(channels) },
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
      <p class="tools">
        <span class="quiet">{text.shareLink}</span>
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
      <Load from={() => get<UserPage>(path(), { limit: 1000 })}>
        {(user) => <OneUser user={user()} page={ownPage} isOperator />}
      </Load>
    </>
  )
}

function OneUser(props: {
  readonly user: UserPage
  readonly page: (worker: string) => string
  readonly isOperator?: boolean
}) {
  return (
    <>
      <Figures of={props.user}>
        <Card title={text.views.workers} value={count(props.user.workers.total)}>
          <p class="quiet">{text.lastShare(ago(props.user.lastShareAt, now()))}</p>
        </Card>
      </Figures>
      <Show when={props.user.account}>
        {(account) => <Money account={account()} next={props.user.nextPayment} isLinked={props.isOperator ?? false} />}
      </Show>
      <h2>{text.views.workers}</h2>
      <Table label={text.views.workers} columns={workerColumns(props.page)} items={props.user.workers.items} />
    </>
  )
}

/** What whoever has a user's link sees: that user's own numbers, and a page for each worker. */
export function SharedView(props: { readonly link: string; readonly worker: string | undefined }) {
  const path = () => `/shared/${encodeURIComponent(props.link)}`
  return (
    <Load by={path} from={(found) => get<UserPage>(found, { limit: 1000 })}>
      {(user) => (
        <Show
          when={props.worker}
          keyed
          fallback={
            <>
              <h1>{user().user}</h1>
              <OneUser user={user()} page={(worker) => to("shared", props.link, worker)} />
              <SharedEntries path={path()} />
            </>
          }
        >
          {(name) => (
            <>
              <h1>{name}</h1>
              <p class="crumbs">
                <a href={to("shared", props.link)}>{user().user}</a>
              </p>
              <OneWorker
                worker={user().workers.items.find(({ worker }) => worker === name)}
                history={`${path()}/history/${encodeURIComponent(name)}`}
              />
            </>
          )}
        </Show>
      )}
    </Load>
  )
}
