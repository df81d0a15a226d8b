/**
 * What `npm run fuzz` throws at both ends of a session before its channels (specification, section 3.6 and extension 0x0001):
 * SetupConnection and its answers, the negotiation of extensions, messages before and between them. The whole way from
 * bytes to messages runs, without Noise, over a clock that stands still until everything waits: silence costs nothing, and
 * what waits for ever is found.
 */
import {
  Common,
  DecodeError,
  EncodeError,
  ExtensionsNegotiation,
  Frame,
  Mining,
  Protocol,
  WorkerIdentity
} from "@sluice/protocol"
import {
  Closed,
  type Connection,
  Dialer,
  type Duplex,
  type ExtensionOptions,
  Listener,
  MiningDialer,
  MiningListener,
  Plain,
  Setup,
  SetupError,
  TransportError
} from "@sluice/transport"
import { Cause, Clock, Duration, Effect, Exit, Layer, Logger, Scheduler, type Scope, Stream } from "effect"
import { deepStrictEqual, ok } from "node:assert/strict"
import { isDeepStrictEqual } from "node:util"
import type { Target } from "./fuzz-targets.ts"

const remote = { host: "fuzz", port: 1 }
const server = { ...remote, security: { _tag: "plain" } } as const
const worker = WorkerIdentity.extension
const SUPPORTED_FLAGS = Mining.REQUIRES_STANDARD_JOBS
/** As before the setup, so that it does not matter whether a frame comes together with the setup or behind it. */
const limits = { maxPayload: 4096, idleTimeout: "1 minute" } as const
const PAUSE = 3000

const settings: ReadonlyArray<ExtensionOptions> = [
  {},
  { extensions: [worker] },
  { extensions: [worker], requiredExtensions: [worker.id] },
  { requiredExtensions: [0x4abc] }
]

type Use = (connection: Connection<unknown, unknown>) => Effect.Effect<void, unknown>

/** Both ends with these settings, made once: they take the duplex that there is at the time. */
const makeEnds = (options: ExtensionOptions) => {
  let duplex: Duplex
  const listening = Layer.provide(
    Setup.server(MiningListener, { supportedFlags: SUPPORTED_FLAGS, flags: 1, ...options, ...limits }),
    Layer.provide(
      Plain.listener,
      Layer.succeed(Listener, {
        address: remote,
        run: (handler) => Effect.andThen(Effect.suspend(() => handler(duplex)) as Effect.Effect<void>, Effect.never),
        stopAccepting: Effect.void
      })
    )
  )
  const dialing = Layer.provide(
    Setup.client(MiningDialer, { ...options, ...limits }),
    Layer.provide(Plain.dialer, Layer.succeed(Dialer, { dial: () => Effect.sync(() => duplex) }))
  )
  const both = Effect.all([MiningListener, MiningDialer])
  const layer = Layer.provide(Layer.merge(listening, dialing), Logger.layer([]))
  const [listener, dialer] = Effect.runSync(Effect.provide(both, layer))
  return {
    serve: (made: Duplex, use: Use) => {
      duplex = made
      return listener.run((connection) => use(connection as never)) as Effect.Effect<never, unknown>
    },
    dial: (made: Duplex) => {
      duplex = made
      return dialer.dial(server) as Effect.Effect<Connection<unknown, unknown>, unknown, Scope.Scope>
    }
  }
}

const ends = settings.map(makeEnds)

/** Time that goes on when it is told to. */
class StillClock implements Clock.Clock {
  private now = 1_800_000_000_000
  private readonly sleepers = new Set<{ readonly until: number; readonly wake: () => void }>()
  readonly currentTimeMillis = Effect.sync(() => this.now)
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = this.currentTimeNanos
  currentTimeMillisUnsafe(): number {
    return this.now
  }
  currentTimeNanosUnsafe(): bigint {
    return BigInt(this.now) * 1_000_000n
  }
  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }
  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const sleeper = { until: this.now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
      this.sleepers.add(sleeper)
      return Effect.sync(() => this.sleepers.delete(sleeper))
    })
  }
  /** On to the next that sleeps; false if none does. */
  advance(): boolean {
    const [next] = [...this.sleepers].toSorted((a, b) => a.until - b.until)
    if (next === undefined) return false
    this.sleepers.delete(next)
    this.now = Math.max(this.now, next.until)
    next.wake()
    return true
  }
}

