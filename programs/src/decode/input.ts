/** Reads the input of a program from the command line, a file, or standard input. */
import { Effect, FileSystem, Stdio, Stream } from "effect"
import { reasonOf } from "../config/read-text.ts"

/** The bytes of the input. Text on the command line becomes UTF-8. */
export const readInput = (
  argument: string | undefined,
  path: string | undefined
): Effect.Effect<Uint8Array, string, FileSystem.FileSystem | Stdio.Stdio> => {
  if (argument !== undefined) {
    if (path !== undefined) return Effect.fail("there are both an argument and a file to read; give one of them")
    return Effect.succeed(new TextEncoder().encode(argument))
  }
  if (path !== undefined) {
    return FileSystem.FileSystem.use((fs) =>
      Effect.mapError(fs.readFile(path), (error) => `cannot read ${path}: ${reasonOf(error)}`)
    )
  }
  return Effect.flatMap(Stdio.Stdio, ({ stdin, stdinIsTerminal }) =>
    Effect.flatMap(stdinIsTerminal, (isTerminal) =>
      isTerminal
        ? Effect.fail("there is nothing to read; give it as an argument, with --in FILE, or on standard input")
        : Effect.mapError(
            Effect.map(Stream.runCollect(stdin), (chunks) => new Uint8Array(Buffer.concat(chunks))),
            (error) => `cannot read standard input: ${reasonOf(error)}`
          )
    )
  )
}
