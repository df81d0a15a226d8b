/**
 * Tables. `LongTable` shows a list of any length: it has elements only for the rows in sight, and asks the server for those. The
 * server sorts and searches.
 */
import { createEffect, createMemo, createSignal, For, type JSX, on, Show } from "solid-js"
import type { Page } from "../../src/api/page.ts"
import { get } from "./api.ts"
import { count } from "./format.ts"
import { createAnswer, createItems, Load, Problem } from "./load.tsx"
import { text } from "./text.ts"

export interface Column<A> {
  /** Its name in the API if the server can sort by it, else any other. */
  readonly id: keyof typeof text.columns
  /** Instead of the text for its name. */
  readonly title?: string
  readonly cell: (item: A) => JSX.Element
  readonly isNumber?: boolean
  /** The order that the first press gives. */
  readonly sort?: "asc" | "desc"
  /** Not shown where there is little room. */
  readonly isMinor?: boolean
}

type Columns<A> = ReadonlyArray<Column<A>>

const classOf = <A,>({ isMinor = false, isNumber = false }: Column<A>) => ({ number: isNumber, minor: isMinor })

const titleOf = <A,>({ id, title }: Column<A>): string => title ?? text.columns[id]

function Cells<A>(props: { readonly columns: Columns<A>; readonly item: A }) {
  return <For each={props.columns}>{(column) => <td classList={classOf(column)}>{column.cell(props.item)}</td>}</For>
}

/** The only row of a table without items. */
function Empty<A>(props: { readonly columns: Columns<A>; readonly text?: string | undefined }) {
  return (
    <tr>
      <td class="quiet" colspan={props.columns.length}>
        {props.text ?? text.none}
      </td>
    </tr>
  )
}

export function Table<A>(props: {
  readonly label: string
  readonly columns: Columns<A>
  readonly items: ReadonlyArray<A>
  readonly empty?: string | undefined
}) {
  return (
    <div class="scroll" tabindex="0" role="region" aria-label={props.label}>
      <table>
        <thead>
          <tr>
            <For each={props.columns}>{(column) => <th classList={classOf(column)}>{titleOf(column)}</th>}</For>
          </tr>
        </thead>
        <tbody>
          <For each={props.items} fallback={<Empty columns={props.columns} text={props.empty} />}>
            {(item) => (
              <tr>
                <Cells columns={props.columns} item={item} />
              </tr>
            )}
          </For>
        </tbody>
      </table>
    </div>
  )
}

/** A table of all items that a path has. */
export function List<A extends object>(props: {
  readonly label: string
  readonly path: string
  readonly columns: Columns<A>
  readonly query?: Readonly<Record<string, string>>
  readonly only?: ((item: A) => boolean) | undefined
  readonly empty?: string | undefined
}) {
  const [page, setPage] = createItems<A>()
  const load = async (query: Readonly<Record<string, string>> | undefined): Promise<true> => {
    const found = await get<Page<A>>(props.path, { limit: 1000, ...query })
    setPage({ ...found, items: props.only === undefined ? found.items : found.items.filter(props.only) })
    return true
  }
  return (
    <Load by={() => props.query} from={load}>
      {() => <Table label={props.label} columns={props.columns} items={page.items} empty={props.empty} />}
    </Load>
  )
}

/** The height of a row in pixels, as style.css has it. */
const ROW = 36
/** Rows above and below those in sight, so that slow scrolling shows no empty ones. */
const SPARE = 20
/** Rows of one request. */
const BLOCK = 100

export function LongTable<A extends object>(props: {
  readonly label: string
  readonly path: string
  readonly columns: Columns<A>
  readonly sort: string
  readonly order: "asc" | "desc"
  readonly children?: JSX.Element
}) {
  const [sort, setSort] = createSignal({ by: props.sort, order: props.order })
  const [search, setSearch] = createSignal("")
  const [top, setTop] = createSignal(0)
  const [height, setHeight] = createSignal(600)
  const [page, setPage] = createItems<A>()

  const first = createMemo(() => Math.max(0, Math.floor(top() / ROW) - SPARE))
  const last = createMemo(() => Math.min(Math.max(0, page.total), Math.ceil((top() + height()) / ROW) + SPARE))
  const shown = createMemo(() => Array.from({ length: Math.max(0, last() - first()) }, (_, index) => first() + index))
  /** The blocks that rows in sight are in. */
  const wanted = createMemo(() => `${Math.floor(first() / BLOCK)}-${Math.floor(Math.max(first(), last() - 1) / BLOCK)}`)

  const query = createMemo(() => {
    const [from = 0, end = 0] = wanted().split("-").map(Number)
    const { by, order } = sort()
    return { sort: by, order, search: search(), limit: (end - from + 1) * BLOCK, offset: from * BLOCK }
  })
  const problem = createAnswer(query, (asked) => get<Page<A>>(props.path, asked), setPage)
  let container: HTMLDivElement | undefined
  createEffect(on([sort, search], () => container?.scrollTo({ top: 0 }), { defer: true }))

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
        <input
          type="search"
          maxlength="255"
          placeholder={text.search}
          aria-label={text.searchIn(props.label)}
          onInput={(event) => type(event.currentTarget.value)}
        />
        <output class="quiet">
          {page.total < 0 ? text.loading : (search() === "" ? text.inAll : text.found)(count(page.total))}
        </output>
        {props.children}
      </div>
      <Problem text={problem()} />
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
        <table aria-rowcount={page.total + 1}>
          <thead>
            <tr aria-rowindex={1}>
              <For each={props.columns}>
                {(column) => (
                  <th classList={classOf(column)} aria-sort={column.sort === undefined ? undefined : orderOf(column)}>
                    <Show when={column.sort} fallback={titleOf(column)}>
                      <button type="button" title={text.sortBy(titleOf(column))} onClick={() => press(column)}>
                        {titleOf(column)}
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
                  <Show
                    when={page.items[index - page.offset]}
                    keyed
                    fallback={<td colspan={props.columns.length}>…</td>}
                  >
                    {(item) => <Cells columns={props.columns} item={item} />}
                  </Show>
                </tr>
              )}
            </For>
            <tr style={{ height: `${Math.max(0, page.total - last()) * ROW}px` }} aria-hidden="true" />
            <Show when={page.total === 0}>
              <Empty columns={props.columns} />
            </Show>
          </tbody>
        </table>
      </div>
    </>
  )
}
