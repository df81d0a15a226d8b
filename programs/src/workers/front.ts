/**
 * The addresses that miners connect to: the primary listens, counts the connections of all workers against the limits, and hands
 * each socket to a worker. Connections wait while no worker serves.
 */
import {
  addressGroup,
  type ConnectionLimits,
  type Endpoint,
  formatEndpoint,
  listen,
  makeThrottledLog,
  type NoPlace,
  type Place,
  Places
} from "@sluice/transport"
import { Effect, FiberSet, Metric } from "effect"
import type { Socket } from "node:net"
import { Placement } from "./placement.ts"
import type { WorkerProcess } from "./worker-process.ts"
import type { ToPrimary } from "./messages.ts"

export interface Front {
  /** The addresses, in the order of those that were asked for: a port 0 has become a real one. */
  readonly addresses: ReadonlyArray<Endpoint>
  /** Hands over the connections that wait: call it when a worker is ready. */
  readonly handOver: () => void
  /** Takes a message of a worker about one of its connections. */
  readonly receive: (message: ToPrimary) => void
  /** Frees the places of the connections of a worker that has ended, and hands those that it never had to others. */
  readonly lost: (worker: Serving) => void
  readonly stopAccepting: Effect.Effect<void>
}

/** A worker that gets connections. */
export type Serving = Pick<WorkerProcess, "load" | "send" | "hand" | "takeUnsent">

/** A connection of a worker, or one that waits for a worker. */
class Held implements Place {
  readonly id: number
  readonly places: Places
  readonly listener: string
  host: string
  address: string
  worker: Serving | undefined
  /** Until a worker has it. */
  socket: Socket | undefined

  constructor(id: number, socket: Socket, places: Places, listener: string) {
    this.id = id
    this.socket = socket
    this.places = places
    this.listener = listener
    this.host = socket.remoteAddress?.replace(/^::ffff:/, "") ?? "unknown"
    this.address = addressGroup(this.host)
  }

  giveWay(): void {
    this.worker?.send({ _tag: "GiveWay", id: this.id })
    this.socket?.destroy()
  }
}

const refused = Metric.counter("sluice_transport_connections_refused_total", {
  description: "Connections closed at once because too many are open, by reason",
  incremental: true
})

/** Listens at all addresses until the Scope closes. `workers` are those that serve. */
export const openFront = Effect.fnUntraced(function* (
  endpoints: ReadonlyArray<Endpoint>,
  limits: ConnectionLimits,
  workers: Iterable<Serving>
) {
  const throttled = yield* makeThrottledLog()
  const start = yield* FiberSet.makeRuntime<never, void>()
  const placement = new Placement<Serving>()
  const held = new Map<number, Held>()
  let waiting: Array<Held> = []
  let lastId = 0

  const refuse = (host: string, { message, reason }: NoPlace): void =>
    void start(
      Effect.andThen(
        Metric.update(Metric.withAttributes(refused, { reason }), 1),
        throttled.log(reason, `Closed a connection from ${host}: ${message}`, "Warn")
      )
    )

  const hand = (one: Held): boolean => {
    const worker = placement.choose(one.address, workers)
    const { socket } = one
    if (worker === undefined || socket === undefined) return false
    one.worker = worker
    one.socket = undefined
    worker.load++
    worker.hand({ _tag: "Connection", id: one.id, listener: one.listener }, socket)
    return true
  }

  const release = (one: Held): void => {
    one.places.giveBack(one)
    held.delete(one.id)
    if (one.worker !== undefined) one.worker.load--
  }

  const accept = (places: Places, listener: string) => (socket: Socket) => {
    socket.on("error", () => {})
    const one = new Held(++lastId, socket, places, listener)
    const noPlace = places.take(one)
    if (noPlace !== undefined) {
      socket.destroy()
      return refuse(one.host, noPlace)
    }
    held.set(one.id, one)
    if (!hand(one)) waiting.push(one)
  }

  const listeners = yield* Effect.forEach(endpoints, (endpoint) =>
    Effect.map(listen(endpoint, { handsOver: true }), (sockets) => {
      sockets.take(accept(new Places(limits), formatEndpoint(sockets.address)))
      return sockets
    })
  )
  const front: Front = {
    addresses: listeners.map(({ address }) => address),
    handOver: () => {
      const all = waiting
      waiting = []
      for (const one of all) {
        if (one.socket === undefined || one.socket.destroyed) release(one)
        else if (!hand(one)) waiting.push(one)
      }
    },
    receive: (message) => {
      if (message._tag !== "Worked" && message._tag !== "Moved" && message._tag !== "Ended") return
      const one = held.get(message.id)
      if (one === undefined) return
      if (message._tag === "Ended") return release(one)
      if (message._tag === "Worked") return one.places.worked(one)
      // The worker logs and counts the refusal, and ends the connection.
      const noPlace = one.places.move(one, () => {
        one.host = message.host
        one.address = addressGroup(message.host)
      })
      one.worker?.send({ _tag: "MovedTo", id: one.id, noPlace })
    },
    lost: (worker) => {
      const unsent = worker.takeUnsent()
      for (const one of Array.from(held.values())) {
        if (one.worker !== worker) continue
        const socket = unsent.get(one.id)
        if (socket === undefined || socket.destroyed) release(one)
        else {
          one.worker = undefined
          one.socket = socket
          if (!hand(one)) waiting.push(one)
        }
      }
    },
    stopAccepting: Effect.sync(() => {
      for (const { stop } of listeners) stop()
      for (const one of waiting.splice(0)) one.socket?.destroy()
    })
  }
  return front
})
