/** `Setup` layers whose `run` and `dial` always use the given setup, for tests in which the caller passes none. */
import {
  type ClientSetup,
  type ConnectionDialer,
  type ConnectionListener,
  type ServerSetup,
  Setup
} from "@sluice/transport"
import { Context, Effect, Layer } from "effect"

export const listenerWith = <Self, In, Out>(
  service: Setup.ListenerOf<Self, In, Out>,
  setup: ServerSetup,
  options?: Setup.ServerOptions
) => {
  const key = service as unknown as Context.Key<Self, ConnectionListener<In, Out>>
  const bound = Effect.map(key, (listener): ConnectionListener<In, Out> => ({
    ...listener,
    run: (handler) => listener.run((connection) => handler(connection, undefined as never), setup)
  }))
  return Layer.effect(key, bound).pipe(Layer.provide(Setup.server(service, options)))
}

export const dialerWith = <Self, In, Out>(
  service: Setup.DialerOf<Self, In, Out>,
  setup: ClientSetup,
  options?: Setup.ClientOptions
) => {
  const key = service as unknown as Context.Key<Self, ConnectionDialer<In, Out>>
  const bound = Effect.map(key, ({ dial }): ConnectionDialer<In, Out> => ({ dial: (server) => dial(server, setup) }))
  return Layer.effect(key, bound).pipe(Layer.provide(Setup.client(service, options)))
}
