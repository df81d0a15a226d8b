/** The charts of the totals, over a time that somebody chooses. */
import { createSignal, For } from "solid-js"
import type { History, RefusedHistory, Resolution } from "../../src/api/history.ts"
import { get } from "./api.ts"
import { Chart } from "./chart.tsx"
import { hashes, milliseconds, percent, short } from "./format.ts"
import { now } from "./live.ts"
import { Load } from "./load.tsx"
import { text } from "./text.ts"

type Span = keyof typeof text.charts.spans

const HOUR = 3_600_000

const SPANS: Readonly<Record<Span, { readonly resolution: Resolution; readonly ms: number }>> = {
  hour: { resolution: "10s", ms: HOUR },
  day: { resolution: "1m", ms: 24 * HOUR },
  week: { resolution: "10m", ms: 7 * 24 * HOUR },
  months: { resolution: "10m", ms: 61 * 24 * HOUR },
  always: { resolution: "1d", ms: 10 * 365 * 24 * HOUR }
}

export function HistoryCharts() {
  const [span, setSpan] = createSignal<Span>("hour")
  const load = async (chosen: Span): Promise<readonly [History, RefusedHistory]> => {
    const { ms, resolution } = SPANS[chosen]
    const query = { resolution, from: Math.floor(now() - ms) }
    return Promise.all([get<History>("/history", query), get<RefusedHistory>("/history/refused", query)])
  }
  return (
    <>
      <fieldset class="spans">
        <legend>{text.charts.span}</legend>
        <For each={Object.keys(SPANS) as Array<Span>}>
          {(one) => (
            <label>
              <input type="radio" name="span" checked={span() === one} onChange={() => setSpan(one)} />
              {text.charts.spans[one]}
            </label>
          )}
        </For>
      </fieldset>
      <Load by={span} from={load}>
        {(answer) => <Charts history={answer()[0]} refused={answer()[1]} />}
      </Load>
      <p class="quiet">{text.charts.gap}</p>
    </>
  )
}

/** The bounds of a rate that these shares are known of: the square root of their number is sure within 0.98. */
export const bandOf = (rates: ReadonlyArray<number | null>, shares: ReadonlyArray<number | null>) => {
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

function Charts({ history, refused }: { readonly history: History; readonly refused: RefusedHistory }) {
  const {
    accepted,
    at,
    channels,
    connections,
    effort,
    hashRate,
    jobLatencyMs,
    perMinute,
    refusedShares,
    replyLatencyMs
  } = prepared(history)
  return (
    <div class="charts">
      <Chart
        title={text.charts.hashRate}
        at={at}
        show={hashes}
        series={[{ label: text.charts.mean, values: hashRate, band: bandOf(hashRate, history.accepted) }]}
      />
      <Chart
        title={text.charts.shares}
        at={at}
        show={short}
        series={[
          { label: text.charts.accepted, values: accepted },
          { label: text.charts.refused, values: refusedShares }
        ]}
      />
      <Chart
        title={text.charts.refusedByCode}
        at={refused.at}
        show={short}
        series={Object.entries(refused.byCode).map(([label, values]) => ({ label, values: perMinute(values) }))}
      />
      <Chart
        title={text.charts.latency}
        at={at}
        show={milliseconds}
        series={[
          { label: text.charts.job, values: jobLatencyMs },
          { label: text.charts.reply, values: replyLatencyMs }
        ]}
      />
      <Chart
        title={text.charts.connections}
        at={at}
        show={short}
        series={[
          { label: text.charts.connections, values: connections },
          { label: text.charts.channels, values: channels }
        ]}
      />
      <Chart
        title={text.charts.effort}
        at={at}
        show={percent}
        series={[{ label: text.charts.effort, values: effort }]}
      />
    </div>
  )
}

const prepared = (history: History) => {
  const perMinute = (values: ReadonlyArray<number | null>) =>
    values.map((value) => (value === null ? null : (value * 60) / history.stepSeconds))
  return {
    ...history,
    perMinute,
    accepted: perMinute(history.accepted),
    refusedShares: perMinute(history.refused),
    channels: history.workers
  }
}
