/** Lines as they are sent, to and from the reader, for tests. */
import { type EncodedLine, joinLines, type Line, LineReader, MAX_POOL_LINE } from "../src/index.ts"

/** The lines of text that is read at once. */
export const read = (...text: ReadonlyArray<string>): ReadonlyArray<Line> => {
  const reader = new LineReader(MAX_POOL_LINE)
  const lines: Array<Line> = []
  reader.push(Buffer.from(text.map((line) => `${line}\n`).join("")), lines)
  if (reader.failure !== undefined) throw reader.failure
  return lines
}

/** What was sent, one parsed line each. */
export const parse = (lines: ReadonlyArray<EncodedLine>): ReadonlyArray<Line> =>
  Buffer.from(joinLines(lines))
    .toString()
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)

/** The params of a line. */
export const params = (line: string): unknown => read(line)[0]!.params

/** The message, which is no error. */
export const message = <T>(value: T): Exclude<T, Error> => {
  if (value instanceof Error) throw value
  return value as Exclude<T, Error>
}
