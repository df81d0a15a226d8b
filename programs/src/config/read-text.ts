/** Reads a text file that a person named, or says in their words why it cannot be read. */
import { Effect, FileSystem } from "effect"

export const readText = (path: string): Effect.Effect<string, string, FileSystem.FileSystem> =>
  FileSystem.FileSystem.use((fs) =>
    Effect.mapError(fs.readFileString(path), ({ reason }) => {
      const why = REASONS[reason._tag] ?? reason.message
      return `cannot read ${path}: ${why}`
    })
  )

const REASONS: Readonly<Record<string, string>> = {
  NotFound: "there is no such file",
  PermissionDenied: "permission denied",
  BadResource: "it is not a file"
}
