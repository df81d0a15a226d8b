/** A worker as the primary sees it: a process, and the messages to it and from it. */
import { type ChildProcess, spawn } from "node:child_process"
import type { Socket } from "node:net"
import { isSea } from "node:sea"
import { type Answers, type Question, type Start, type ToPrimary, type ToWorker, WORKER_VARIABLE } from "./messages.ts"

/** How a worker ended, for people. */
export interface Ended {
  readonly how: string
}

type Connection = Extract<ToWorker, { readonly _tag: "Connection" }>

export class WorkerProcess {
  readonly number: number
  readonly firstConnectionId: number
  readonly startedAt = performance.now()
  /** How many connections it has. */
  load = 0
  /** Why it cannot serve. */
  failure: string | undefined
  /** Resolves when it serves miners; never if it ends before. */
  readonly ready: Promise<void>
  readonly ended: Promise<Ended>
  #isReady: () => void = () => {}
  readonly #process: ChildProcess
  readonly #onMessage: (worker: WorkerProcess, message: ToPrimary) => void
  readonly #asked = new Map<number, (answer: never) => void>()
  readonly #sockets: Array<readonly [message: Connection, socket: Socket]> = []
  #isHanding = false
  #lastQuestion = 0

  constructor(program: string, start: Start, onMessage: (worker: WorkerProcess, message: ToPrimary) => void) {
    this.number = start.number
    this.firstConnectionId = start.firstConnectionId
    this.#onMessage = onMessage
    // In a single executable file, the program is the process itself.
    const entry = isSea() ? [] : [process.argv[1]!]
    this.#process = spawn(process.execPath, [...process.execArgv, ...entry, program], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      serialization: "advanced",
      env: { ...process.env, [WORKER_VARIABLE]: String(start.number) }
    })
    this.ready = new Promise((resolve) => (this.#isReady = resolve))
    this.ended = new Promise((resolve) => {
      this.#process.once("error", ({ message }) => resolve({ how: `could not be started: ${message}` }))
      // When it has ended, and its last messages have been read.
      this.#process.once("close", (status, signal) =>
        resolve({ how: signal === null ? `ended with status ${status}` : `was killed by ${signal}` })
      )
    })
    // Errors of the channel come before the end of the process, which says more.
    this.#process.on("error", () => {})
    this.#process.on("message", (message: ToPrimary) => this.#receive(message))
    this.send(start)
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  send(message: ToWorker): void {
    // A message to a process that has just ended is lost, as the process is.
    if (this.#process.connected) this.#process.send(message, ignore)
  }

  /** Hands a socket over, when the worker has those before: Node holds back all messages behind a socket until it has arrived. */
  hand(message: Connection, socket: Socket): void {
    this.#sockets.push([message, socket])
    this.#handNext()
  }

  /** Asks a question. The promise is never settled if the worker ends. */
  ask<Q extends Question>(question: Q): Promise<Answers[Q["_tag"]]> {
    const id = ++this.#lastQuestion
    return new Promise((resolve) => {
      this.#asked.set(id, resolve as (answer: never) => void)
      this.send({ _tag: "Ask", id, question })
    })
  }

  /** The connections that it has not been handed. */
  takeUnsent(): ReadonlyMap<number, Socket> {
    return new Map(this.#sockets.splice(0).map(([{ id }, socket]) => [id, socket]))
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.#process.kill(signal)
  }

  #receive(message: ToPrimary): void {
    if (message._tag === "Answer") {
      const answered = this.#asked.get(message.id)
      this.#asked.delete(message.id)
      return answered?.(message.answer as never)
    }
    if (message._tag === "Ready") this.#isReady()
    else if (message._tag === "Failed") this.failure = message.message
    else if (message._tag === "Taken") {
      this.#isHanding = false
      this.#handNext()
    }
    this.#onMessage(this, message)
  }

  #handNext(): void {
    if (this.#isHanding || !this.#process.connected) return
    const next = this.#sockets.shift()
    if (next === undefined) return
    const [message, socket] = next
    this.#isHanding = true
    this.#process.send(message, socket, { keepOpen: false }, ignore)
  }
}

/** With a callback, a failure to send is no event of the process. */
const ignore = (): void => {}
