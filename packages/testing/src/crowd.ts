/** Hostile clients beside an honest one: they run in a thread of their own, so that what they cost there is not counted. */
import { Effect } from "effect"
import type { Socket } from "node:net"
import { parentPort, Worker } from "node:worker_threads"

export interface Crowd {
  readonly host: string
  readonly port: number
  readonly count: number
}

/** How many are connected, and how many connections the server has ended. */
export interface CrowdState {
  readonly open: number
  readonly closed: number
}

/** Runs the crowd of a file, which makes a `CrowdCount`, until the Scope closes. `last` is what it reported last. */
export const startCrowd = (file: URL, data: Crowd) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const state: { last: CrowdState } = { last: { open: 0, closed: 0 } }
      const worker = new Worker(file, { workerData: data })
      worker.on("message", (next: CrowdState) => (state.last = next))
      return { state, worker }
    }),
    ({ worker }) => Effect.promise(() => worker.terminate())
  ).pipe(Effect.map(({ state }) => state))

/** In the thread of a crowd: counts sockets, and reports the counts. */
export class CrowdCount {
  readonly #sockets = new Set<Socket>()
  #closed = 0

  constructor() {
    const port = parentPort
    if (port === null) throw new Error("a crowd runs in a thread of its own (startCrowd)")
    setInterval(() => {
      const state: CrowdState = { open: this.#sockets.size, closed: this.#closed }
      port.postMessage(state)
    }, 100)
  }

  add(socket: Socket): void {
    socket.on("connect", () => this.#sockets.add(socket))
    socket.on("error", () => {})
    socket.on("close", () => {
      this.#sockets.delete(socket)
      this.#closed++
    })
  }
}

/** Milliseconds until something was answered, as a line for people. */
export const showLatencies = (latencies: ReadonlyArray<number>): string => {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)]!.toFixed(1)
  return `${at(0.5)} ms (median), ${at(0.99)} ms (99 %), ${at(1)} ms (longest)`
}
