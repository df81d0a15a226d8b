/** `sluice swarm`: many miners in one process, which load a server and measure it. */
import { layerCurve } from "@sluice/embedded"
import { type AcknowledgedShare, Swarm, SwarmDialer, type SwarmOptions, SwarmReport } from "@sluice/swarm"
import { Translator } from "@sluice/translator"
import { Security, Setup, Tcp } from "@sluice/transport"
import { Console, Duration, Effect, FileSystem, Layer, Schema, type Scope, Struct } from "effect"
import { closeSync, openSync, writeSync } from "node:fs"
import { eventLine } from "../output/events.ts"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { ProgramError } from "../command/report.ts"
import { print } from "../output/streams.ts"
import { trustOf } from "../config/trust.ts"
import { SwarmConfig } from "./config.ts"
import { progressLine, summary } from "./summary.ts"

const PROGRESS = "10 seconds"

export const swarm = program({
  ...SwarmConfig,
  description: summaries.swarm,
  run: (config) =>
    Effect.gen(function* () {
      const { acknowledged, channel, connect, duration, hashRate, localAddresses = [] } = config
      const onAcknowledged = acknowledged === undefined ? undefined : yield* appendTo(acknowledged)
      const options: SwarmOptions = {
        server: connect,
        kind: channel,
        nominalHashRate: hashRate,
        ...Struct.pick(config, ["connections", "channels", "user", "sharesPerMinute", "concurrency", "connectRate"]),
        misbehaviour: Struct.pick(config, ["duplicate", "garbage", "lowDifficulty", "slow", "stale"]),
        ...(onAcknowledged === undefined ? {} : { onAcknowledged })
      }
      const trust = yield* trustOf("swarm", config)
      const dialer =
        connect.security._tag === "v1"
          ? SwarmDialer.ofMining.pipe(Layer.provide(Translator.dialer()))
          : Setup.client(SwarmDialer).pipe(Layer.provide(Security.dialer()))
      const layer = Swarm.layer(options).pipe(
        Layer.provide(dialer),
        Layer.provide([Tcp.dialerWith({ localAddresses, trust }), layerCurve])
      )
      yield* Effect.provide(watch(config.json, config.report, duration), layer)
    }).pipe(Effect.scoped)
})

/** Shows the progress until the time is over or somebody stops the swarm, and then the report. */
const watch = (json: boolean, path: string | undefined, seconds: number | undefined) =>
  Effect.gen(function* () {
    const { finish, report } = yield* Swarm
    const progress = Effect.flatMap(report, (so) => {
      const at = so.startedAt + so.seconds * 1000
      return json ? print(eventLine("swarm", { _tag: "Progress", at, ...so })) : Effect.logInfo(progressLine(so))
    })
    yield* Effect.sleep(PROGRESS).pipe(Effect.andThen(progress), Effect.forever, Effect.forkScoped)
    const finishAndReport = Effect.gen(function* () {
      yield* finish
      const all = yield* report
      const encoded = yield* Effect.orDie(Schema.encodeEffect(SwarmReport)(all))
      yield* Console.log(
        json ? eventLine("swarm", { _tag: "Report", at: Date.now(), ...encoded }) : summary(all).join("\n")
      )
      if (path !== undefined) yield* write(path, `${JSON.stringify(encoded, undefined, 2)}\n`)
    })
    yield* (seconds === undefined ? Effect.never : Effect.sleep(Duration.seconds(seconds))).pipe(
      Effect.onInterrupt(() => Effect.ignore(finishAndReport))
    )
    yield* finishAndReport
  })

const write = (path: string, text: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) =>
    Effect.mapError(files.writeFileString(path, text), cannotWrite(path))
  )

/** Appends a line for each share at once, so that a killed swarm loses none. */
const appendTo = (path: string): Effect.Effect<(share: AcknowledgedShare) => void, ProgramError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({ try: () => openSync(path, "a"), catch: (error) => cannotWrite(path)(error as Error) }),
    (descriptor) => Effect.sync(() => closeSync(descriptor))
  ).pipe(Effect.map((descriptor) => (share) => void writeSync(descriptor, `${JSON.stringify(share)}\n`)))

const cannotWrite = (path: string) => (error: { readonly message: string }) =>
  new ProgramError({ program: "swarm", message: `cannot write ${path}: ${error.message}` })
