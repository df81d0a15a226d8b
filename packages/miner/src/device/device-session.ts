/** A `Session` on the device module: passes the bytes of a `Duplex` through it and translates its events. */
import { type ClientEvent, ProtocolViolation, SERVER_RULES, type ServerRule } from "@sluice/channels"
import { MiningDevice } from "@sluice/core"
import { DeviceModule, type DeviceModuleEvent } from "@sluice/embedded"
import { type Entropy, handshakeFailure } from "@sluice/noise"
import { Mining, printable } from "@sluice/protocol"
import {
  type ConnectionError,
  type Device,
  type Dialer,
  type Duplex,
  formatEndpoint,
  otherSecurity,
  type ServerAddress,
  Setup
} from "@sluice/transport"
import { Clock, Duration, Effect } from "effect"
import { DeviceError } from "./device-error.ts"
import { DeviceEvents, messageName } from "./device-events.ts"
import { type Session, SessionError, type SessionOptions } from "../session.ts"

/** The time limit for the server's parts of the handshake and the setup together. */
const ANSWER_TIMEOUT: Duration.Input = "20 seconds"

export interface ModuleOptions {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly maxPayload: number
}

/** Connects, and does the handshake and the setup. Gives a session, or the reason why there can be none. */
export const dialDevice = Effect.fnUntraced(function* (
  dialer: Dialer["Service"],
  random: Entropy,
  { bytes, maxPayload }: ModuleOptions,
  server: ServerAddress,
  options: SessionOptions,
  device: Partial<Device>
) {
  if (server.security._tag === "v1") return yield* otherSecurity(server)
  const duplex = yield* dialer.dial(server)
  const clock = yield* Clock.Clock
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const module = new DeviceModule(bytes, { maxPayload })
  const { firmware, hardwareVersion, vendor, deviceId } = { ...Setup.SOFTWARE, ...device }
  module.configure({
    user: options.user,
    vendor,
    hardware: hardwareVersion,
    firmware,
    deviceId,
    host: server.host,
    port: server.port,
    authorityKey: server.security._tag === "noise" ? server.security.authorityKey : undefined,
    nominalHashRate: options.nominalHashRate,
    maxTarget: options.maxTarget,
    flags:
      (options.requiresStandardJobs ? Mining.REQUIRES_STANDARD_JOBS : 0) |
      (options.requiresVersionRolling ? Mining.REQUIRES_VERSION_ROLLING : 0)
  })
  const unixSeconds = Math.floor(clock.currentTimeMillisUnsafe() / 1000)
  while (!module.connect(random(64), unixSeconds, now()))
    yield* Effect.logDebug("The curve refused random bytes as a key; trying others")
  const link = new Link(duplex, module, now)
  yield* link.flush

  const agree = Effect.gen(function* () {
    for (;;) {
      const events = yield* link.receive
      const connected = events.findIndex(({ _tag }) => _tag === "Connected")
      if (connected >= 0) return Effect.succeed(sessionOf(link, module, events.slice(connected + 1), now, server))
      const failed = events.find(({ _tag }) => _tag === "Failed" || _tag === "SetupFailed")
      if (failed === undefined) continue
      const failure = failureOf(failed, server)
      // The setup succeeded, so there is a connection, but no session on it.
      if (failed._tag === "Failed" && failed.rule === MiningDevice.RULE_STANDARD_CHANNELS) return failure
      return yield* failure
    }
  })
  return yield* Effect.timeoutOrElse(agree, {
    duration: ANSWER_TIMEOUT,
    orElse: () => {
      const waited = Duration.format(Duration.fromInputUnsafe(ANSWER_TIMEOUT))
      const message = `${formatEndpoint(server)} did not answer the handshake and SetupConnection within ${waited}`
      return Effect.fail(new DeviceError({ rule: "timely-answer", message }))
    }
  })
})

