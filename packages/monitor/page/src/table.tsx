/**
 * Tables. `LongTable` shows a list of any length: it has elements only for the rows in sight, and asks the server for those. The
 * server sorts and searches.
 */
import { createEffect, createMemo, createSignal, For, type JSX, on, Show } from "solid-js"
import type { Page } from "../../src/api/page.ts"
import { get, Refused } from "./api.ts"
import { count } from "./format.ts"
import { beat } from "./live.ts"
import { text } from "./text.ts"

export interface Column<A> {
  /** Its name in the API if the server can sort by it, else any other. */
  readonly id: keyof typeof text.columns
  readonly cell: (item: A) => JSX.Element
  readonly isNumber?: boolean
  /** The order that the first press gives. */
  readonly sort?: "asc" | "desc"
  /** Not shown where there is little room. */
  readonly isMinor?: boolean
}

const classOf = <A,>({ isMinor = false, isNumber = false }: Column<A>) => ({ number: isNumber, minor: isMinor })

export function Table<A>(props: {
  readonly label: string
  readonly columns: ReadonlyArray<Column<A>>
  readonly items: ReadonlyArray<A>
}) {
  return (
    <div class="scroll" tabindex="0" role="region" aria-label={props.label}>
      <table>
        <thead>
          <tr>
            <For each={props.columns}>{(column) => <th classList={classOf(column)}>{text.columns[column.id]}</th>}</For>
          </tr>
        </thead>
        <tbody>
          <For
            each={props.items}
            fallback={
              <tr>
                <td colspan={props.columns.length}>{text.none}</td>
              </tr>
            }
          >
            {(item) => (
              <tr>
                <For each={props.columns}>{(column) => <td classList={classOf(column)}>{column.cell(item)}</td>}</For>
              </tr>
            )}
          </For>
        </tbody>
      </table>
    </div>
  )
}

/** The height of a row in pixels, as style.css has it. */
const ROW = 36
/** Rows above and below those in sight, so that slow scrolling shows no empty ones. */
const SPARE = 20
/** Rows of one request. */
const BLOCK = 100

export function LongTable<A>(props: {
  readonly label: string
  readonly path: string
  readonly columns: ReadonlyArray<Column<A>>
  readonly sort: string
  readonly order: "asc" | "desc"
}) {
  const [sort, setSort] = createSignal({ by: props.sort, order: props.order })
  const [search, setSearch] = createSignal("")
  const [top, setTop] = createSignal(0)
  const [height, setHeight] = createSignal(600)
  const [total, setTotal] = createSignal<number>()
  const [rows, setRows] = createSignal<ReadonlyMap<number, A>>(new Map())
  const [problem, setProblem] = createSignal("")

  const first = createMemo(() => Math.max(0, Math.floor(top() / ROW) - SPARE))
  const last = createMemo(() => Math.min(total() ?? 0, Math.ceil((top() + height()) / ROW) + SPARE))
  const shown = createMemo(() => Array.from({ length: Math.max(0, last() - first()) }, (_, index) => first() + index))
  /** The blocks that rows in sight are in. */
  const wanted = createMemo(() => `${Math.floor(first() / BLOCK)}-${Math.floor(Math.max(first(), last() - 1) / BLOCK)}`)

  let asked = 0
  const load = async (): Promise<void> => {
    const mine = ++asked
    const [from = 0, end = 0] = wanted().split("-").map(Number)
    const query = {
      sort: sort().by,
      order: sort().order,
      search: search(),
      limit: (end - from + 1) * BLOCK,
      offset: from * BLOCK
    }
    try {
      const page = await get<Page<A>>(props.path, query)
      if (mine !== asked) return
      setTotal(page.total)
      setRows(new Map(page.items.map((item, index) => [page.offset + index, item])))
      setProblem("")
    } catch (error) {
      if (mine === asked) setProblem(error instanceof Refused ? error.message : text.failed)
    }
  }
  let container: HTMLDivElement | undefined
  createEffect(on([sort, search], () => container?.scrollTo({ top: 0 }), { defer: true }))
  createEffect(on([sort, search, wanted, beat], () => void load()))

  const press = ({ id, sort: usual = "desc" }: Column<A>): void => {
    const { by, order } = sort()
    setSort({ by: id, order: by === id ? (order === "asc" ? "desc" : "asc") : usual })
  }
  const orderOf = (column: Column<A>) =>
    sort().by === column.id ? (sort().order === "asc" ? "ascending" : "descending") : "none"

  let typing: ReturnType<typeof setTimeout> | undefined
  const type = (value: string): void => {
    clearTimeout(typing)
    typing = setTimeout(() => setSearch(value), 150)
  }

  return (
    <>
      <div class="tools">
        <label>
          {text.search} <input type="search" maxlength="255" onInput={(event) => type(event.currentTarget.value)} />
        </label>
        <output>{total() === undefined ? text.loading : count(total()!)}</output>
      </div>
      <Show when={problem()}>
        <p class="trouble" role="alert">
          {problem()}
        </p>
      </Show>
      <div
        class="scroll long"
        tabindex="0"
        role="region"
        aria-label={props.label}
        ref={(element) => {
          container = element
          new ResizeObserver(() => setHeight(element.clientHeight)).observe(element)
        }}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      >
        <table aria-rowcount={(total() ?? 0) + 1}>
          <thead>
            <tr aria-rowindex={1}>
              <For each={props.columns}>
                {(column) => (
                  <th classList={classOf(column)} aria-sort={column.sort === undefined ? undefined : orderOf(column)}>
                    <Show when={column.sort} fallback={text.columns[column.id]}>
                      <button type="button" title={text.sortBy(text.columns[column.id])} onClick={() => press(column)}>
                        {text.columns[column.id]}
                      </button>
                    </Show>
                  </th>
                )}
              </For>
            </tr>
          </thead>
          <tbody>
            <tr style={{ height: `${first() * ROW}px` }} aria-hidden="true" />
            <For each={shown()}>
              {(index) => (
                <tr aria-rowindex={index + 2} class="row">
                  <Show when={rows().get(index)} keyed fallback={<td colspan={props.columns.length}>…</td>}>
                    {(item) => (
                      <For each={props.columns}>
                        {(column) => <td classList={classOf(column)}>{column.cell(item)}</td>}
                      </For>
                    )}
                  </Show>
                </tr>
              )}
            </For>
            <tr style={{ height: `${Math.max(0, (total() ?? 0) - last()) * ROW}px` }} aria-hidden="true" />
          </tbody>
        </table>
      </div>
    </>
  )
}
