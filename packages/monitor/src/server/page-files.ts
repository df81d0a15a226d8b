/** The files of the page, as Vite has built them. A program in one file replaces this module. */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const DIRECTORY = fileURLToPath(new URL("../../build/page/", import.meta.url))

/** The files by path in the page's folder; none if it is not built. */
export const pageFiles = (): ReadonlyMap<string, Uint8Array> =>
  new Map(namesIn(DIRECTORY).map((name) => [name, readFileSync(`${DIRECTORY}${name}`)]))

const namesIn = (directory: string): ReadonlyArray<string> => {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) =>
        `${entry.parentPath}/${entry.name}`.replaceAll("\\", "/").replaceAll("//", "/").slice(directory.length)
      )
  } catch {
    return []
  }
}