/** The effect's end, all of it run now. */
const run = <A, E>(effect: Effect.Effect<A, E>): Exit.Exit<A, E> => {
  const tasks: Array<() => void> = []
  const scheduler = new Scheduler.MixedScheduler("sync", (task) => {
    tasks.push(task)
    return () => tasks.splice(tasks.indexOf(task), 1)
  })
  const clock = new StillClock()
  const fiber = Effect.runFork(
    effect.pipe(Effect.provideService(Clock.Clock, clock), Effect.provideService(Logger.CurrentLoggers, new Set())),
    { scheduler }
  )
  do {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) task()
  } while (fiber.pollUnsafe() === undefined && clock.advance())
  const exit = fiber.pollUnsafe()
  ok(exit !== undefined, "it waits for ever")
  return exit
}

interface Script {
  readonly isServer: boolean
  readonly setting: number
  readonly options: ExtensionOptions
  readonly stream: Uint8Array
  /** After so many bytes nothing comes for a while. */
  readonly pauseAt: number
  /** At the end the peer says nothing more; else it closes the connection. */
  readonly isSilent: boolean
}

interface Played {
  readonly connection: Connection<unknown, unknown> | undefined
  readonly agreed: unknown
  readonly messages: ReadonlyArray<unknown>
  readonly written: ReadonlyArray<Frame>
  readonly error: unknown
}

/** One end over the script, which comes `step` bytes at a time. */
const play = ({ isServer, isSilent, pauseAt, setting, stream }: Script, step: number): Played => {
  const chunks: Array<Uint8Array | undefined> = []
  const cut = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length; at += step) chunks.push(bytes.slice(at, at + step))
  }
  cut(stream.subarray(0, pauseAt))
  chunks.push(undefined)
  cut(stream.subarray(pauseAt))

  const bytes: Array<Uint8Array> = []
  const closed = Effect.suspend(() =>
    Effect.fail(new TransportError({ remote, reason: new Closed({ pendingBytes: 0 }) }))
  )
  const pull: Effect.Effect<readonly [Uint8Array], TransportError> = Effect.suspend(() => {
    if (chunks.length === 0) return isSilent ? Effect.never : closed
    const chunk = chunks[0]
    if (chunk !== undefined) {
      chunks.shift()
      return Effect.succeed([chunk] as const)
    }
    return Effect.andThen(
      Effect.sleep(PAUSE),
      Effect.suspend(() => {
        chunks.shift()
        return pull
      })
    )
  })
  const duplex: Duplex = { pull, write: (made: () => Uint8Array) => Effect.sync(() => void bytes.push(made())), remote }

  let connection: Connection<unknown, unknown> | undefined
  const messages: Array<unknown> = []
  const use = (made: Connection<unknown, unknown>) =>
    Effect.suspend(() => {
      connection = made
      return Stream.runForEachArray(made.receive, (batch) => Effect.sync(() => void messages.push(...batch)))
    })
  const { dial, serve } = ends[setting]!
  const program: Effect.Effect<unknown, unknown> = Effect.scoped(
    isServer ? serve(duplex, use) : Effect.flatMap(dial(duplex), use)
  )
  // Where an error was made is of no interest, and finding that out takes longer than all the rest.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const exit = run(program)
  Error.stackTraceLimit = stackTraceLimit
  ok(Exit.isFailure(exit), "a session ends without a word")
  const { reasons } = exit.cause
  const [reason] = reasons
  if (reasons.length !== 1 || reason === undefined || !Cause.isFailReason(reason)) throw Cause.squash(exit.cause)
  const agreed = connection === undefined ? undefined : { ...connection.setup, extensions: connection.setup.extensions }
  return { connection, agreed, messages, written: framesOf(new Uint8Array(Buffer.concat(bytes))), error: reason.error }
}

const framesOf = (bytes: Uint8Array): ReadonlyArray<Frame> => {
  const frames: Array<Frame> = []
  let at = 0
  for (let frame = Frame.read(bytes, at); frame !== undefined; frame = Frame.read(bytes, at)) {
    frames.push(frame)
    at += Frame.headerSize + frame.payload.length
    if (frame.payload.length > limits.maxPayload) break
  }
  return frames
}

