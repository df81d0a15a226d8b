/** What an operator wants to know in three seconds, then the charts. */
import { createSignal, For, type JSX, Show } from "solid-js"
import type { AlertView } from "../../../src/api/alerts.ts"
import type { PresentCoinbase } from "../../../src/api/coinbase.ts"
import type { Page } from "../../../src/api/page.ts"
import { get } from "../api.ts"
import { Card, Fact, Facts } from "../figure.tsx"
import { ago, bitcoins, brief, count, duration, hashes, milliseconds, percent, short } from "../format.ts"
import { HistoryCharts } from "../history.tsx"
import { now, overview } from "../live.ts"
import { createAnswer, Load } from "../load.tsx"
import { to } from "../route.ts"
import { text } from "../text.ts"
import { RateAbout } from "./miners.tsx"
import { loadPlan, toUsers } from "./money.tsx"

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

const refusedText = (): string => (state().refusedPart === null ? "–" : percent(state().refusedPart!))

/** How long a block takes on average with the present rate, in milliseconds. */
const blockMs = (): number | undefined => {
  const { hashRate, networkDifficulty } = state()
  if (networkDifficulty === null || hashRate.hashesPerSecond === 0) return undefined
  return (networkDifficulty * 2 ** 32 * 1000) / hashRate.hashesPerSecond
}

/** What users get with the next block, and when that is to be expected. */
function Next() {
  const expected = () => (blockMs() === undefined ? "–" : duration(blockMs()!))
  return (
    <Show
      when={state().hasLedger}
      fallback={
        <Card title={text.cards.nextBlock} value={expected()}>
          <p class="quiet">{text.cards.onAverage}</p>
        </Card>
      }
    >
      <Load from={() => loadPlan(1)}>
        {(plan) => (
          <Card title={text.cards.nextPayout} value={plan().found ? bitcoins(toUsers(plan().found!)) : "–"}>
            <p class="quiet">
              <Show when={plan().found}>
                {(found) => (
                  <a href={to("payouts")}>{text.cards.toUsers(text.users(found().total, count(found().total)))}</a>
                )}
              </Show>
            </p>
            <p class="quiet">{text.cards.everyOnAverage(expected())}</p>
          </Card>
        )}
      </Load>
    </Show>
  )
}

function LastBlock() {
  return (
    <Card title={text.cards.lastBlock} value={ago(state().lastBlock?.at ?? null, now())}>
      <p class="quiet">
        <Show when={state().lastBlock}>
          {(block) => (
            <>
              {text.cards.foundBy} <a href={to("workers", block().worker)}>{brief(block().worker)}</a>
            </>
          )}
        </Show>
      </p>
    </Card>
  )
}

/** The figures beside the hash rate, with the last block as somebody wants it. */
export function KeyCards(props: { readonly lastBlock: JSX.Element }) {
  return (
    <>
      <Card title={text.cards.refused} value={refusedText()} isBad={state().troubles.includes("many-refused")}>
        <p class="quiet">{state().refusedPart === null ? text.cards.tooFew : text.cards.refusedWindow}</p>
      </Card>
      {props.lastBlock}
      <Show when={state().effort !== null}>
        <Card title={text.cards.effort} value={percent(state().effort!)} part={state().effort!}>
          <p class="quiet">{text.cards.effortAbout}</p>
        </Card>
      </Show>
      <Next />
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
    </>
  )
}

export function OverviewView() {
  const [fees, setFees] = createSignal<number | null>(null)
  createAnswer(
    () => undefined,
    () => get<typeof PresentCoinbase.Type>("/coinbase"),
    ({ coinbase }) => setFees(coinbase?.fees ?? null)
  )
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
        <KeyCards lastBlock={<LastBlock />} />
      </div>
      <Facts>
        <Fact title={text.cards.height} value={count(state().height)} />
        <Fact
          title={text.cards.lastWork}
          value={ago(state().jobs.lastAt, now())}
          isBad={state().troubles.includes("no-work")}
        />
        <Show when={fees()}>{(found) => <Fact title={text.cards.fees} value={bitcoins(found())} />}</Show>
        <Fact title={text.cards.best} value={short(state().bestDifficulty)} />
        <Show when={state().networkDifficulty}>
          {(difficulty) => <Fact title={text.cards.networkDifficulty} value={short(difficulty())} />}
        </Show>
        <Fact title={text.cards.running} value={duration(now() - state().startedAt)} />
      </Facts>
      <HistoryCharts />
    </>
  )
}
