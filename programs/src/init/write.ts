/**
 * Writes the files of `sluice init`, and loads the configurations as the programs do. If anything fails, the folder is again as it was.
 */
import { AuthorityKey } from "@sluice/noise"
import { Effect, FileSystem, Option, type PlatformError, Redacted, Result } from "effect"
import { join } from "node:path"
import { writtenToml } from "../config/example.ts"
import { load } from "../config/load.ts"
import { readText, reasonOf } from "../config/read-text.ts"
import type { ProgramError } from "../command/report.ts"
import type { StartedName } from "../start/run-program.ts"
import { refuse } from "./asker.ts"
import { type Files, keyFile, type Keys } from "./files.ts"

/** The keys of the programs: those that the folder has already, and new ones. */
export const keysOf = (
  folder: string,
  programs: ReadonlyArray<StartedName>
): Effect.Effect<Keys, ProgramError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const pairs = yield* Effect.forEach(programs, (program) =>
      Effect.gen(function* () {
        const path = keyFile(folder, program)
        if (!(yield* Effect.mapError(fs.exists(path), failure(path)))) {
          return [program, yield* AuthorityKey.generate] as const
        }
        const text = yield* Effect.mapError(readText(path), refuse)
        const secretKey = AuthorityKey.parseSecretKey(text.trim())
        if (Result.isFailure(secretKey)) {
          return yield* refuse(`${path} exists and is not a secret key: ${secretKey.failure.message}`)
        }
        const publicKey = AuthorityKey.publicKeyOf(secretKey.success)
        return [program, { secretKey: secretKey.success, publicKey }] as const
      })
    )
    return new Map(pairs)
  })

/** The configuration files that exist already. */
export const existing = (folder: string, programs: ReadonlyArray<StartedName>) =>
  FileSystem.FileSystem.use((fs) =>
    Effect.filter(
      programs.map((program) => join(folder, `${program}.toml`)),
      (path) => Effect.orElseSucceed(fs.exists(path), () => false)
    )
  )

/** Writes all files or none, and gives the warnings about them. */
export const writeAll = ({
  folder,
  programs,
  secrets
}: Files): Effect.Effect<ReadonlyArray<string>, ProgramError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const undo: Array<Effect.Effect<void, PlatformError.PlatformError>> = []
    const attempt = <A>(path: string, effect: Effect.Effect<A, PlatformError.PlatformError>) =>
      Effect.mapError(effect, failure(path))
    const put = Effect.fnUntraced(function* (path: string, text: string, mode: number) {
      const draft = `${path}.new`
      const before = yield* Effect.option(fs.readFileString(path))
      undo.push(fs.remove(draft, { force: true }))
      yield* attempt(draft, fs.remove(draft, { force: true }))
      yield* attempt(path, fs.writeFileString(draft, text, { flag: "wx", mode }))
      yield* attempt(path, fs.rename(draft, path))
      undo.push(
        Option.match(before, {
          onNone: () => fs.remove(path, { force: true }),
          onSome: (text) => fs.writeFileString(path, text)
        })
      )
    })
    const write = Effect.gen(function* () {
      if (!(yield* attempt(folder, fs.exists(folder)))) {
        yield* attempt(folder, fs.makeDirectory(folder, { recursive: true, mode: 0o700 }))
        undo.push(fs.remove(folder, { recursive: true }))
      }
      for (const [path, secret] of secrets) yield* put(path, `${Redacted.value(secret)}\n`, 0o600)
      for (const { config, path, values } of programs) yield* put(path, writtenToml(config, values), 0o644)
      const loaded = yield* Effect.forEach(programs, ({ config, path }) =>
        Effect.mapError(load(config, { flags: new Map(), environment: {}, file: path }), ({ problems }) =>
          refuse(problems.join("\n"))
        )
      )
      return loaded.flatMap(({ warnings }) => warnings)
    })
    return yield* Effect.tapError(write, () =>
      Effect.forEach(undo.toReversed(), (each) => Effect.ignore(each), { discard: true })
    )
  }).pipe(Effect.uninterruptible)

const failure =
  (path: string) =>
  (error: PlatformError.PlatformError): ProgramError =>
    refuse(`cannot write ${path}: ${reasonOf(error)}`)
