/**
 * Tries what `sluice init` has written: starts the programs in this process, connects to each address for miners as a miner does,
 * waits for work, and stops all of it.
 */
import { DeviceDialer, type Hashers, HashWorkers, Miner } from "@sluice/miner"
import { Translator } from "@sluice/translator"
import { formatServerAddress, MiningDialer, Security, type ServerAddress, Setup, Tcp } from "@sluice/transport"
import { Console, Context, Duration, Effect, Layer, Logger, Option, Schema, Stream } from "effect"
import type { Command } from "effect/cli"
import { loadProgram, runProgram } from "../start/run-program.ts"
import type { ProgramFile } from "./files.ts"

/** What came of the trial. */
export interface Verdict {
  /** Whether a miner got work at each address. */
  readonly isGood: boolean
  /** Why not, if so; then the warnings that the programs logged. */
  readonly remarks: ReadonlyArray<string>
}

export const trial = (
  programs: ReadonlyArray<ProgramFile>,
  servers: ReadonlyArray<ServerAddress>,
  user: string
): Effect.Effect<Verdict, never, Command.Environment> =>
  Effect.gen(function* () {
    const patience = yield* Patience
    const logged: Array<LogLine> = []
    const waiting = new Set(servers)
    const mined = Effect.forEach(
      servers,
      (server) => Effect.map(firstWork(server, user), () => waiting.delete(server)),
      { concurrency: "unbounded", discard: true }
    )
    const all = Effect.as(mined, undefined).pipe(
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () =>
          Effect.succeed(
            `no work came within ${Duration.toSeconds(patience)} s at ${[...waiting].map(formatServerAddress).join(" and ")}`
          )
      })
    )
    // Loading takes long on a small machine, and is not counted.
    yield* Effect.forEach(programs, ({ program }) => loadProgram(program), { discard: true })
    // What is logged while the programs are stopped is no part of the trial.
    let isOver = false
    const over = Effect.sync(() => void (isOver = true))
    const log = (line: LogLine): void => void (isOver || logged.push(line))
    const ends = [all, ...programs.map((program) => run(program, log))]
    const problem = yield* Effect.raceAllFirst(ends.map((end) => Effect.tap(end, over)))
    const warnings = logged.filter(({ level }) => level !== "INFO")
    // Without a warning, the last lines may say where it hangs.
    const told = (warnings.length > 0 || problem === undefined ? warnings : logged).map(({ message }) => message)
    return {
      isGood: problem === undefined,
      remarks: [...new Set(problem === undefined ? told : [problem, ...told])]
    }
  })

/** How long a miner waits for work. */
export const Patience: Context.Reference<Duration.Duration> = Context.Reference("sluice/init/Patience", {
  defaultValue: () => Duration.seconds(30)
})

/** Runs a program until it fails, and gives the reason. Its log is kept, not printed. */
const run = ({ path, program }: ProgramFile, log: (line: LogLine) => void) => {
  const keep = (line: string): void => log(readLine(line))
  return runProgram(program, path, "--log-level", "info", "--log-format", "json").pipe(
    Effect.provideService(Console.Console, { ...globalThis.console, error: keep, log: keep }),
    Effect.match({
      onSuccess: () => `sluice ${program} ended`,
      onFailure: (error) => `sluice ${program}: ${error instanceof Error ? error.message : String(error)}`
    })
  )
}

interface LogLine {
  readonly level: string
  readonly message: string
}

/** Reads a log line. Its message is without the changing end of a repeated one. */
const readLine = (line: string): LogLine => {
  const { level, message } = Option.getOrElse(decodeLine(line), () => ({ level: "ERROR", message: line }))
  const texts = [message].flat().filter((part) => typeof part === "string")
  return { level, message: texts.join(" ").replace(/ Trying again in .*$/, "") }
}

const decodeLine = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ level: Schema.String, message: Schema.Unknown }))
)

/** Connects as a miner, and waits for a job that could be mined. */
const firstWork = (server: ServerAddress, user: string) =>
  Effect.flatMap(Miner, ({ events }) =>
    Stream.runHead(Stream.filter(events, ({ _tag }) => _tag === "JobStarted"))
  ).pipe(
    Effect.provide(
      Miner.layer({
        servers: [server],
        user,
        channel: "extended",
        nominalHashRate: 1e12,
        reconnecting: { firstDelay: "200 millis", maxDelay: "1 second" }
      }).pipe(
        Layer.provide(Translator.eitherDialer({})),
        Layer.provide(Setup.client(MiningDialer)),
        Layer.provide(Security.dialer()),
        Layer.provide(DeviceDialer.layer),
        Layer.provide(Tcp.dialer),
        Layer.provide(Layer.succeed(HashWorkers, { make: Effect.succeed(idle) }))
      )
    ),
    Effect.provide(Logger.layer([])),
    Effect.scoped,
    Effect.orDie
  )

/** Hashes nothing: the trial only waits for work. */
const idle: Hashers = {
  start: () => Effect.void,
  stop: Effect.void,
  take: Effect.never,
  hashes: () => 0,
  measure: Effect.succeed(1e12)
}