/** The module and its socket. */
class Link {
  /** Sends the module's output. Takes and writes it in one step, so that bytes stay in order. */
  readonly flush: Effect.Effect<void, ConnectionError>
  /** Reads the socket once. Gives the events, and sends the module's answers. */
  readonly receive: Effect.Effect<ReadonlyArray<DeviceModuleEvent>, ConnectionError>

  constructor(duplex: Duplex, module: DeviceModule, now: () => number) {
    const write = duplex.write(() => module.take())
    this.flush = Effect.suspend(() => (module.waiting === 0 ? Effect.void : write))
    this.receive = Effect.flatMap(duplex.pull, (chunks) => {
      const events = chunks.flatMap((chunk) => module.receive(chunk, now()))
      return Effect.as(this.flush, events)
    })
  }
}

const sessionOf = (
  link: Link,
  module: DeviceModule,
  early: ReadonlyArray<DeviceModuleEvent>,
  now: () => number,
  server: ServerAddress
): Session => {
  const events = new DeviceEvents()
  const deliver = <E, R>(
    batch: ReadonlyArray<DeviceModuleEvent>,
    handler: (events: ReadonlyArray<ClientEvent>) => Effect.Effect<void, E, R>
  ) => {
    const failed = batch.find(({ _tag }) => _tag === "Failed")
    const translated = events.translate(batch, now())
    const handled = translated.length === 0 ? Effect.void : handler(translated)
    return failed === undefined ? handled : Effect.andThen(handled, failureOf(failed, server))
  }

  return {
    run: (handler) =>
      Effect.andThen(
        Effect.suspend(() => (early.length === 0 ? Effect.void : deliver(early, handler))),
        Effect.forever(Effect.flatMap(link.receive, (batch) => deliver(batch, handler)))
      ),
    submit: Effect.fnUntraced(function* (shares) {
      const numbers: Array<number | undefined> = []
      for (const share of shares) {
        const { jobId, nonce, ntime, version } = share
        let answer = module.submit({ jobId, nonce, ntime, version }, now())
        if (answer === "no-room") {
          yield* link.flush
          answer = module.submit({ jobId, nonce, ntime, version }, now())
        }
        if (typeof answer === "number") events.submitted(answer, jobId, now())
        numbers.push(typeof answer === "number" ? answer : undefined)
      }
      yield* link.flush
      return numbers
    }),
    pending: () => module.pending,
    close: Effect.suspend(() => (module.closeChannel("the miner stops") ? link.flush : Effect.void))
  }
}

/** The error that ends the connection. */
const failureOf = (
  event: DeviceModuleEvent,
  server: ServerAddress
): Effect.Effect<never, ProtocolViolation | DeviceError | SessionError> => {
  const name = formatEndpoint(server)
  if (event._tag === "SetupFailed") {
    const why = `${printable(event.errorCode)}, flags ${event.flags}`
    return Effect.fail(new DeviceError({ rule: "setup", message: `${name} refused SetupConnection: ${why}` }))
  }
  if (event._tag !== "Failed") return Effect.die(new Error(`${event._tag} ends no connection`))
  const { detail, messageType, ruleName, section } = event
  if (ruleName === "standard-channels") {
    const message = "the server accepts extended channels only (REQUIRES_EXTENDED_CHANNELS); mine with channel extended"
    return Effect.fail(new SessionError({ reason: "extended-channels-only", message }))
  }
  const messageTag = messageType === undefined ? "the server" : messageName(messageType)
  if (isServerRule(ruleName)) {
    const message = `${messageTag} breaks "${ruleName}" (section ${section})`
    return Effect.fail(new ProtocolViolation({ rule: ruleName, section, messageTag, message }))
  }
  const why = ruleName === "noise-handshake" ? `: ${handshakeFailure(detail)}` : ""
  const message = `${name}: ${messageTag} breaks "${ruleName}" (section ${section})${why}`
  return Effect.fail(new DeviceError({ rule: ruleName, message }))
}

const isServerRule = (rule: string): rule is ServerRule => rule in SERVER_RULES
