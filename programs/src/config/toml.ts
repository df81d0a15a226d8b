/**
 * A configuration file: its keys, and the line each stands on.
 *
 * The parser tells the line of a syntax error and no other. The line of a key is found with the parser again: a key
 * appears between the longest beginning of the file that parses without it and the shortest that parses with it.
 */
import { Result } from "effect"
import * as Toml from "effect/encoding/Toml"

export interface TomlFile {
  readonly values: ReadonlyMap<string, unknown>
  /** The line, from 1, that a key begins on. */
  readonly lineOf: (name: string) => number
}

/** Parses a file, or says what is wrong with it and on which line. */
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
