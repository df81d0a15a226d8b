/** `sluice ledger import`: adds the shares of a share log to a ledger. A share that the ledger has is not added again. */
import { Ledger, ledgerError, type LedgerCalls, LedgerError, readKnownShares, shareOfLogged } from "@sluice/ledger"
import { LoggedShare } from "@sluice/mining-server"
import { Effect, FileSystem, Schema, Stream } from "effect"
import { statSync } from "node:fs"
import { reasonOf } from "../config/read-text.ts"
import { withProgress } from "../output/progress.ts"
import { ledgerCommand, printRows } from "./command.ts"
import { ImportConfig } from "./config.ts"

/** Lines that are committed together. */
const BATCH = 1_000

export const importShares = ledgerCommand({
  ...ImportConfig,
  description:
    "Add the shares of a share log to the ledger, in their order. Shares that the ledger has are left out, so an import may be repeated.",
  run: Effect.fnUntraced(function* ({ json, ledger: place, shareLog }) {
    const { added, lines } = yield* Effect.gen(function* () {
      const ledger = yield* Ledger
      const before = ledger.lastSeq()
      const lines = yield* withProgress("import", (progress) => importLines(ledger, shareLog, progress))
      return { lines, added: ledger.lastSeq() - before }
    }).pipe(Effect.provide(Ledger.layer({ ...place, commitInterval: 0 })))
    yield* printRows([{ lines, added, known: lines - added }], json)
  })
})

const decodeLine = Schema.decodeEffect(Schema.fromJsonString(LoggedShare))

const importLines = Effect.fnUntraced(function* (
  { append, name, sql }: LedgerCalls,
  path: string,
  progress: (part: number) => Effect.Effect<void>
) {
  const fs = yield* FileSystem.FileSystem
  const { size } = statSync(path)
  const { newOf } = yield* Effect.mapError(readKnownShares(sql), ledgerError(name))
  let read = 0
  let lines = 0
  yield* fs.stream(path).pipe(
    Stream.mapError((error) => new LedgerError({ message: `cannot read ${path}: ${reasonOf(error)}` })),
    Stream.tap((bytes) => Effect.suspend(() => progress((read += bytes.length) / size))),
    Stream.decodeText,
    Stream.splitLines,
    Stream.mapEffect((line) => {
      lines++
      return Effect.mapError(
        decodeLine(line),
        ({ message }) => new LedgerError({ message: `${path}: line ${lines} is no share: ${message}` })
      )
    }),
    Stream.map(shareOfLogged),
    Stream.grouped(BATCH),
    Stream.mapEffect((shares) => Effect.mapError(newOf(shares), ledgerError(name))),
    Stream.runForEach(append)
  )
  return lines
}, Effect.scoped)
