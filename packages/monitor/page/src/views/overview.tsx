/** What an operator wants to know in three seconds, then the charts. */
import { For, Show } from "solid-js"
import type { AlertView } from "../../../src/api/alerts.ts"
import type { Page } from "../../../src/api/page.ts"
import { get } from "../api.ts"
import { Card, Fact, Facts } from "../figure.tsx"
import { ago, count, duration, hashes, milliseconds, percent, short } from "../format.ts"
import { HistoryCharts } from "../history.tsx"
import { now, overview } from "../live.ts"
import { Load } from "../load.tsx"
import { to } from "../route.ts"
import { text } from "../text.ts"
import { RateAbout } from "./miners.tsx"

const state = () => overview()!

/** All is well, or what is not. */
export function Status() {
  const isBad = () => state().troubles.length > 0
  return (
    <div class="status" classList={{ bad: isBad() }} role="status">
      <Show when={isBad()} fallback={<p>{text.well}</p>}>
        <ul>
          <For each={state().troubles}>
            {(trouble) => (
              <li>
                {text.troubles[trouble]}
                <Show when={trouble === "alerts-firing"}>
                  <FiringAlerts />
                </Show>
              </li>
            )}
          </For>
        </ul>
      </Show>
    </div>
  )
}

function FiringAlerts() {
  return (
    <Load from={() => get<Page<AlertView>>("/alerts")}>
      {(page) => (
        <ul class="firing">
          <For each={page().items.filter((alert) => alert.state === "firing")}>
            {({ message }) => (
              <li>
                <a href={to("alerts")}>{message}</a>
              </li>
            )}
          </For>
        </ul>
      )}
    </Load>
  )
}

/** How far the rate of now is from its day's, such as `1.4 % above its day`. */
export const againstDay = (): string => {
  const { hashRate, hashRates } = state()
  if (!hashRates.day) return text.cards.noDay
  const difference = hashRate.hashesPerSecond / hashRates.day - 1
  return text.cards.ofDay(percent(Math.abs(difference)), difference < 0)
}

export const refusedText = (): string => (state().refusedPart === null ? "–" : percent(state().refusedPart!))

export function OverviewView() {
  const rate = () => state().hashRate
  const rates = () => state().hashRates
  return (
    <>
      <h1 class="sr">{text.views.overview}</h1>
      <Status />
      <div class="cards">
        <Card title={text.cards.hashRate} value={hashes(rate().hashesPerSecond)} isHero>
          <p>{againstDay()}</p>
          <RateAbout rate={rate()} />
          <Facts>
            <Fact title={text.cards.minute} value={hashes(rates().oneMinute)} />
            <Fact title={text.cards.hour} value={hashes(rates().oneHour)} />
            <Fact title={text.cards.day} value={rates().day === null ? "–" : hashes(rates().day!)} />
          </Facts>
        </Card>
        <Card title={text.cards.refused} value={refusedText()} isBad={state().troubles.includes("many-refused")}>
          <p class="quiet">{state().refusedPart === null ? text.cards.tooFew : text.cards.refusedWindow}</p>
        </Card>
        <Card title={text.cards.lastBlock} value={ago(state().lastBlock?.at ?? null, now())}>
          <p class="quiet">
            <Show when={state().lastBlock}>
              {(block) => (
                <>
                  {text.cards.foundBy(count(block().height))}{" "}
                  <a href={to("workers", block().worker)}>{block().worker}</a>
                </>
              )}
            </Show>
          </p>
        </Card>
        <Show when={state().effort !== null}>
          <Card title={text.cards.effort} value={percent(state().effort!)} part={state().effort!}>
            <p class="quiet">{text.cards.effortAbout}</p>
          </Card>
        </Show>
        <Card
          title={text.cards.miners}
          value={count(state().channels.standard + state().channels.extended)}
          isBad={state().troubles.includes("no-miners")}
        >
          <p class="quiet">
            <a href={to("connections")}>{text.cards.connected(count(state().connections))}</a>
          </p>
        </Card>
        <Card title={text.cards.latency} value={milliseconds(state().latency.last)}>
          <p class="quiet">{text.cards.mean(milliseconds(state().latency.mean))}</p>
        </Card>
        <Card title={text.cards.best} value={short(state().bestDifficulty)}>
          <Show when={state().networkDifficulty}>
            {(difficulty) => <p class="quiet">{text.cards.ofBlock(percent(state().bestDifficulty / difficulty()))}</p>}
          </Show>
        </Card>
      </div>
      <Facts>
        <Fact title={text.cards.height} value={count(state().height)} />
        <Fact
          title={text.cards.lastWork}
          value={ago(state().jobs.lastAt, now())}
          isBad={state().troubles.includes("no-work")}
        />
        <Fact title={text.views.users} value={count(state().users)} />
        <Show when={state().networkDifficulty}>
          {(difficulty) => <Fact title={text.cards.networkDifficulty} value={short(difficulty())} />}
        </Show>
        <Fact title={text.cards.running} value={duration(now() - state().startedAt)} />
      </Facts>
      <HistoryCharts />
    </>
  )
}
