/** A worker's end of the messages: its primary. */
import { formatEndpoint, type NoPlace, type OpenSockets, type Place, Sockets } from "@sluice/transport"
import { Effect, Layer } from "effect"
import type { Socket } from "node:net"
import type { Question, Start, ToPrimary, ToWorker } from "./messages.ts"
import { WORKER_VARIABLE } from "./worker-process.ts"

/** How often a connection that works is reported. */
const WORKED_MS = 10_000

export class Link {
  /** Completes when the primary says how to begin. */
  readonly start: Promise<Start>
  /** Completes when the primary wants the worker to stop. */
  readonly stopped: Promise<void>
  onTemplates: ((message: Extract<ToWorker, { _tag: "Templates" | "TemplateState" }>) => void) | undefined
  onQuestion: ((question: Question) => Promise<unknown>) | undefined
  readonly #early: Array<Extract<ToWorker, { _tag: "Templates" | "TemplateState" }>> = []
  readonly #listeners = new Map<string, (id: number, socket: Socket) => void>()
  readonly #places = new Map<number, Place>()
  /** Connections whose place for another address the primary looks for. */
  readonly #moving = new Map<number, (noPlace: NoPlace | undefined) => void>()

  constructor() {
    let started: (start: Start) => void
    let stop: () => void
    this.start = new Promise((resolve) => (started = resolve))
    this.stopped = new Promise((resolve) => (stop = resolve))
    process.on("message", (message: ToWorker, socket: Socket | undefined) => {
      switch (message._tag) {
        case "Start":
          return started(message)
        case "Stop":
          return stop()
        case "Connection":
          return this.#take(message.id, message.listener, socket)
        case "MovedTo": {
          const moved = this.#moving.get(message.id)
          this.#moving.delete(message.id)
          return moved?.(message.noPlace)
        }
        case "GiveWay":
          return this.#places.get(message.id)?.giveWay()
        case "Ask":
          return this.#answer(message.id, message.question)
        default:
          if (this.onTemplates === undefined) this.#early.push(message)
          else this.onTemplates(message)
      }
    })
    // Without the primary there are no templates, no blocks are sent, and the ports are free for its successor.
    process.on("disconnect", abandoned)
  }

  /** Lets go of the primary, so that the process can end. */
  close(): void {
    process.off("disconnect", abandoned)
    if (process.connected) process.disconnect()
  }

  send(message: ToPrimary): void {
    process.send?.(message, ignore)
  }

  /** Completes when the message is on its way, also if the process then ends. */
  sendNow(message: ToPrimary): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (process.send === undefined) return resume(Effect.void)
      process.send(message, () => resume(Effect.void))
    })
  }

  /** Gives the templates that came before, and all later ones. */
  followTemplates(follow: NonNullable<Link["onTemplates"]>): void {
    this.#early.splice(0).forEach(follow)
    this.onTemplates = follow
  }

  /** The sockets of the listeners in this process are those that the primary hands over. The primary counts them. */
  readonly layerSockets: Layer.Layer<never> = Layer.succeed(Sockets, (options): ReturnType<OpenSockets> => {
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
          this.#places.set(current, place)
          return undefined
        },
        move: (place: Place, change: () => void) =>
          Effect.callback<NoPlace | undefined>((resume) => {
            change()
            const held = ids.get(place)
            if (held === undefined) return resume(Effect.undefined)
            this.#moving.set(held.id, (noPlace) => resume(Effect.succeed(noPlace)))
            this.send({ _tag: "Moved", id: held.id, host: place.host })
            return Effect.sync(() => void this.#moving.delete(held.id))
          }),
        worked: (place: Place) => {
          const held = ids.get(place)
          if (held === undefined || performance.now() - held.toldAt < WORKED_MS) return
          held.toldAt = performance.now()
          this.send({ _tag: "Worked", id: held.id })
        },
        giveBack: (place: Place) => {
          const held = ids.get(place)
          if (held === undefined) return
          ids.delete(place)
          this.#places.delete(held.id)
          this.send({ _tag: "Ended", id: held.id })
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
        this.#listeners.set(name, arrive)
        return source
      }),
      () => Effect.sync(() => void this.#listeners.delete(name))
    )
  })

  #take(id: number, listener: string, socket: Socket | undefined): void {
    this.send({ _tag: "Taken", id })
    const arrive = this.#listeners.get(listener)
    if (socket !== undefined && arrive !== undefined) {
      // The peer may go away before anybody reads from the socket.
      socket.on("error", () => {})
      return arrive(id, socket)
    }
    socket?.destroy()
    this.send({ _tag: "Ended", id })
  }

  #answer(id: number, question: Question): void {
    void this.onQuestion?.(question).then((answer) => this.send({ _tag: "Answer", id, answer }))
  }
}

const ignore = (): void => {}
const abandoned = (): void => process.exit(1)

/** The link of this process to its primary; undefined in a process that is no worker. */
export const link: Link | undefined =
  process.env[WORKER_VARIABLE] !== undefined && process.send !== undefined ? new Link() : undefined
