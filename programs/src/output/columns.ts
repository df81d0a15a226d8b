/** Rows of cells as lines with aligned columns. */
import { CliOutput } from "effect/cli"

/** Aligns the first column to the left, and the others as `others` says. */
export const columns = (
  rows: ReadonlyArray<ReadonlyArray<string>>,
  others: "left" | "right" = "left"
): ReadonlyArray<string> => {
  const widths: Array<number> = []
  for (const row of rows) {
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, CliOutput.displayWidth(cell))))
  }
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const space = " ".repeat(widths[column]! - CliOutput.displayWidth(cell))
        return column > 0 && others === "right" ? space + cell : cell + space
      })
      .join("   ")
      .trimEnd()
  )
}
