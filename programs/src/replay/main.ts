/** `sluice replay`: sends the messages of recorded clients to a server, and reports where its answers are of another kind. */
import {
  readScripts,
  replay as replayFrames,
  replayLines,
  type ReplayEvent,
  type ReplayOptions,
  type Script
} from "@sluice/sniffer"
import { Security, Tcp } from "@sluice/transport"
import { Console, Duration, Effect, FileSystem, Layer, Stream } from "effect"
import { trustOf } from "../config/trust.ts"
import { reasonOf } from "../config/read-text.ts"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { FaultsFound, ProgramError } from "../command/report.ts"
import { messageLine, timeOfDay, v1Line } from "../sniff/line.ts"
import { print } from "../output/streams.ts"
import { ReplayConfig } from "./config.ts"

export const replay = program({
  ...ReplayConfig,
  description: summaries.replay,
  run: ({ answerSeconds, connect, connection, pace, recording, ...trusted }) =>
    Effect.gen(function* () {
      const scripts = yield* readRecording(recording, connection)
      const tcp = Tcp.dialerWith({ trust: yield* trustOf("replay", trusted) })
      const of = connect.security._tag === "v1" ? "lines" : "frames"
      const other = scripts.find((script) => script.of !== of && script.steps.length > 0)
      if (other !== undefined) {
        const message = `connection ${other.connectionId} was recorded with Stratum ${of === "lines" ? "V2" : "V1"}; connect to a server of that`
        return yield* new ProgramError({ program: "replay", message })
      }
      const replayOne = (script: Script, options: ReplayOptions): ReturnType<typeof replayFrames> =>
        of === "lines" ? Effect.provide(replayLines(script, options), tcp) : replayFrames(script, options)
      const first = Math.min(...scripts.map(({ openedAt }) => openedAt))
      const perform = (script: Script) =>
        replayOne(script, { server: connect, pace, answerTimeout: Duration.seconds(answerSeconds), observe }).pipe(
          Effect.tap((differences) =>
            Effect.forEach(differences, (what) => Console.log(`#${script.connectionId} ! ${what}`))
          ),
          Effect.provide(Layer.provide(Security.dialer(), tcp)),
          Effect.delay(pace === "recorded" ? script.openedAt - first : 0)
        )
      const found = (yield* Effect.forEach(scripts, perform, { concurrency: "unbounded" })).flat()
      yield* Console.log(`${count(scripts.length, "connection")} replayed, ${count(found.length, "difference")}`)
      if (found.length > 0) return yield* new FaultsFound()
    })
})

const readRecording = Effect.fnUntraced(function* (path: string, connectionId: number | undefined) {
  const fs = yield* FileSystem.FileSystem
  const refuse = (message: string) => new ProgramError({ program: "replay", message })
  const lines = fs.stream(path).pipe(
    Stream.mapError((error) => refuse(`cannot read ${path}: ${reasonOf(error)}`)),
    Stream.decodeText,
    Stream.splitLines
  )
  const scripts = yield* Effect.mapError(
    readScripts(lines, connectionId === undefined ? {} : { connectionId }),
    (error) => (error._tag === "RecordingError" ? refuse(`${path}: ${error.message}`) : error)
  )
  if (scripts.length > 0) return scripts
  return yield* refuse(`${path}: it has no connection${connectionId === undefined ? "" : ` ${connectionId}`}`)
})

const observe = (event: ReplayEvent): Effect.Effect<void> =>
  print(`${timeOfDay(event.at)} #${event.connectionId} ${describe(event)}`)

const describe = (event: ReplayEvent): string => {
  switch (event._tag) {
    case "Message":
      return messageLine(event.to, event.frame)
    case "Line":
      return v1Line(event.to, event.bytes)
    case "Late":
      return `! recorded: ${event.kind}; it did not come in time, going on without it`
    case "Differs":
      return `! recorded: ${event.recorded}; came: ${event.came}`
  }
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`
