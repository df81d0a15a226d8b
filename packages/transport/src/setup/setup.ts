/**
 * The layers of SetupConnection (specification, section 3.6): they make connections, typed by a protocol, of frames.
 *
 * A layer has the protocol and the limits. Each `run` and `dial` passes the flags and extensions of its role
 * (setup-options.ts). After SetupConnection (accept.ts, request.ts), both ends negotiate extensions (negotiation.ts).
 */
import type { Protocol } from "@sluice/protocol"
import { type Context, Effect, Layer, type Scope } from "effect"
import type { ConnectionDialer, ConnectionListener } from "../connection/connection.ts"
import { FrameDialer, FrameListener } from "../frames/frame-duplex.ts"
import { makeNotices } from "../notices.ts"
import { makeAccept, type ServerOptions } from "./accept.ts"
import { makeSpoken } from "./negotiation.ts"
import { type ClientOptions, makeRequest } from "./request.ts"

export type { ServerOptions } from "./accept.ts"
export { type ClientOptions, SOFTWARE } from "./request.ts"

/** The listener service of a protocol, such as `MiningListener`. Clients send `In`. */
export interface ListenerOf<Self, In, Out> extends ServiceOf<Self, ConnectionListener<In, Out>> {
  readonly protocol: Protocol<In, Out>
}

/** The dialer service of a protocol, such as `MiningDialer`. Servers send `In`. */
export interface DialerOf<Self, In, Out> extends ServiceOf<Self, ConnectionDialer<In, Out>> {
  readonly protocol: Protocol<Out, In>
}

/** The members of a `Context.Service` class that identify it. */
type ServiceOf<Self, Shape> = Pick<Context.Key<Self, Shape>, "key" | "Identifier" | "Service">

/** Provides the listener service over a `FrameListener`. */
export const server = <Self, In, Out>(
  service: ListenerOf<Self, In, Out>,
  options: ServerOptions = {}
): Layer.Layer<Self, never, FrameListener> =>
  Layer.effect(
    service as unknown as Context.Key<Self, ConnectionListener<In, Out>>,
    Effect.gen(function* (): Effect.fn.Return<ConnectionListener<In, Out>, never, FrameListener | Scope.Scope> {
      const { address, run, stopAccepting } = yield* FrameListener
      const { protocol } = service
      const environment = { protocol, options, spoken: makeSpoken(protocol), notices: yield* makeNotices() }

      return {
        address,
        addresses: [address],
        run: (handler, setup = {}) => {
          const accept = makeAccept(environment, setup)
          return run((frames) =>
            Effect.flatMap(accept(frames), ({ connection, accepted }) => handler(connection, accepted))
          )
        },
        stopAccepting
      }
    })
  )

/** Provides the dialer service over a `FrameDialer`. */
export const client = <Self, In, Out>(
  service: DialerOf<Self, In, Out>,
  options: ClientOptions = {}
): Layer.Layer<Self, never, FrameDialer> =>
  Layer.effect(
    service as unknown as Context.Key<Self, ConnectionDialer<In, Out>>,
    Effect.map(FrameDialer, ({ dial }): ConnectionDialer<In, Out> => {
      const request = makeRequest(service.protocol, options)
      return { dial: (server, setup = {}) => Effect.flatMap(dial(server), (frames) => request(frames, server, setup)) }
    })
  )
