/** Rows of cells as lines with aligned columns. */
import { CliOutput } from "effect/cli"

/** Cells that begin with a digit are numbers and go to the right of their column. The last column is not filled up. */
export const columns = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths: Array<number> = []
  for (const row of rows) {
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, CliOutput.displayWidth(cell))))
  }
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const space = " ".repeat(widths[column]! - CliOutput.displayWidth(cell))
        return /^\d/.test(cell) ? space + cell : cell + space
      })
      .join("  ")
      .trimEnd()
  )
}
