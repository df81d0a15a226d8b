/** How every command of `sluice ledger` is made, and how it prints. */
import { escaped } from "@sluice/protocol/printable"
import {
  Ledger,
  type LedgerError,
  layerReading,
  ledgerError,
  ledgerName,
  type LedgerPlace,
  type LedgerSettings,
  LedgerSql,
  type LedgerSqlCalls
} from "@sluice/ledger"
import { Console, Effect } from "effect"
import type { SqlError } from "effect/sql"
import { Command } from "effect/cli"
import type { LoggingConfig } from "../output/logging.ts"
import { layerLogging } from "../output/logging.ts"
import type { ProgramConfig } from "../config/load.ts"
import { columns } from "../output/columns.ts"
import { configured, printWarnings } from "../command/program.ts"
import { FaultsFound, ProgramError } from "../command/report.ts"

/** Makes `sluice ledger NAME` of its configuration and a function. */
export const ledgerCommand = <A extends LoggingConfig, R>(
  options: ProgramConfig<A> & {
    readonly description: string
    readonly run: (config: A) => Effect.Effect<void, { readonly message: string } | FaultsFound, R>
  }
) => {
  const { flags, loadFrom } = configured(options)
  return Command.make(
    options.program.split(" ").at(-1)!,
    flags,
    Effect.fnUntraced(function* (input) {
      const { config, warnings } = yield* loadFrom(input)
      yield* printWarnings(options.program, warnings)
      yield* options.run(config).pipe(
        Effect.mapError((error) =>
          error instanceof FaultsFound ? error : new ProgramError({ program: options.program, message: error.message })
        ),
        Effect.provide(layerLogging(config))
      )
    })
  ).pipe(Command.withDescription(options.description))
}

/** Reads the ledger at this place. */
export const reading = <A, E extends { readonly message: string }>(
  place: LedgerPlace,
  read: (sql: LedgerSqlCalls) => Effect.Effect<A, E | SqlError.SqlError>
): Effect.Effect<A, E | LedgerError> =>
  Effect.flatMap(LedgerSql, (sql) =>
    Effect.catchIf(
      read(sql),
      (error): error is Extract<E | SqlError.SqlError, SqlError.SqlError> =>
        "_tag" in error && error._tag === "SqlError",
      (error) => Effect.fail(ledgerError(ledgerName(place))(error))
    )
  ).pipe(Effect.provide(layerReading(place))) as Effect.Effect<A, E | LedgerError>

/** The ledger, to change it, also while a pool uses it. */
export const layerWriting = (place: LedgerPlace, settings: LedgerSettings = {}) =>
  Ledger.layer({ ...place, commitInterval: 0, ...settings })

export const isoTime = (at: number): string => new Date(at).toISOString()

type Row = Readonly<Record<string, string | number | bigint | boolean | undefined>>

/** Prints rows as a table on a terminal, and as lines of JSON elsewhere. Amounts and work become decimal text in JSON. */
export const printRows = (rows: ReadonlyArray<Row>, json: boolean): Effect.Effect<void> => {
  if (rows.length === 0) return Effect.void
  if (json || process.stdout.isTTY !== true) {
    return Console.log(rows.map((row) => escaped(JSON.stringify(row, bigintAsText))).join("\n"))
  }
  const names = Object.keys(rows[0]!)
  const cells = rows.map((row) => names.map((name) => escaped(String(row[name] ?? ""))))
  return Console.log(columns([names.map((name) => name.toUpperCase()), ...cells], "right").join("\n"))
}

const bigintAsText = (_key: string, value: unknown) => (typeof value === "bigint" ? value.toString() : value)

/** The name of an account for people. */
export const accountName = (name: string): string => (name === "" ? "(the pool)" : name)
