/** Reads the CSV files of test vectors: one record for each row, by the names in the first line. */
import { Hex } from "effect/encoding"
import { Result } from "effect"
import { readFileSync } from "node:fs"

export const readVectors = (name: string): ReadonlyArray<Readonly<Record<string, string>>> => {
  const text = readFileSync(new URL(`./vectors/${name}.csv`, import.meta.url), "utf8")
  const [head = "", ...rows] = text.trim().split(/\r?\n/)
  const names = head.split(",")
  return rows.map((row) => {
    const cells = row.split(",")
    return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? ""]))
  })
}

export const hex = (text: string): Uint8Array => Result.getOrThrow(Hex.decode(text.toLowerCase()))
