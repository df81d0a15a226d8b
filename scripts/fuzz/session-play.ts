/** Both ends of a session over scripted bytes: the whole way from bytes to messages runs, without Noise. */
import { Frame, Mining, WorkerIdentity } from "@sluice/protocol"
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
  TransportError
} from "@sluice/transport"
import { Cause, Effect, Exit, Layer, Logger, type Scope, Stream } from "effect"
import { ok } from "node:assert/strict"
import { runStill } from "./still-clock.ts"

const remote = { host: "fuzz", port: 1 }
const server = { ...remote, security: { _tag: "plain" } } as const
export const SUPPORTED_FLAGS = Mining.REQUIRES_STANDARD_JOBS
/** As before the setup, so that it does not matter whether a frame comes together with the setup or behind it. */
const limits = { maxPayload: 4096, idleTimeout: "1 minute" } as const
const PAUSE = 3000

export const settings: ReadonlyArray<ExtensionOptions> = [
  {},
  { extensions: [WorkerIdentity.extension] },
  { extensions: [WorkerIdentity.extension], requiredExtensions: [WorkerIdentity.extension.id] },
  { requiredExtensions: [0x4abc] }
]

export interface Script {
  readonly isServer: boolean
  readonly setting: number
  readonly options: ExtensionOptions
  readonly stream: Uint8Array
  /** After so many bytes nothing comes for a while. */
  readonly pauseAt: number
  /** At the end the peer says nothing more; else it closes the connection. */
  readonly isSilent: boolean
}

export interface Played {
  readonly connection: Connection<unknown, unknown> | undefined
  readonly agreed: unknown
  readonly messages: ReadonlyArray<unknown>
  readonly written: ReadonlyArray<Frame>
  readonly error: unknown
}

/** One end over the script, which comes `step` bytes at a time. */
export const play = ({ isServer, isSilent, pauseAt, setting, stream }: Script, step: number): Played => {
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
  const exit = runStill(program)
  Error.stackTraceLimit = stackTraceLimit
  ok(Exit.isFailure(exit), "a session ends without a word")
  const { reasons } = exit.cause
  const [reason] = reasons
  if (reasons.length !== 1 || reason === undefined || !Cause.isFailReason(reason)) throw Cause.squash(exit.cause)
  const agreed = connection === undefined ? undefined : { ...connection.setup, extensions: connection.setup.extensions }
  return { connection, agreed, messages, written: framesOf(new Uint8Array(Buffer.concat(bytes))), error: reason.error }
}

export const framesOf = (bytes: Uint8Array): ReadonlyArray<Frame> => {
  const frames: Array<Frame> = []
  let at = 0
  for (let frame = Frame.read(bytes, at); frame !== undefined; frame = Frame.read(bytes, at)) {
    frames.push(frame)
    at += Frame.headerSize + frame.payload.length
    if (frame.payload.length > limits.maxPayload) break
  }
  return frames
}

type Use = (connection: Connection<unknown, unknown>) => Effect.Effect<void, unknown>

/** Both ends with these settings, made once: they take the duplex that there is at the time. */
const makeEnds = (options: ExtensionOptions) => {
  let duplex: Duplex
  const listening = Layer.provide(
    Setup.server(MiningListener, limits),
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
    Setup.client(MiningDialer, limits),
    Layer.provide(Plain.dialer, Layer.succeed(Dialer, { dial: () => Effect.sync(() => duplex) }))
  )
  const both = Effect.all([MiningListener, MiningDialer])
  const layer = Layer.provide(Layer.merge(listening, dialing), Logger.layer([]))
  const [listener, dialer] = Effect.runSync(Effect.provide(both, layer))
  return {
    serve: (made: Duplex, use: Use) => {
      duplex = made
      const setup = { supportedFlags: SUPPORTED_FLAGS, flags: 1, ...options }
      return listener.run((connection) => use(connection as never), setup) as Effect.Effect<never, unknown>
    },
    dial: (made: Duplex) => {
      duplex = made
      return dialer.dial(server, options) as Effect.Effect<Connection<unknown, unknown>, unknown, Scope.Scope>
    }
  }
}

const ends = settings.map(makeEnds)
