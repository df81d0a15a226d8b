/** `sluice key`: makes and shows authority keys (specification, section 4.7) as the text that peers exchange. */
import * as AuthorityKey from "@sluice/noise/authority-key"
import { Console, Effect, FileSystem, Option, Result } from "effect"
import { Argument, Command } from "effect/cli"
import { exposedArgument } from "../config/exposed.ts"
import { ConfigError } from "../config/config-error.ts"
import { readText } from "../config/read-text.ts"
import { configured, printWarnings } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { KeyConfig } from "./config.ts"

const { flags, loadFrom } = configured(KeyConfig)

const generate = Command.make(
  "generate",
  flags,
  Effect.fnUntraced(function* (input) {
    const { json, keep, secretKeyFile } = (yield* loadFrom(input)).config
    if (keep && secretKeyFile === undefined) return yield* refuse("keep: expected --secret-key-file FILE too")
    const pair = yield* AuthorityKey.generate
    const secretKey = AuthorityKey.formatSecretKey(pair.secretKey)
    const publicKey = AuthorityKey.formatPublicKey(pair.publicKey)
    if (secretKeyFile === undefined) return yield* print({ secretKey, publicKey }, json)
    // "wx" never overwrites a key.
    const fs = yield* FileSystem.FileSystem
    const isWritten = yield* fs.writeFileString(secretKeyFile, `${secretKey}\n`, { flag: "wx", mode: 0o600 }).pipe(
      Effect.as(true),
      Effect.catchIf(
        ({ reason }) => keep && reason._tag === "AlreadyExists",
        () => Effect.succeed(false)
      ),
      Effect.mapError(({ reason }) =>
        refuse(`${secretKeyFile}: ${reason._tag === "AlreadyExists" ? "there is a file already" : reason.message}`)
      )
    )
    if (!isWritten) return yield* printPublicKey(yield* readFile(secretKeyFile), json)
    yield* print({ publicKey }, json)
  })
).pipe(
  Command.withDescription(
    "Make the key pair of an authority. A server signs its certificates with the secret key, clients trust the public key."
  )
)

const show = Command.make(
  "show",
  { secret: Argument.String("SECRET").pipe(Argument.withDescription("The secret key"), Argument.optional), ...flags },
  Effect.fnUntraced(function* ({ secret, ...input }) {
    const { config, warnings } = yield* loadFrom(input)
    const { json, secretKeyFile } = config
    const shown = Option.isSome(secret) ? [exposedArgument("SECRET", "--secret-key-file FILE")] : warnings
    yield* printWarnings("key", shown)
    const text = Option.isSome(secret)
      ? secret.value
      : secretKeyFile === undefined
        ? yield* refuse("expected a secret key, or --secret-key-file FILE")
        : yield* readFile(secretKeyFile)
    yield* printPublicKey(text, json)
  })
).pipe(Command.withDescription("Print the public key that belongs to a secret key."))

export const key = Command.make("key").pipe(
  Command.withDescription(summaries.key),
  Command.withSubcommands([generate, show])
)

const print = (keys: Readonly<Record<string, string>>, json: boolean): Effect.Effect<void> =>
  Console.log(
    json
      ? JSON.stringify(keys)
      : Object.entries(keys)
          .map(([name, text]) => `${name}: ${text}`)
          .join("\n")
  )

const readFile = (path: string) => Effect.mapError(readText(path), refuse)

/** Prints the public key that belongs to the text of a secret key. */
const printPublicKey = Effect.fnUntraced(function* (text: string, json: boolean) {
  const secretKey = AuthorityKey.parseSecretKey(text.trim())
  if (Result.isFailure(secretKey)) return yield* refuse(secretKey.failure.message)
  yield* print({ publicKey: AuthorityKey.formatPublicKey(AuthorityKey.publicKeyOf(secretKey.success)) }, json)
})

const refuse = (problem: string): ConfigError => new ConfigError({ program: "key", problems: [problem] })
