/** What an operator wants to know in three seconds, then the charts. */
import { For, type JSX, Show } from "solid-js"
import { ago, count, duration, hashes, milliseconds, percent, short } from "../format.ts"
import { HistoryCharts } from "../history.tsx"
import { now, overview } from "../live.ts"
import { to } from "../route.ts"
import { text } from "../text.ts"

function Card(props: {
  readonly title: string
  readonly value: string
  readonly isBad?: boolean
  readonly children?: JSX.Element
}) {
  return (
    <section class="card" classList={{ bad: props.isBad ?? false }}>
      <h2>{props.title}</h2>
      <p class="value">{props.value}</p>
      <p class="quiet">{props.children}</p>
    </section>
  )
}

export function OverviewView() {
  const state = () => overview()!
  const rate = () => state().hashRate
  const ofDay = () => {
    const { day } = state().hashRates
    return day ? `, ${text.cards.ofDay(percent(rate().hashesPerSecond / day))}` : ""
  }
  return (
    <>
      <h1 class="sr">{text.views.overview}</h1>
      <div class="status" classList={{ bad: state().troubles.length > 0 }} role="status">
        <Show when={state().troubles.length > 0} fallback={<p>{text.well}</p>}>
          <ul>
            <For each={state().troubles}>{(trouble) => <li>{text.troubles[trouble]}</li>}</For>
          </ul>
        </Show>
      </div>
      <div class="cards">
        <Card title={text.cards.hashRate} value={hashes(rate().hashesPerSecond)}>
          <Show when={rate().shares > 0}>{text.cards.band(hashes(rate().low), hashes(rate().high))}, </Show>
          {text.cards.window(duration(rate().windowSeconds * 1000), count(rate().shares))}
          {ofDay()}
        </Card>
        <Card
          title={text.cards.refused}
          value={state().refusedPart === null ? "–" : percent(state().refusedPart!)}
          isBad={state().troubles.includes("many-refused")}
        >
          {state().refusedPart === null ? text.cards.tooFew : text.cards.refusedWindow}
        </Card>
        <Card title={text.cards.lastBlock} value={ago(state().lastBlock?.at ?? null, now())}>
          <Show when={state().effort !== null}>{text.cards.effort(percent(state().effort!))}, </Show>
          {text.cards.blocks(count(state().blocks))}
        </Card>
        <Card
          title={text.cards.miners}
          value={count(state().channels.standard + state().channels.extended)}
          isBad={state().troubles.includes("no-miners")}
        >
          <a href={to("workers")}>{text.cards.connections(count(state().connections))}</a>
        </Card>
        <Card title={text.cards.height} value={String(state().height)} isBad={state().troubles.includes("no-work")}>
          {text.cards.lastWork(ago(state().jobs.lastAt, now()))}
        </Card>
        <Card title={text.cards.latency} value={milliseconds(state().latency.last)}>
          {text.cards.mean(milliseconds(state().latency.mean))}
        </Card>
        <Card title={text.cards.best} value={short(state().bestDifficulty)}>
          {text.cards.difficulty}
        </Card>
      </div>
      <HistoryCharts />
    </>
  )
}
