/** A chart over time. Unknown values are gaps. Screen readers, and people who want figures, get a table. */
import { createEffect, createMemo, createSignal, For, on, onCleanup, Show, untrack } from "solid-js"
import UPlot from "uplot"
import "uplot/dist/uPlot.min.css"
import { range, type Show as ShowNumber, tick, time } from "./format.ts"
import { type Column, Table } from "./table.tsx"
import { text } from "./text.ts"
import { theme } from "./theme.ts"

type Values = ReadonlyArray<number | null>

export interface Series {
  readonly label: string
  readonly values: Values
  /** Between the two is true in 95 of 100 cases. */
  readonly band?: { readonly low: Values; readonly high: Values }
  /** Its place among the colours; without it, its place among the series. */
  readonly colour?: number
}

interface Data {
  /** Milliseconds since 1970. */
  readonly at: ReadonlyArray<number>
  readonly series: ReadonlyArray<Series>
}

interface Props extends Data {
  readonly title: string
  readonly show: ShowNumber
  /** The chart that people look at first. */
  readonly isMain?: boolean
  /** Values stay as they are until the next one, such as a difficulty. */
  readonly isStepped?: boolean
  /** Instead of a chart without values. */
  readonly empty?: string
}

/** The fewest steps that a chart shows. */
const LEAST = 30
/** Rows of the table. */
const ROWS = 60
const COLOURS = ["--one", "--two", "--three", "--four", "--five"]
const colourOf = ({ colour }: Series, index: number): string => COLOURS[(colour ?? index) % COLOURS.length]!

export function Chart(props: Props) {
  const data = createMemo(() => withoutBeginning(props))
  const isEmpty = () => data().series.every(({ values }) => values.every((value) => value === null))
  /** The moment that the pointer is at. */
  const [pointed, setPointed] = createSignal<number>()
  const valueAt = ({ values }: Series): string => {
    const index = pointed()
    const value = index === undefined ? values.findLast((one) => one !== null) : values[index]
    return value == null ? "–" : props.show(value)
  }
  const bandAt = ({ band, values }: Series): string => {
    const index = pointed() ?? values.findLastIndex((one) => one !== null)
    const [low, high] = [band?.low[index], band?.high[index]]
    return low == null || high == null ? "" : range(props.show, low, high)
  }
  const summary = () =>
    `${props.title}: ${data()
      .series.map((series) => `${series.label} ${valueAt(series)}`)
      .join(", ")}`
  const columns = (): ReadonlyArray<Column<number>> => [
    { id: "at", cell: (index) => time(data().at[index]!) },
    ...data().series.map(({ label, values }): Column<number> => {
      const cell = (index: number) => (values[index] == null ? "" : props.show(values[index]))
      return { id: "value", title: label, isNumber: true, cell }
    })
  ]
  return (
    <section class="chart" classList={{ main: props.isMain ?? false }} aria-label={props.title}>
      <header>
        <h3>{props.title}</h3>
        <Show when={!isEmpty()}>
          <ul class="legend" aria-hidden="true">
            <Show when={pointed()}>{(index) => <li class="quiet">{time(data().at[index()]!)}</li>}</Show>
            <For each={data().series}>
              {(series, index) => (
                <li style={{ "--colour": `var(${colourOf(series, index())})` }}>
                  <span class="quiet">{series.label === props.title ? "" : series.label}</span> {valueAt(series)}{" "}
                  <span class="quiet">{bandAt(series)}</span>
                </li>
              )}
            </For>
          </ul>
        </Show>
      </header>
      <Show when={!isEmpty()} fallback={<p class="quiet nothing">{props.empty ?? text.charts.empty}</p>}>
        <Canvas {...props} data={data()} summary={summary()} onPoint={setPointed} />
        <details>
          <summary>{text.charts.table}</summary>
          <Table label={props.title} columns={columns()} items={rowsOf(data())} />
        </details>
      </Show>
    </section>
  )
}

/** Without the time before the first known value, but for a few steps: a young server's history would be a line at the edge. */
const withoutBeginning = ({ at, series }: Data): Data => {
  const first = at.findIndex((_, index) => series.some(({ values }) => values[index] != null))
  const from = Math.max(0, Math.min(first < 0 ? 0 : first - 1, at.length - LEAST))
  const cut = (values: Values): Values => values.slice(from)
  return {
    at: at.slice(from),
    series: series.map(({ band, values, ...one }) => ({
      ...one,
      values: cut(values),
      ...(band === undefined ? {} : { band: { low: cut(band.low), high: cut(band.high) } })
    }))
  }
}

