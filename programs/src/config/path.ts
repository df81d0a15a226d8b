/** Kinds of value for paths. They are checked before anything starts, so that a wrong path is reported with all other problems. */
import { accessSync, constants, type Stats, statSync } from "node:fs"
import { dirname } from "node:path"
import { Result, type Schema } from "effect"
import { text } from "./value.ts"

/** A file to read. It must exist. */
export const fileToRead = (expected: string) =>
  path("FILE", expected, (at, found) =>
    found === undefined ? "there is no such file" : whyNoFile(at, found, constants.R_OK)
  )

/** A file that another program writes, perhaps later. With `holdsSecret`, warns if other users can read it. */
export const fileOfAnother = (expected: string, { holdsSecret = false } = {}) =>
  path(
    "FILE",
    expected,
    (at, found) => (found === undefined ? undefined : whyNoFile(at, found, constants.R_OK)),
    holdsSecret
  )

/** A file to write. It may exist already. */
export const fileToWrite = (expected: string) =>
  path("FILE", expected, (at, found) =>
    found === undefined ? whyNotIn(dirname(at)) : whyNoFile(at, found, constants.W_OK)
  )

/** A file to write that must not exist yet. */
export const newFile = (expected: string) =>
  path("FILE", expected, (at, found) => (found === undefined ? whyNotIn(dirname(at)) : "there is a file already"))

/** A directory to write to. It is created if it does not exist. */
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
    // A part of the path is a file, or may not be searched: `whyNotIn` reports that for its directory.
    return undefined
  }
}

const whyNoFile = (at: string, found: Stats, mode: number): string | undefined =>
  found.isDirectory() ? "it is a directory" : isAllowed(at, mode) ? undefined : "permission denied"

/** Why no file can be created in a directory. */
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
