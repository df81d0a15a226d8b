/** The charts of the totals, over a time that somebody chooses. */
import { createSignal, For, type JSX, Show } from "solid-js"
import type { History, RefusedHistory, Resolution } from "../../src/api/history.ts"
import { get } from "./api.ts"
import { Chart } from "./chart.tsx"
import { bitcoins, hashes, milliseconds, percent, short } from "./format.ts"
import { now } from "./live.ts"
import { Load } from "./load.tsx"
import { text } from "./text.ts"

export type Span = keyof typeof text.charts.spans

const HOUR = 3_600_000

export const SPANS: Readonly<Record<Span, { readonly resolution: Resolution; readonly ms: number }>> = {
  hour: { resolution: "10s", ms: HOUR },
  day: { resolution: "1m", ms: 24 * HOUR },
  week: { resolution: "10m", ms: 7 * 24 * HOUR },
  months: { resolution: "10m", ms: 61 * 24 * HOUR },
  always: { resolution: "1d", ms: 10 * 365 * 24 * HOUR }
}

const [span, setSpan] = createSignal<Span>("hour")

export const loadHistory = (chosen: Span): Promise<History> => {
  const { ms, resolution } = SPANS[chosen]
  return get<History>("/history", { resolution, from: Math.floor(now() - ms) })
}

const loadAll = (chosen: Span): Promise<readonly [History, RefusedHistory]> => {
  const { ms, resolution } = SPANS[chosen]
  return Promise.all([
    loadHistory(chosen),
    get<RefusedHistory>("/history/refused", { resolution, from: Math.floor(now() - ms) })
  ])
}

export function HistoryCharts() {
  return (
    <section class="history">
      <div class="heading">
        <h2>{text.history}</h2>
        <fieldset class="segments">
          <legend class="sr">{text.charts.span}</legend>
          <For each={Object.keys(SPANS) as Array<Span>}>
            {(one) => (
              <label>
                <input type="radio" name="span" checked={span() === one} onChange={() => setSpan(one)} />
                {text.charts.spans[one]}
              </label>
            )}
          </For>
        </fieldset>
      </div>
      <Load by={span} from={loadAll}>
        {(answer) => <Charts history={answer()[0]} refused={answer()[1]} />}
      </Load>
      <p class="quiet note">{text.charts.gap}</p>
    </section>
  )
}

type Values = ReadonlyArray<number | null>

/** The bounds of a rate that these shares are known of: the square root of their number is sure within 0.98. */
export const bandOf = (rates: Values, shares: Values) => {
  const scaled = (factor: (count: number) => number) =>
    rates.map((rate, index) => {
      const count = shares[index]
      return rate === null || count === null || count === undefined || count === 0
        ? null
        : (rate * factor(count)) / count
    })
  return {
    low: scaled((count) => Math.max(0, Math.sqrt(count) - 0.98) ** 2),
    high: scaled((count) => (Math.sqrt(count + 1) + 0.98) ** 2)
  }
}

type Rates = Pick<History, "at" | "hashRate" | "accepted">

export function HashRateChart(props: { readonly history: Rates; readonly isMain?: boolean }) {
  const { charts } = text
  const band = () => bandOf(props.history.hashRate, props.history.accepted)
  return (
    <Chart
      title={charts.hashRate}
      at={props.history.at}
      show={hashes}
      isMain={props.isMain ?? false}
      series={[{ label: charts.mean, values: props.history.hashRate, band: band() }]}
    />
  )
}

export function SharesChart(props: { readonly history: Rates & Pick<History, "refused" | "stepSeconds"> }) {
  const perMinute = (values: Values) => aMinute(values, props.history.stepSeconds)
  return (
    <Chart
      title={text.charts.shares}
      at={props.history.at}
      show={short}
      series={[
        { label: text.charts.accepted, values: perMinute(props.history.accepted) },
        { label: text.charts.refused, values: perMinute(props.history.refused) }
      ]}
    />
  )
}

const aMinute = (values: Values, stepSeconds: number): Values =>
  values.map((value) => (value === null ? null : (value * 60) / stepSeconds))

function Charts(props: { readonly history: History; readonly refused: RefusedHistory }): JSX.Element {
  const { charts } = text
  const series = (...named: ReadonlyArray<readonly [label: string, values: Values]>) =>
    named.map(([label, values]) => ({ label, values }))
  const at = () => props.history.at
  return (
    <div class="charts">
      <HashRateChart history={props.history} isMain />
      <SharesChart history={props.history} />
      <Chart
        title={charts.refusedByCode}
        at={props.refused.at}
        show={short}
        empty={charts.noneRefused}
        series={Object.entries(props.refused.byCode)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([label, values], index) => ({
            label,
            values: aMinute(values, props.refused.stepSeconds),
            colour: index + 1
          }))}
      />
      <Chart
        title={charts.latency}
        at={at()}
        show={milliseconds}
        series={series([charts.job, props.history.jobLatencyMs], [charts.reply, props.history.replyLatencyMs])}
      />
      <Chart
        title={charts.connections}
        at={at()}
        show={short}
        series={series([charts.connections, props.history.connections], [charts.channels, props.history.workers])}
      />
      <Show when={props.history.fees.some((fees) => fees !== null)}>
        <Chart title={charts.fees} at={at()} show={bitcoins} series={series([charts.fees, props.history.fees])} />
      </Show>
      <Chart title={charts.effort} at={at()} show={percent} series={series([charts.effort, props.history.effort])} />
    </div>
  )
}