/** What a frame says, if anything. */
const read = (decode: (frame: Frame) => unknown, frame: Frame | undefined): { readonly _tag: string } | undefined => {
  try {
    return frame === undefined ? undefined : (decode(frame) as { readonly _tag: string } | undefined)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

const spoken = Protocol.extend(Mining.protocol, ExtensionsNegotiation.messages)
const withWorkers = Protocol.negotiated(Mining.protocol, [worker])
const isSubset = (some: ReadonlyArray<number>, all: ReadonlyArray<number>) => some.every((id) => all.includes(id))

/** Only who asked for what is served gets through, and is told so once. */
const checkServer = ({ options, stream }: Script, { connection, error, written }: Played): void => {
  const frames = framesOf(stream)
  const first = read((frame) => Mining.protocol.toServer.decode(frame), frames[0]) as Common.SetupConnection | undefined
  const said = written.map((frame) => spoken.toClient.decode(frame))
  if (first?._tag !== "SetupConnection") {
    ok(connection === undefined && said.length === 0, "what does not begin with SetupConnection is answered")
    return
  }
  const isGood =
    first.protocol === 0 && first.minVersion <= 2 && first.maxVersion >= 2 && (first.flags & ~SUPPORTED_FLAGS) === 0
  const [answer, ...answers] = said
  if (!isGood) {
    ok(connection === undefined && answer?._tag === "SetupConnection.Error" && answers.length === 0, "not refused")
    ok((answer.flags & ~first.flags) === 0, "flags are refused that nobody asked for")
    return
  }
  ok(answer?._tag === "SetupConnection.Success" && answer.usedVersion === 2 && answer.flags === 1, "not accepted")
  const requests = frames.slice(1).flatMap((frame) => {
    const request = read((one) => spoken.toServer.decode(one), frame)
    return request?._tag === "RequestExtensions" ? [request as ExtensionsNegotiation.RequestExtensions] : []
  })
  ok(answers.length <= Math.min(requests.length, 8), "answers to what nobody asked")
  for (const [index, said] of answers.entries()) {
    const { requestId, requestedExtensions } = requests[index]!
    ok(
      said?._tag.startsWith("RequestExtensions.") && "requestId" in said && said.requestId === requestId,
      "not the answer"
    )
    if (said._tag === "RequestExtensions.Success") {
      ok(isSubset(said.supportedExtensions, requestedExtensions), "it agrees to what nobody asked for")
    }
  }
  if (connection === undefined) {
    ok((options.requiredExtensions ?? []).length > 0, "a good client gets no connection")
    return
  }
  ok(
    connection.setup.version === 2 && connection.setup.flags === first.flags,
    "another version or flags than agreed on"
  )
  if (error instanceof SetupError) return
  const last = answers.at(-1)
  const agreed = last?._tag === "RequestExtensions.Success" ? last.supportedExtensions : []
  deepStrictEqual(connection.setup.extensions, agreed, "other extensions than agreed on")
}

/** Only a server that took what was offered gets through. */
const checkClient = ({ options, stream }: Script, { connection, written }: Played): void => {
  const frames = framesOf(stream)
  const first = read((frame) => Mining.protocol.toClient.decode(frame), frames[0]) as
    | Common.SetupConnectionSuccess
    | undefined
  const [asked, ...rest] = written.map((frame) => spoken.toServer.decode(frame)?._tag)
  ok(asked === "SetupConnection" && rest.length <= 1, "the client says more than it has to say")
  ok(
    rest.every((tag) => tag === "RequestExtensions"),
    "the client says something else"
  )
  const isGood = first?._tag === "SetupConnection.Success" && first.usedVersion === 2
  if (!isGood) ok(connection === undefined && rest.length === 0, "the client goes on without SetupConnection.Success")
  if (connection === undefined || !isGood) return
  ok(
    connection.setup.version === 2 && connection.setup.flags === first.flags,
    "another version or flags than agreed on"
  )
  const answered = frames.flatMap((frame) => {
    const answer = read((one) => spoken.toClient.decode(one), frame)
    return answer?._tag === "RequestExtensions.Success"
      ? (answer as ExtensionsNegotiation.RequestExtensionsSuccess).supportedExtensions
      : []
  })
  const { extensions } = connection.setup
  const offered = (options.extensions ?? []).map(({ id }) => id)
  ok(isSubset(extensions, offered) && isSubset(extensions, answered), "other extensions than agreed on")
}

/** The first byte says which end it is and what it wants, the second how the stream is cut, the third where it rests. */
const runSession = (input: Uint8Array): void => {
  const [first = 0, second = 0, third = 0] = input
  const setting = (first >> 2) & 3
  const script: Script = {
    isServer: (first & 1) === 0,
    isSilent: (first & 2) !== 0,
    setting,
    options: settings[setting]!,
    stream: input.subarray(3),
    pauseAt: third * 4
  }
  const whole = play(script, 4096)
  const { connection, error, messages } = whole
  const isTyped = [TransportError, SetupError, DecodeError, EncodeError].some((type) => error instanceof type)
  ok(isTyped, `not an error of connections: ${String(error)}`)
  if (script.isServer) checkServer(script, whole)
  else checkClient(script, whole)
  if (connection !== undefined) {
    ok(isSubset(script.options.requiredExtensions ?? [], connection.setup.extensions), "what is required is not there")
    const { toClient, toServer } = connection.setup.extensions.length > 0 ? withWorkers : Mining.protocol
    const expected = framesOf(script.stream)
      .slice(1)
      .map((frame) => read((one) => (script.isServer ? toServer : toClient).decode(one), frame))
      .filter((message) => message !== undefined)
    if (error instanceof TransportError) deepStrictEqual(messages, expected, "other messages than were sent")
    else deepStrictEqual(messages, expected.slice(0, messages.length), "other messages than were sent")
  } else ok(messages.length === 0, "messages before the setup")
  const pieces = play(script, 1 + (second & 127))
  const told = ({ agreed, error, messages, written }: Played) => ({ agreed, messages, written, error: String(error) })
  ok(isDeepStrictEqual(told(pieces), told(whole)), `a session depends on how its bytes were cut: ${String(error)}`)
}

const seeds = (): ReadonlyArray<Uint8Array> => {
  const setup = (change: Partial<Common.SetupConnection>) =>
    Common.SetupConnection.codec.encode({
      _tag: "SetupConnection",
      protocol: 0,
      minVersion: 2,
      maxVersion: 2,
      flags: 1,
      endpointHost: "pool",
      endpointPort: 3333,
      vendor: "v",
      hardwareVersion: "h",
      firmware: "f",
      deviceId: "",
      ...change
    })
  const success = Common.SetupConnectionSuccess.codec.encode({
    _tag: "SetupConnection.Success",
    usedVersion: 2,
    flags: 1
  })
  const refused = Common.SetupConnectionError.codec.encode({
    _tag: "SetupConnection.Error",
    flags: 4,
    errorCode: "unsupported-feature-flags"
  })
  const { RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess } = ExtensionsNegotiation
  const ask = (...requestedExtensions: ReadonlyArray<number>) =>
    RequestExtensions.codec.encode(RequestExtensions.make({ requestId: 9, requestedExtensions }))
  const agree = (...supportedExtensions: ReadonlyArray<number>) =>
    RequestExtensionsSuccess.codec.encode(RequestExtensionsSuccess.make({ requestId: 1, supportedExtensions }))
  const disagree = RequestExtensionsError.codec.encode(
    RequestExtensionsError.make({ requestId: 1, unsupportedExtensions: [2], requiredExtensions: [] })
  )
  const up = withWorkers.toServer.encode(
    WorkerIdentity.UserIdentity.put(
      Mining.SubmitSharesExtended.make({
        channelId: 1,
        sequenceNumber: 2,
        jobId: 3,
        nonce: 4,
        ntime: 5,
        version: 6,
        extranonce: Uint8Array.of(7)
      }),
      { userIdentity: "Worker_001" }
    )
  )
  const down = Mining.protocol.toClient.encode(Mining.CloseChannel.make({ channelId: 1, reasonCode: "end" }))
  const script = (isServer: boolean, setting: number, ...frames: ReadonlyArray<Uint8Array>) =>
    new Uint8Array(Buffer.concat([Uint8Array.of((isServer ? 0 : 1) | (setting << 2), 6, 255), ...frames]))
  return [
    script(true, 0, setup({}), up),
    script(true, 0, setup({ flags: 4 })),
    script(true, 0, setup({ protocol: 2, maxVersion: 9 })),
    script(true, 1, setup({}), ask(2, 5), up, setup({}), up),
    script(true, 2, setup({}), ask(5), ask(2), up),
    script(true, 3, setup({}), ask(2), ask(0x4abc), up),
    script(false, 0, success, down, success, down),
    script(false, 0, refused),
    script(false, 1, success, down, agree(2), down),
    script(
      false,
      1,
      success,
      agree(2),
      agree(2),
      ...Array.from({ length: 70 }, () => Uint8Array.of(0, 0, 255, 0, 0, 0))
    ),
    script(false, 2, success, disagree, agree(2), down),
    script(false, 3, success, agree(0x4abc), down)
  ]
}

export const sessionTarget: Target = { name: "session", run: runSession, seeds }
