/** A worker's end of the messages: its primary. */
import type { CustomBlock } from "@sluice/job-declaration"
import type { NoPlace, Place } from "@sluice/transport"
import { Effect } from "effect"
import type { Socket } from "node:net"
import { type Question, type Start, type ToPrimary, type ToWorker, WORKER_VARIABLE } from "./messages.ts"
import { Teller } from "./told.ts"

export class Link {
  /** Completes when the primary says how to begin. */
  readonly start: Promise<Start>
  /** Completes when the primary wants the worker to stop. */
  readonly stopped: Promise<void>
  onTemplates: ((message: Extract<ToWorker, { _tag: "Templates" | "TemplateState" }>) => void) | undefined
  onQuestion: ((question: Question) => Promise<unknown>) | undefined
  readonly #early: Array<Extract<ToWorker, { _tag: "Templates" | "TemplateState" }>> = []
  /** By address: those that take the sockets that the primary hands over. */
  readonly listeners = new Map<string, (id: number, socket: Socket) => void>()
  /** The connections, by the primary's number. */
  readonly places = new Map<number, Place>()
  /** Connections whose place for another address the primary looks for. */
  readonly moving = new Map<number, (noPlace: NoPlace | undefined) => void>()

  /** Tells the primary what the operators' page shows. */
  readonly teller = new Teller((told) => this.send(told))

  readonly #blocks = new Map<number, (isKnown: boolean) => void>()
  #lastBlock = 0

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
          const moved = this.moving.get(message.id)
          this.moving.delete(message.id)
          return moved?.(message.noPlace)
        }
        case "DeclaredBlockKnown": {
          const answered = this.#blocks.get(message.id)
          this.#blocks.delete(message.id)
          return answered?.(message.isKnown)
        }
        case "GiveWay":
          return this.places.get(message.id)?.giveWay()
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
    this.teller.flush()
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

  /** Sends a block of a declared job, and gives `answered` whether the declarator has its transactions. */
  submitBlock(block: CustomBlock, answered: (isKnown: boolean) => void): void {
    const id = ++this.#lastBlock
    this.#blocks.set(id, answered)
    this.send({ _tag: "DeclaredBlock", id, block })
  }

  /** Gives the templates that came before, and all later ones. */
  followTemplates(follow: NonNullable<Link["onTemplates"]>): void {
    this.#early.splice(0).forEach(follow)
    this.onTemplates = follow
  }

  #take(id: number, listener: string, socket: Socket | undefined): void {
    this.send({ _tag: "Taken", id })
    const arrive = this.listeners.get(listener)
    if (socket !== undefined && arrive !== undefined) {
      // The peer may go away before anybody reads from the socket.
      socket.on("error", () => {})
      return arrive(id, socket)
    }
    socket?.destroy()
    this.send({ _tag: "Ended", id })
  }

  #answer(id: number, question: Question): void {
    // A defect has been logged; the primary goes on without an answer.
    void this.onQuestion?.(question).then((answer) => this.send({ _tag: "Answer", id, answer }), ignore)
  }
}

const ignore = (): void => {}
const abandoned = (): void => process.exit(1)

/** The link of this process to its primary; undefined in a process that is no worker. */
export const link: Link | undefined =
  process.env[WORKER_VARIABLE] !== undefined && process.send !== undefined ? new Link() : undefined
