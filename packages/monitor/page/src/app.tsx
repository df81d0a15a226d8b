/** The frame around all views: the menu, the state of the connection, the question for a token. */
import { createSignal, For, type JSX, Match, Show, Switch } from "solid-js"
import { setToken } from "./api.ts"
import { isConnected, needsToken, overview, start } from "./live.ts"
import { route, to } from "./route.ts"
import { text } from "./text.ts"
import { choose, chosen, theme } from "./theme.ts"
import {
  Alerts,
  Blocks,
  Changes,
  Configuration,
  Connections,
  Events,
  Jobs,
  Log,
  Shares,
  Upstreams
} from "./views/lists.tsx"
import { OverviewView } from "./views/overview.tsx"
import { SharedView, UserView, Users, Workers, WorkerView } from "./views/miners.tsx"

const VIEWS = [
  "overview",
  "workers",
  "users",
  "connections",
  "upstreams",
  "jobs",
  "blocks",
  "shares",
  "alerts",
  "events",
  "log",
  "configuration",
  "changes"
] as const
type View = (typeof VIEWS)[number]

const views: Readonly<Record<View, () => JSX.Element>> = {
  overview: OverviewView,
  workers: () => (
    <Show when={route()[1]} keyed fallback={<Workers />}>
      {(name) => <WorkerView name={name} />}
    </Show>
  ),
  users: () => (
    <Show when={route()[1]} keyed fallback={<Users />}>
      {(name) => <UserView name={name} />}
    </Show>
  ),
  connections: Connections,
  upstreams: Upstreams,
  jobs: Jobs,
  blocks: Blocks,
  shares: Shares,
  alerts: Alerts,
  events: Events,
  log: Log,
  configuration: Configuration,
  changes: Changes
}

const present = (): View => VIEWS.find((view) => view === route()[0]) ?? "overview"

export function App() {
  const isShared = () => route()[0] === "shared"
  return (
    <div class="app" data-theme={theme()}>
      <a
        class="skip"
        href="#content"
        onClick={(event) => (event.preventDefault(), document.querySelector("main")?.focus())}
      >
        {text.skip}
      </a>
      <header>
        <a class="name" href={isShared() ? undefined : to("overview")}>
          Sluice <Show when={overview()}>{(state) => <span class="quiet">{text.title[state().role]}</span>}</Show>
        </a>
        <Show when={!isShared() && !needsToken()}>
          <nav aria-label={text.menu}>
            <For each={VIEWS}>
              {(view) => (
                <a href={to(view)} aria-current={present() === view ? "page" : undefined}>
                  {text.views[view]}
                </a>
              )}
            </For>
            <a href="/api/docs">{text.views.docs}</a>
          </nav>
        </Show>
        <label class="theme">
          {text.theme.label}{" "}
          <select value={chosen()} onChange={({ currentTarget }) => choose(currentTarget.value as "auto")}>
            <For each={["auto", "light", "dark"] as const}>
              {(one) => <option value={one}>{text.theme[one]}</option>}
            </For>
          </select>
        </label>
      </header>
      <Show when={!isConnected() && !needsToken()}>
        <p class="trouble banner" role="alert">
          {text.lost}
        </p>
      </Show>
      <main id="content" tabindex="-1">
        <Switch>
          <Match when={isShared()}>
            <SharedView link={route().slice(1).join("/")} />
          </Match>
          <Match when={needsToken()}>
            <TokenForm />
          </Match>
          <Match when={overview()}>
            <For each={[present()]}>{(view) => views[view]()}</For>
          </Match>
          <Match when={true}>
            <h1>{text.loading}</h1>
          </Match>
        </Switch>
      </main>
    </div>
  )
}

function TokenForm() {
  const [isWrong, setWrong] = createSignal(false)
  const [token, enter] = createSignal("")
  const open = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    setWrong(false)
    setToken(token())
    void start()
    // The form is still there when the server has refused the token.
    setTimeout(() => needsToken() && setWrong(true), 500)
  }
  return (
    <form class="token" onSubmit={(event) => void open(event)}>
      <h1>{text.token.title}</h1>
      <p>{text.token.about}</p>
      <label>
        {text.token.label}{" "}
        <input
          type="password"
          autocomplete="current-password"
          required
          onInput={({ currentTarget }) => enter(currentTarget.value)}
        />
      </label>
      <button type="submit">{text.token.open}</button>
      <Show when={isWrong()}>
        <p class="trouble" role="alert">
          {text.token.wrong}
        </p>
      </Show>
    </form>
  )
}
