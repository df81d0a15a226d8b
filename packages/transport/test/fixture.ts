/** Fixtures of several tests: an authority, layers over a network in memory, and a log to read. */
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import type { Mining } from "@sluice/protocol"
import { dialerWith, listenerWith } from "@sluice/testing/bound-setup"
import {
  type ClientSetup,
  type Connection,
  type ConnectionError,
  Memory,
  MiningDialer,
  MiningListener,
  Noise,
  type ServerAddress,
  type ServerSetup,
  type Setup
} from "@sluice/transport"
import { Deferred, Effect, Layer, Logger, References, Result, type Scope } from "effect"
import * as Net from "node:net"

/** The reference implementation's default authority. */
export const secretKey = Result.getOrThrow(
  AuthorityKey.parseSecretKey("mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n")
)
export const authorityKey = AuthorityKey.publicKeyOf(secretKey)
export const noise: ServerAddress["security"] = { _tag: "noise", authorityKey }
export const plain: ServerAddress["security"] = { _tag: "plain" }

/** Another authority's public key. */
export const strangerKey = Result.getOrThrow(
  AuthorityKey.parsePublicKey("9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh")
)

export const responder = (options: Noise.ResponderOptions = {}) =>
  Noise.responder(options).pipe(Layer.provide(CertificateAuthority.layer({ secretKey })))

/** Noise at both ends of a network in memory. */
export const noiseOverMemory = (
  network: Memory.NetworkOptions = {},
  options: Noise.ResponderOptions & Noise.InitiatorOptions = {}
) => Layer.merge(responder(options), Noise.initiator(options)).pipe(Layer.provideMerge(Memory.network(network)))

/** Mining over Noise in memory, both ends, with these setups. */
export const mining = (
  server: ServerSetup & Setup.ServerOptions = {},
  client: ClientSetup & Setup.ClientOptions = {}
) =>
  Layer.merge(listenerWith(MiningListener, server, server), dialerWith(MiningDialer, client, client)).pipe(
    Layer.provideMerge(noiseOverMemory())
  )

export type ServerConnection = Connection<Mining.ToServer, Mining.ToClient>
export type ClientConnection = Connection<Mining.ToClient, Mining.ToServer>

/** Connects both ends of a Mining connection. The server's handler keeps it open and does nothing. */
export const connectMining: Effect.Effect<
  { readonly server: ServerConnection; readonly client: ClientConnection },
  ConnectionError,
  Scope.Scope | MiningListener | MiningDialer
> = Effect.gen(function* () {
  const { address, run } = yield* MiningListener
  const { dial } = yield* MiningDialer
  const accepted = yield* Deferred.make<ServerConnection>()
  yield* Effect.forkScoped(run((connection) => Effect.andThen(Deferred.succeed(accepted, connection), Effect.never)))
  const client = yield* Effect.catchTag(dial({ ...address, security: noise }), "DialError", Effect.die)
  return { server: yield* Deferred.await(accepted), client }
})

/** Two ends of a TCP connection: one to send with, and one that the server accepted and nobody reads from. */
export const socketPair = Effect.gen(function* () {
  const server = Net.createServer({ pauseOnConnect: true })
  yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
  yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
  const { port } = server.address() as Net.AddressInfo
  const accepted = new Promise<Net.Socket>((resolve) => server.once("connection", resolve))
  const sender = Net.connect({ host: "127.0.0.1", port, noDelay: true }).on("error", () => {})
  const socket = yield* Effect.promise(() => accepted)
  yield* Effect.addFinalizer(() => Effect.sync(() => [sender, socket].forEach((one) => one.destroy())))
  return { sender, socket }
})

/** Appends each log line from the debug level up to `lines`, as "LEVEL message" with " + cause" for a cause. */
export const logTo = (lines: Array<string>): Layer.Layer<never> =>
  Layer.merge(
    Logger.layer([
      Logger.make(({ cause, logLevel, message }) => {
        const text = Array.isArray(message) ? message.map(String).join(" ") : String(message)
        lines.push(`${logLevel} ${text}${cause.reasons.length > 0 ? " + cause" : ""}`)
      })
    ]),
    Layer.succeed(References.MinimumLogLevel, "Debug")
  )
