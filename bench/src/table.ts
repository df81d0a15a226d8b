/** Formats results as a table with one line for each baseline. */
import type { Row } from "./case.ts"

export const formatTable = (rows: ReadonlyArray<Row>): string => {
  const lines = rows.map((row, index) => [
    row.name === rows[index - 1]?.name ? "" : row.name,
    row.name === rows[index - 1]?.name && row.value === rows[index - 1]!.value ? "" : formatValue(row.value),
    row.unit,
    row.baseline,
    formatValue(row.baselineValue),
    row.ratio.toFixed(2)
  ])
  const all = [["benchmark", "value", "unit", "baseline", "value", "ratio"], ...lines]
  const widths = all[0]!.map((_, column) => Math.max(...all.map((line) => line[column]!.length)))
  const isNumber = [false, true, false, false, true, true]
  return all
    .map((line) =>
      line.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join("  ")
    )
    .join("\n")
}

const formatValue = (value: number): string =>
  value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? 1 : 0 })