/** The newest moments of which something is known. */
const rowsOf = ({ at, series }: Data): ReadonlyArray<number> =>
  at
    .map((_, index) => index)
    .filter((index) => series.some(({ values }) => values[index] != null))
    .slice(-ROWS)
    .toReversed()

interface CanvasProps extends Props {
  readonly data: Data
  readonly summary: string
  readonly onPoint: (index: number | undefined) => void
}

function Canvas(props: CanvasProps) {
  const element = (<div class="canvas" role="img" aria-label={props.summary} />) as HTMLDivElement
  let plot: UPlot | undefined
  const size = () => ({ width: element.clientWidth || 600, height: element.clientHeight || 200 })
  const sized = new ResizeObserver(() => plot?.setSize(size()))
  /** Another set of series is another plot; other values are not. */
  const form = createMemo(() => props.data.series.map(({ label }) => label).join("\n"))
  createEffect(
    on([theme, form], () => {
      plot?.destroy()
      plot = new UPlot(
        { ...untrack(() => optionsOf(props, element)), ...size() },
        dataOf(untrack(() => props.data)),
        element
      )
      sized.observe(element)
    })
  )
  createEffect(
    on(
      () => props.data,
      (data) => plot?.setData(dataOf(data)),
      { defer: true }
    )
  )
  onCleanup(() => {
    sized.disconnect()
    plot?.destroy()
  })
  return element
}

const dataOf = ({ at, series }: Data): UPlot.AlignedData => [
  at.map((ms) => ms / 1000),
  ...series.flatMap(({ band, values }) =>
    (band === undefined ? [values] : [values, band.low, band.high]).map((each) => each.slice())
  )
]

/** The moments whose neighbours are unknown: no line leads there, so they are drawn as points. */
const lonely = (plot: UPlot, index: number): Array<number> | null => {
  const values = plot.data[index]!
  const found: Array<number> = []
  for (const [at, value] of values.entries()) {
    if (value != null && values[at - 1] == null && values[at + 1] == null) found.push(at)
  }
  return found.length > 0 ? found : null
}

const optionsOf = ({ data: { series }, isStepped = false, onPoint, show }: CanvasProps, element: HTMLElement) => {
  const style = getComputedStyle(element)
  const colour = (name: string): string => style.getPropertyValue(name).trim()
  /** Everything grows with the text. */
  const em = Number.parseFloat(style.fontSize)
  const axis = {
    stroke: colour("--quiet"),
    font: `${0.75 * em}px ${style.fontFamily}`,
    grid: { stroke: colour("--grid"), width: 1 },
    ticks: { show: false },
    gap: 0.5 * em
  }
  const drawn: Array<UPlot.Series> = [{}]
  const bands: Array<UPlot.Band> = []
  for (const [index, one] of series.entries()) {
    const stroke = colour(colourOf(one, index))
    drawn.push({
      stroke,
      width: em / 9,
      points: { show: false, filter: lonely, size: em / 4, fill: stroke },
      ...(isStepped ? { paths: UPlot.paths.stepped!({ align: 1 }) } : {}),
      ...(series.length === 1 && one.band === undefined ? { fill: `${stroke}1a` } : {})
    })
    if (one.band === undefined) continue
    const edge = { stroke: "transparent", points: { show: false } }
    bands.push({ series: [drawn.length + 1, drawn.length], fill: `${stroke}38` })
    drawn.push(edge, edge)
  }
  const labelsOf = (_: UPlot, values: Array<number>): Array<string> =>
    values.map((value) => (value === 0 ? "0" : show(value, values.at(-1))))
  return {
    series: drawn,
    bands,
    padding: [em / 2, em / 2, 0, 0] as [number, number, number, number],
    scales: { y: { range: (_: UPlot, __: number, most: number): [number, number] => [0, (most || 1) * 1.08] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 6 * em,
        size: 1.8 * em,
        values: (_: UPlot, seconds: Array<number>, __: number, ___: number, step: number) =>
          seconds.map((second) => tick(second * 1000, step))
      },
      {
        ...axis,
        space: 2.6 * em,
        size: (_: UPlot, labels: Array<string> | null) =>
          em * (1.1 + 0.44 * Math.max(2, ...(labels ?? []).map(({ length }) => length))),
        values: labelsOf
      }
    ],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { size: em / 2 },
      sync: { key: "time" }
    },
    hooks: { setCursor: [({ cursor: { idx } }: UPlot) => onPoint(idx ?? undefined)] }
  }
}
