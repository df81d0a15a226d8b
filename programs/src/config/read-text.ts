/** Reading of text files that a user named, with errors for people. */
import { Effect, FileSystem, type PlatformError } from "effect"

export const readText = (path: string): Effect.Effect<string, string, FileSystem.FileSystem> =>
  FileSystem.FileSystem.use((fs) =>
    Effect.mapError(fs.readFileString(path), (error) => `cannot read ${path}: ${reasonOf(error)}`)
  )

/** Why a file cannot be read or written. */
export const reasonOf = ({ reason }: PlatformError.PlatformError): string => REASONS[reason._tag] ?? reason.message

const REASONS: Readonly<Record<string, string>> = {
  NotFound: "there is no such file",
  PermissionDenied: "permission denied",
  BadResource: "it is not a file",
  AlreadyExists: "there is a file already"
}
