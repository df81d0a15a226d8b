/**
 * Parses a configuration file and finds the line of a key.
 *
 * The parser reports a line only for syntax errors. To find the line of a key, longer and longer beginnings of the file are
 * parsed: the key begins after the longest one that parses without it, and before the end of the shortest one with it.
 */
import { Result } from "effect"
import * as Toml from "effect/encoding/Toml"

export interface TomlFile {
  readonly values: ReadonlyMap<string, unknown>
  /** The line on which a key begins, counted from 1. */
  readonly lineOf: (name: string) => number
}

/** Parses a file; fails with the problem and its line. */
export const parseToml = (content: string): Result.Result<TomlFile, string> => {
  const parse = (text: string) => Result.map(Toml.parse(text), (table) => new Map(Object.entries(table)))
  return Result.mapBoth(parse(content), {
    onFailure: (error) => error.message,
    onSuccess: (values) => ({
      values,
      lineOf: (name) => {
        const lines = content.split(/\r?\n/)
        let lastWithout = 0
        for (let count = 1; count <= lines.length; count++) {
          const beginning = parse(lines.slice(0, count).join("\n"))
          if (Result.isFailure(beginning)) continue
          if (beginning.success.has(name)) return lastWithout + 1
          lastWithout = count
        }
        return lastWithout
      }
    })
  })
}
