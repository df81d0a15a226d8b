/** Columns and cells that several tables have. */
import type { JSX } from "solid-js"
import { count, time } from "./format.ts"
import type { Column } from "./table.tsx"

export const at: Column<{ readonly at: number }> = {
  id: "at",
  cell: (item) => <span class="nowrap">{time(item.at)}</span>
}
export const height: Column<{ readonly height: number }> = {
  id: "height",
  isNumber: true,
  cell: (item) => count(item.height)
}

/** A state with a mark of its colour. */
export const State = (props: { readonly state: string; readonly label?: string }): JSX.Element => (
  <span class={`state ${props.state}`}>{props.label ?? props.state}</span>
)
