/**
 * Each worker appends to a share log of its own: `shares.ndjson` becomes `shares.1.ndjson`, `shares.2.ndjson` and so on. A worker that is
 * killed within a write may leave half a line, and only the next line of the same writer ends it: in a file that several processes
 * append to, the half would swallow a line of another one.
 */
import { format, parse } from "node:path"

export const segmentOf = (path: string, number: number): string => {
  const { dir, ext, name, root } = parse(path)
  return format({ dir, root, name: `${name}.${number}`, ext })
}
