/** A chart over time. Unknown values are gaps. Screen readers, and people who want figures, get a table. */
import { createEffect, For, onCleanup, Show } from "solid-js"
import UPlot from "uplot"
import "uplot/dist/uPlot.min.css"
import { tick, time } from "./format.ts"
import { text } from "./text.ts"
import { theme } from "./theme.ts"

type Values = ReadonlyArray<number | null>

export interface Series {
  readonly label: string
  readonly values: Values
  /** Between the two is true in 95 of 100 cases. */
  readonly band?: { readonly low: Values; readonly high: Values }
}

interface Props {
  readonly title: string
  /** Milliseconds since 1970. */
  readonly at: ReadonlyArray<number>
  readonly series: ReadonlyArray<Series>
  readonly show: (value: number) => string
}

const HEIGHT = 220
/** The fewest steps that a chart shows. */
const LEAST = 30
/** Rows of the table. */
const ROWS = 60

export function Chart(given: Props) {
  const props = withoutBeginning(given)
  const isEmpty = () => props.series.every(({ values }) => values.every((value) => value === null))
  const latest = (values: Values): string => {
    const last = values.findLast((value) => value !== null)
    return last === undefined || last === null ? text.unknown : props.show(last)
  }
  const summary = () =>
    `${props.title}: ${props.series.map(({ label, values }) => `${label} ${latest(values)}`).join(", ")}`
  return (
    <section class="chart" aria-label={props.title}>
      <h2>{props.title}</h2>
      <Show when={!isEmpty()} fallback={<p class="quiet">{text.charts.empty}</p>}>
        <Canvas {...props} summary={summary()} />
        <details>
          <summary>{text.charts.table}</summary>
          <div class="scroll" tabindex="0" role="region" aria-label={props.title}>
            <table>
              <thead>
                <tr>
                  <th>{text.charts.time}</th>
                  <For each={props.series}>{({ label }) => <th class="number">{label}</th>}</For>
                </tr>
              </thead>
              <tbody>
                <For each={rowsOf(props)}>
                  {(index) => (
                    <tr>
                      <td>{time(props.at[index]!)}</td>
                      <For each={props.series}>
                        {({ values }) => (
                          <td class="number">{values[index] == null ? "" : props.show(values[index])}</td>
                        )}
                      </For>
                    </tr>
                  )}
                </For>
              </tbody>
            </table>
          </div>
        </details>
      </Show>
    </section>
  )
}

/** Without the time before the first known value, but for a few steps: a young server's history would be a line at the edge. */
const withoutBeginning = (props: Props): Props => {
  const first = props.at.findIndex((_, index) => props.series.some(({ values }) => values[index] != null))
  const from = Math.max(0, Math.min(first < 0 ? 0 : first - 1, props.at.length - LEAST))
  const cut = (values: Values): Values => values.slice(from)
  return {
    ...props,
    at: props.at.slice(from),
    series: props.series.map(({ band, values, ...series }) => ({
      ...series,
      values: cut(values),
      ...(band === undefined ? {} : { band: { low: cut(band.low), high: cut(band.high) } })
    }))
  }
}

/** The newest moments of which something is known. */
const rowsOf = ({ at, series }: Props): ReadonlyArray<number> =>
  at
    .map((_, index) => index)
    .filter((index) => series.some(({ values }) => values[index] != null))
    .slice(-ROWS)
    .toReversed()

function Canvas(props: Props & { readonly summary: string }) {
  const element = (<div class="canvas" role="img" aria-label={props.summary} />) as HTMLDivElement
  let plot: UPlot | undefined
  const sized = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height: HEIGHT }))
  createEffect(() => {
    theme()
    plot?.destroy()
    plot = new UPlot(optionsOf(props, element.clientWidth || 600), dataOf(props), element)
    sized.observe(element)
  })
  onCleanup(() => {
    sized.disconnect()
    plot?.destroy()
  })
  return element
}

const dataOf = ({ at, series }: Props): UPlot.AlignedData => [
  at.map((ms) => ms / 1000),
  ...series.flatMap(({ band, values }) =>
    (band === undefined ? [values] : [values, band.low, band.high]).map((each) => each.slice())
  )
]

const COLOURS = ["--one", "--two", "--three", "--four", "--five"]

const optionsOf = ({ series, show }: Props, width: number): UPlot.Options => {
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string): string => style.getPropertyValue(name).trim()
  const axis = {
    stroke: colour("--quiet"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line") }
  }
  const drawn: Array<UPlot.Series> = [
    { value: (_, seconds) => (seconds == null ? "" : time(seconds * 1000)), label: text.charts.time }
  ]
  const bands: Array<UPlot.Band> = []
  for (const [index, { band, label }] of series.entries()) {
    const stroke = colour(COLOURS[index % COLOURS.length]!)
    const value = (_: UPlot, number: number | null): string => (number == null ? "" : show(number))
    drawn.push({ label, stroke, width: 2, value, points: { size: 4 } })
    if (band === undefined) continue
    const edge = { stroke: "transparent", points: { show: false }, value }
    bands.push({ series: [drawn.length + 1, drawn.length], fill: `${stroke}33` })
    drawn.push({ ...edge, label: text.charts.low }, { ...edge, label: text.charts.high })
  }
  return {
    width,
    height: HEIGHT,
    series: drawn,
    bands,
    scales: { y: { range: (_, __, most) => [0, (most || 1) * 1.05] } },
    axes: [
      { ...axis, space: 80, values: (_, seconds, __, ___, step) => seconds.map((second) => tick(second * 1000, step)) },
      { ...axis, size: 84, values: (_, values) => values.map((value) => show(value)) }
    ],
    legend: { live: true },
    cursor: { drag: { x: false, y: false } }
  }
}
