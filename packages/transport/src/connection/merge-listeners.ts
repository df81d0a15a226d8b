/** Several listeners as one, so that a server serves any number of addresses and kinds of connections at once. */
import { Context, Effect, Layer, type Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { ConnectionListener } from "./connection.ts"
import { formatEndpoint } from "../endpoint.ts"
import type { ListenError } from "../error.ts"
import type { ListenerOf } from "../setup/setup.ts"

/**
 * One listener of several, such as one with Noise and one without. `run` runs them together, with the same handler and setup.
 * One that fails while it runs is logged and the others go on; when the last one fails, `run` fails with its error. Each
 * keeps its own limits. The layer fails if one of them cannot be built, for instance because its port is taken.
 */
export const mergeListeners = <
  Self,
  In,
  Out,
  const Layers extends NonEmptyReadonlyArray<Layer.Layer<Self, unknown, unknown>>
>(
  service: ListenerOf<Self, In, Out>,
  layers: Layers
): Layer.Layer<Self, Layer.Error<Layers[number]>, Layer.Services<Layers[number]>> => {
  const key = service as unknown as Context.Key<Self, ConnectionListener<In, Out>>
  const build = (layer: Layers[number]) =>
    Effect.map(Layer.build(layer), (context) => Context.get(context as Context.Context<Self>, key))
  const make = Effect.map(Effect.forEach(layers, build), merge)
  return Layer.effect(
    key,
    make as Effect.Effect<
      ConnectionListener<In, Out>,
      Layer.Error<Layers[number]>,
      Layer.Services<Layers[number]> | Scope.Scope
    >
  ) as Layer.Layer<Self, Layer.Error<Layers[number]>, Layer.Services<Layers[number]>>
}

const merge = <In, Out>(listeners: NonEmptyReadonlyArray<ConnectionListener<In, Out>>): ConnectionListener<In, Out> => {
  const [first, ...others] = listeners
  return {
    address: first.address,
    addresses: [...first.addresses, ...others.flatMap(({ addresses }) => addresses)],
    run: (handler, setup) =>
      Effect.suspend(() => {
        let running = listeners.length
        const survive =
          ({ address }: ConnectionListener<In, Out>) =>
          (error: ListenError) =>
            --running === 0
              ? Effect.fail(error)
              : Effect.logError(
                  `The server no longer listens at ${formatEndpoint(address)}, only elsewhere: ${error.message}`
                )
        return Effect.forEach(listeners, (listener) => Effect.catch(listener.run(handler, setup), survive(listener)), {
          concurrency: "unbounded",
          discard: true
        }).pipe(Effect.andThen(Effect.never))
      }),
    stopAccepting: Effect.forEach(listeners, ({ stopAccepting }) => stopAccepting, { discard: true })
  }
}
