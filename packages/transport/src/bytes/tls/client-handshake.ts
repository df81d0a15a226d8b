/** The client's side of TLS, on Node's sockets. */
import { type Duration, Effect } from "effect"
import * as Net from "node:net"
import * as Tls from "node:tls"
import type { Endpoint } from "../../endpoint.ts"
import { DialError } from "../../error.ts"
import type { ServerTrust } from "./server-trust.ts"

/** Does the handshake on a connected socket. */
export const clientHandshake = (
  socket: Net.Socket,
  { host, port }: Endpoint,
  { checks, context, fingerprints }: ServerTrust,
  timeout: Duration.Input
): Effect.Effect<Tls.TLSSocket, DialError> =>
  Effect.callback<Tls.TLSSocket, DialError>((resume) => {
    const endpoint = { host, port }
    const secured = Tls.connect({
      socket,
      host,
      // Server Name Indication has no IP addresses (RFC 6066).
      ...(Net.isIP(host) === 0 ? { servername: host } : {}),
      secureContext: context,
      rejectUnauthorized: checks
    })
    secured.once("secureConnect", () => {
      const fingerprint = secured.getPeerX509Certificate()?.fingerprint256 ?? ""
      if (fingerprints === undefined || fingerprints.has(fingerprint)) return resume(Effect.succeed(secured))
      const cause = new Error(`its fingerprint is ${fingerprint}`)
      resume(Effect.fail(new DialError({ endpoint, code: "TLS_FINGERPRINT", cause })))
      secured.destroy()
    })
    // This listener stays, because an error event without a listener would end the process.
    secured.on("error", (cause) => resume(Effect.fail(new DialError({ endpoint, code: codeOf(cause), cause }))))
    secured.once("close", () => resume(Effect.fail(new DialError({ endpoint, code: "TLS_CLOSED" }))))
    return Effect.sync(() => secured.destroy())
  }).pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(new DialError({ endpoint: { host, port }, code: "TLS_TIMEOUT" }))
    })
  )

const codeOf = (cause: Error & { readonly code?: string }): string =>
  // A connection that ends within the handshake is an error with this code, and so is one that is reset.
  cause.code === "ECONNRESET" ? "TLS_CLOSED" : (cause.code ?? cause.message)
