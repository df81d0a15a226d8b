/**
 * The server's side of TLS, on Node's sockets. Effect's sockets can be upgraded to TLS too, but make a context with the parsed
 * certificate for each connection; here all connections have the same.
 *
 * As the handshakes of Noise, those of TLS take turns by address, and begin only when the client has sent something, so that a
 * silent connection costs nothing but its place. OpenSSL keeps tens of kilobytes for a handshake, so few may be unfinished; above
 * that limit, the oldest one of the address with the most of them ends.
 */
import { Duration, Effect, Result, type Scope } from "effect"
import type * as Net from "node:net"
import * as Tls from "node:tls"
import { type HandshakeQueue, makeHandshakeQueue } from "../../limits/handshake-queue.ts"
import { Holdings } from "../../limits/holdings.ts"
import { firstBytes } from "../first-bytes.ts"
import { recognise } from "../other-protocol.ts"
import { TlsCrowded, TlsFailed, TlsTimeout, type TransportError } from "../transport-error.ts"
import type { ServerCertificate } from "./server-certificate.ts"

type Reason = TransportError["reason"]

export interface ServerHandshakeOptions {
  /** How long a client may take for the handshake. Default 10 seconds. */
  readonly handshakeTimeout?: Duration.Input
  /** The most handshakes that begin per second. Others wait for their turn; if too many wait, some are refused. Default 1,000. */
  readonly maxHandshakesPerSecond?: number
  /** The most unfinished handshakes. Default 1,000. */
  readonly maxUnfinishedHandshakes?: number
}

/** A client that connects. */
interface Client {
  readonly host: string
  /** `addressGroup` of the host. */
  readonly address: string
}

/** Does the handshake on an open socket that nobody reads from. */
export type ServerHandshake = (socket: Net.Socket, client: Client) => Effect.Effect<Tls.TLSSocket, Reason>

/** Makes the handshakes of one listener. */
export const makeServerHandshake = Effect.fnUntraced(function* (
  certificate: ServerCertificate,
  options: ServerHandshakeOptions
): Effect.fn.Return<ServerHandshake, never, Scope.Scope> {
  const { handshakeTimeout = "10 seconds", maxHandshakesPerSecond = 1000, maxUnfinishedHandshakes = 1000 } = options
  const queue = yield* makeHandshakeQueue({ maxPerSecond: maxHandshakesPerSecond })
  const unfinished = new Unfinished(maxUnfinishedHandshakes)
  const inTime = Effect.timeoutOrElse({
    duration: handshakeTimeout,
    orElse: () => Effect.fail(new TlsTimeout({ seconds: Duration.toSeconds(handshakeTimeout) }))
  })
  return (socket, client) =>
    inTime(firstBytes(socket, readHello)).pipe(
      Effect.andThen(turn(queue, client.host)),
      Effect.andThen(inTime(finish(socket, client, certificate, unfinished)))
    )
})

/** Whether the first byte is that of a TLS record with a handshake message. */
const readHello = (bytes: Uint8Array): Result.Result<{ readonly size: 0 } | undefined, Reason> =>
  bytes[0] === HANDSHAKE_RECORD
    ? Result.succeed({ size: 0 })
    : Result.fail(new TlsFailed({ what: `the peer does not speak TLS${recognise(bytes)}` }))

const HANDSHAKE_RECORD = 22

const turn = (queue: HandshakeQueue, host: string): Effect.Effect<void, Reason> =>
  Effect.mapError(
    queue.run(host, () => Effect.void),
    ({ waiting }) =>
      new TlsFailed({ what: `${waiting} others wait for their turn, the most allowed (maxHandshakesPerSecond)` })
  )

const finish = (
  socket: Net.Socket,
  { address }: Client,
  certificate: ServerCertificate,
  unfinished: Unfinished
): Effect.Effect<Tls.TLSSocket, Reason> =>
  Effect.callback<Tls.TLSSocket, Reason>((resume) => {
    if (socket.destroyed) return resume(Effect.fail(new TlsFailed({ what: LEFT })))
    const secured = new Tls.TLSSocket(socket, { isServer: true, secureContext: certificate.context() })
    const stop = () => {
      unfinished.remove(handshake)
      secured.off("secure", done)
      secured.off("close", left)
    }
    const fail = (reason: Reason) => {
      stop()
      secured.destroy()
      resume(Effect.fail(reason))
    }
    const done = () => {
      stop()
      resume(Effect.succeed(secured))
    }
    const left = () => fail(new TlsFailed({ what: LEFT }))
    const handshake: Handshake = {
      address,
      end: () => fail(new TlsCrowded({ unfinished: unfinished.max }))
    }
    secured.once("secure", done)
    secured.once("close", left)
    // This listener stays, because an error event without a listener would end the process.
    secured.on("error", (error) => fail(new TlsFailed({ what: whyOf(error) })))
    unfinished.add(handshake)
    return Effect.sync(() => {
      stop()
      secured.destroy()
    })
  })

const LEFT = "the peer ended the connection; if it does so again, it may not trust the certificate"

/** The reason in OpenSSL's words, such as "no shared cipher". */
const whyOf = (error: Error & { readonly reason?: string; readonly code?: string }): string =>
  error.reason ?? error.code ?? error.message

interface Handshake {
  readonly address: string
  /** Ends the connection. */
  readonly end: () => void
}

/** The handshakes that have begun and not ended. */
class Unfinished {
  readonly max: number
  readonly #handshakes = new Holdings<Handshake>()

  constructor(max: number) {
    this.max = max
  }

  add(handshake: Handshake): void {
    this.#handshakes.set(handshake.address, handshake)
    if (this.#handshakes.total > this.max) this.#handshakes.first(this.#handshakes.heaviest!)!.end()
  }

  remove(handshake: Handshake): void {
    this.#handshakes.remove(handshake.address, handshake)
  }
}
