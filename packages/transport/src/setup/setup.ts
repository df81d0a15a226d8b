/**
 * SetupConnection, both ends (specification, section 3.6): from frames to connections that are typed by their protocol.
 *
 * The layers know the protocol and the limits; each `run` and `dial` says what its role supports and requires
 * (setup-options.ts). Extensions are negotiated next (negotiation.ts), and the connection then speaks the protocol with the
 * extensions of both ends.
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

/** The listener service of a protocol, such as `MiningListener`; `In` is what clients send. */
export interface ListenerOf<Self, In, Out> extends ServiceOf<Self, ConnectionListener<In, Out>> {
  readonly protocol: Protocol<In, Out>
}

/** The dialer service of a protocol, such as `MiningDialer`; `In` is what servers send. */
export interface DialerOf<Self, In, Out> extends ServiceOf<Self, ConnectionDialer<In, Out>> {
  readonly protocol: Protocol<Out, In>
}

/** What makes a `Context.Service` class one. */
type ServiceOf<Self, Shape> = Pick<Context.Key<Self, Shape>, "key" | "Identifier" | "Service">

/** Serves the service's protocol to every client that asks for it. */
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

/** Speaks the service's protocol with servers. */
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
