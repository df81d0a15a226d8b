/** The frame around all views: the menu, the state of the connection, the question for a token. */
import { createEffect, createSignal, For, type JSX, Match, on, Show, Switch } from "solid-js"
import { Changing } from "./action.tsx"
import { get, Refused, setToken } from "./api.ts"
import { isConnected, needsToken, overview, start } from "./live.ts"
import { Problem } from "./load.tsx"
import { route, to } from "./route.ts"
import { text } from "./text.ts"
import { choose, chosen, theme } from "./theme.ts"
import { Channel } from "./views/channel.tsx"
import {
  Alerts,
  Changes,
  Configuration,
  ConnectionPage,
  Connections,
  Events,
  Jobs,
  Log,
  Shares,
  Upstreams
} from "./views/lists.tsx"
import { Account, Accounts, Payout, Payouts } from "./views/money.tsx"
import { OverviewView } from "./views/overview.tsx"
import { SharedView, UserView, Users, Workers, WorkerView } from "./views/miners.tsx"
import { Blocks, CoinbaseView } from "./views/work.tsx"
import { Wall } from "./views/wall.tsx"

type View = Exclude<keyof typeof text.views, "docs">

const GROUPS: ReadonlyArray<{ readonly label?: string; readonly views: ReadonlyArray<View> }> = [
  { views: ["overview"] },
  { label: text.groups.miners, views: ["workers", "users", "connections"] },
  { label: text.groups.work, views: ["upstreams", "coinbase", "jobs", "blocks", "shares"] },
  { label: text.groups.money, views: ["payouts", "accounts"] },
  { label: text.groups.watch, views: ["alerts", "events", "log"] },
  { label: text.groups.server, views: ["configuration", "changes"] }
]

/** A list, or one of its items if the address names one. */
const listOr = (list: () => JSX.Element, one: (name: string) => JSX.Element) => () => (
  <Show when={route()[1]} keyed fallback={list()}>
    {one}
  </Show>
)

const views: Readonly<Record<View, () => JSX.Element>> = {
  overview: OverviewView,
  workers: listOr(Workers, (name) => <WorkerView name={name} />),
  users: listOr(Users, (name) => <UserView name={name} />),
  connections: listOr(Connections, (id) => (
    <Show when={route()[2]} keyed fallback={<ConnectionPage id={id} />}>
      {(channel) => <Channel connection={id} channel={channel} />}
    </Show>
  )),
  upstreams: Upstreams,
  coinbase: CoinbaseView,
  jobs: Jobs,
  blocks: Blocks,
  shares: Shares,
  payouts: listOr(Payouts, (hash) => <Payout hash={hash} />),
  accounts: listOr(Accounts, (name) => <Account name={name} />),
  alerts: Alerts,
  events: Events,
  log: Log,
  configuration: Configuration,
  changes: Changes,
  wall: Wall
}

const present = (): View => (Object.keys(views) as Array<View>).find((view) => view === route()[0]) ?? "overview"
const isShared = () => route()[0] === "shared"

export function App() {
  const isWall = () => present() === "wall" && !needsToken()
  createEffect(() => {
    const state = overview()
    const name = route()[1] ?? text.views[present()]
    const sign = state !== undefined && state.troubles.length > 0 ? "(!) " : ""
    document.title = isShared() || state === undefined ? "Sluice" : `${sign}${name} · Sluice ${text.title[state.role]}`
  })
  return (
    <div class="app" classList={{ bare: isShared() || needsToken(), whole: isWall() }} data-theme={theme()}>
      <a
        class="skip"
        href="#content"
        onClick={(event) => (event.preventDefault(), document.querySelector("main")?.focus())}
      >
        {text.skip}
      </a>
      <Show when={!isWall()}>
        <Bar />
      </Show>
      <div class="page">
        <Show when={!isConnected() && !needsToken()}>
          <p class="trouble banner" role="alert">
            {text.lost}
          </p>
        </Show>
        <main id="content" tabindex="-1">
          <Switch>
            <Match when={isShared()}>
              <SharedView link={route()[1] ?? ""} worker={route()[2]} />
            </Match>
            <Match when={needsToken()}>
              <TokenForm />
            </Match>
            <Match when={overview()}>
              <For each={[present()]}>{(view) => views[view]()}</For>
            </Match>
            <Match when={true}>
              <p class="quiet">{text.loading}</p>
            </Match>
          </Switch>
        </main>
      </div>
      <Changing />
    </div>
  )
}

/** The name of the program, and the menu: beside the view, or above it behind a button where there is little room. */
function Bar() {
  const [isOpen, setOpen] = createSignal(false)
  createEffect(on(route, () => setOpen(false)))
  const hasMenu = () => !isShared() && !needsToken()
  const firing = () => overview()?.troubles.includes("alerts-firing") ?? false
  return (
    <header class="bar" classList={{ open: isOpen() }}>
      <a class="name" href={isShared() ? to("shared", route()[1] ?? "") : to("overview")}>
        <img src="/icon.svg" alt="" width="28" height="28" />
        Sluice
        <Show when={overview()}>{(state) => <span class="quiet">{text.title[state().role]}</span>}</Show>
      </a>
      <Show when={hasMenu()}>
        <button
          type="button"
          class="menu"
          aria-expanded={isOpen()}
          aria-controls="menu"
          onClick={() => setOpen((before) => !before)}
        >
          {text.openMenu}
        </button>
      </Show>
      <div class="side" id="menu">
        <Show when={hasMenu()}>
          <nav aria-label={text.menu}>
            <For each={GROUPS.filter(({ label }) => label !== text.groups.money || overview()?.hasLedger)}>
              {(group) => (
                <div>
                  <Show when={group.label}>
                    <p>{group.label}</p>
                  </Show>
                  <For each={group.views}>
                    {(view) => (
                      <a href={to(view)} aria-current={present() === view ? "page" : undefined}>
                        {text.views[view]}
                        <Show when={view === "alerts" && firing()}>
                          <span class="dot" aria-hidden="true" />
                        </Show>
                      </a>
                    )}
                  </For>
                </div>
              )}
            </For>
            <div class="last">
              <a href="/api/docs">{text.views.docs}</a>
              <a href={to("wall")}>{text.views.wall}</a>
            </div>
          </nav>
        </Show>
        <label class="theme">
          <span class="quiet">{text.theme.label}</span>
          <select value={chosen()} onChange={({ currentTarget }) => choose(currentTarget.value as "auto")}>
            <For each={["auto", "light", "dark"] as const}>
              {(one) => <option value={one}>{text.theme[one]}</option>}
            </For>
          </select>
        </label>
      </div>
    </header>
  )
}

function TokenForm() {
  const [problem, setProblem] = createSignal("")
  const [token, enter] = createSignal("")
  const open = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    setProblem("")
    setToken(token())
    try {
      await get("/overview")
      void start()
    } catch (error) {
      const isToken = error instanceof Refused && error.status === 401
      setProblem(isToken ? text.token.wrong : error instanceof Error ? error.message : String(error))
    }
  }
  return (
    <form class="token card" onSubmit={(event) => void open(event)}>
      <h1>{text.token.title}</h1>
      <p class="quiet">{text.token.about}</p>
      <label>
        {text.token.label}
        <input
          type="password"
          autocomplete="current-password"
          required
          onInput={({ currentTarget }) => enter(currentTarget.value)}
        />
      </label>
      <Problem text={problem()} />
      <button type="submit" class="primary">
        {text.token.open}
      </button>
    </form>
  )
}
