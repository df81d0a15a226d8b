/** The sockets of a worker's listeners: those that its primary hands over. The primary counts them against the limits. */
import { formatEndpoint, type NoPlace, type OpenSockets, type Place, Sockets } from "@sluice/transport"
import { Effect, Layer } from "effect"
import type { Socket } from "node:net"
import type { Link } from "./link.ts"

/** How often a connection that works is reported. */
const WORKED_MS = 10_000

/** The sockets of the listeners in this process are those that the primary hands over. The primary counts them. */
export const layerSockets = (link: Link): Layer.Layer<never> =>
  Layer.succeed(Sockets, (options): ReturnType<OpenSockets> => {
    const name = formatEndpoint(options)
    const ids = new Map<Place, { readonly id: number; toldAt: number }>()
    const waiting: Array<readonly [number, Socket]> = []
    let current = 0
    let onSocket: ((socket: Socket) => void) | undefined
    const arrive = (id: number, socket: Socket): void => {
      if (onSocket === undefined) return void waiting.push([id, socket])
      current = id
      onSocket(socket)
    }
    const source = {
      address: { host: options.host, port: options.port },
      places: {
        take: (place: Place) => {
          ids.set(place, { id: current, toldAt: -Infinity })
          link.places.set(current, place)
          return undefined
        },
        move: (place: Place, change: () => void) =>
          Effect.callback<NoPlace | undefined>((resume) => {
            change()
            const held = ids.get(place)
            if (held === undefined) return resume(Effect.undefined)
            link.moving.set(held.id, (noPlace) => resume(Effect.succeed(noPlace)))
            link.send({ _tag: "Moved", id: held.id, host: place.host })
            return Effect.sync(() => void link.moving.delete(held.id))
          }),
        worked: (place: Place) => {
          const held = ids.get(place)
          if (held === undefined || performance.now() - held.toldAt < WORKED_MS) return
          held.toldAt = performance.now()
          link.send({ _tag: "Worked", id: held.id })
        },
        giveBack: (place: Place) => {
          const held = ids.get(place)
          if (held === undefined) return
          ids.delete(place)
          link.places.delete(held.id)
          link.send({ _tag: "Ended", id: held.id })
        }
      },
      take: (next: (socket: Socket) => void) => {
        onSocket = next
        for (const [id, socket] of waiting.splice(0)) arrive(id, socket)
      },
      keep: () => {
        onSocket = undefined
      },
      stop: () => {
        for (const [, socket] of waiting.splice(0)) socket.destroy()
      },
      whenFailed: () => {}
    }
    return Effect.acquireRelease(
      Effect.sync(() => {
        link.listeners.set(name, arrive)
        return source
      }),
      () => Effect.sync(() => void link.listeners.delete(name))
    )
  })
