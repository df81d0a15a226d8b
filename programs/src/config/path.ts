/** Paths, looked at before anything starts: what can be known of them then is told with the other mistakes. */
import { accessSync, constants, type Stats, statSync } from "node:fs"
import { dirname } from "node:path"
import { Result, type Schema } from "effect"
import { text } from "./value.ts"

/** A file to be read, which is there. */
export const fileToRead = (expected: string) =>
  path("FILE", expected, (at, found) =>
    found === undefined ? "there is no such file" : whyNoFile(at, found, constants.R_OK)
  )

/** A file that another program writes, perhaps later. `holdsSecret` where others should not be able to read it. */
export const fileOfAnother = (expected: string, { holdsSecret = false } = {}) =>
  path(
    "FILE",
    expected,
    (at, found) => (found === undefined ? undefined : whyNoFile(at, found, constants.R_OK)),
    holdsSecret
  )

/** A file to be written, there already or not. */
export const fileToWrite = (expected: string) =>
  path("FILE", expected, (at, found) =>
    found === undefined ? whyNotIn(dirname(at)) : whyNoFile(at, found, constants.W_OK)
  )

/** A file to be written that must not be there yet. */
export const newFile = (expected: string) =>
  path("FILE", expected, (at, found) => (found === undefined ? whyNotIn(dirname(at)) : "there is a file already"))

/** A directory to be written to, which is made where it is not there. */
export const directoryToWrite = (expected: string) =>
  path("DIRECTORY", expected, (at) => {
    let nearest = at
    while (stats(nearest) === undefined && dirname(nearest) !== nearest) nearest = dirname(nearest)
    return whyNotIn(nearest)
  })

const path = (
  metavar: string,
  expected: string,
  problem: (at: string, found: Stats | undefined) => string | undefined,
  holdsSecret = false
): Schema.Codec<string, string> =>
  text({ metavar, expected, path: true, holdsSecret }, (at) => {
    const why = at === "" ? "it is empty" : problem(at, stats(at))
    return why === undefined ? Result.succeed(at) : Result.fail(why)
  })

const stats = (at: string): Stats | undefined => {
  try {
    return statSync(at, { throwIfNoEntry: false })
  } catch {
    // A part of the path is a file, or may not be searched: `whyNotIn` says so of its directory.
    return undefined
  }
}

const whyNoFile = (at: string, found: Stats, mode: number): string | undefined =>
  found.isDirectory() ? "it is a directory" : isAllowed(at, mode) ? undefined : "permission denied"

/** Why no file can be made in a directory. */
const whyNotIn = (directory: string): string | undefined => {
  const found = stats(directory)
  if (found === undefined) return `there is no directory ${directory}`
  if (!found.isDirectory()) return `${directory} is not a directory`
  return isAllowed(directory, constants.W_OK | constants.X_OK) ? undefined : `no permission to write in ${directory}`
}

const isAllowed = (at: string, mode: number): boolean => {
  try {
    accessSync(at, mode)
    return true
  } catch {
    return false
  }
}
