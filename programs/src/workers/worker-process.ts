/** A worker as the primary sees it: a process, and the messages to it and from it. */
import { type ChildProcess, spawn } from "node:child_process"
import type { Socket } from "node:net"
import { isSea } from "node:sea"
import { type Answers, type Question, type Start, type ToPrimary, type ToWorker, WORKER_VARIABLE } from "./messages.ts"

/** Sockets on their way to one worker. Other messages wait behind these, and not behind a thousand. */
const SOCKETS_ON_THE_WAY = 4

/** How a worker ended, for people. */
export interface Ended {
  readonly how: string
}

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
  readonly #sockets: Array<readonly [message: ToWorker, socket: Socket]> = []
  #onTheWay = 0
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
      this.#process.once("exit", (status, signal) =>
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

  /** Hands a socket over. */
  hand(message: ToWorker, socket: Socket): void {
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
      this.#onTheWay--
      this.#handNext()
    }
    this.#onMessage(this, message)
  }

  #handNext(): void {
    while (this.#onTheWay < SOCKETS_ON_THE_WAY) {
      const next = this.#sockets.shift()
      if (next === undefined) return
      const [message, socket] = next
      if (!this.#process.connected) socket.destroy()
      else {
        this.#onTheWay++
        this.#process.send(message, socket, { keepOpen: false }, ignore)
      }
    }
  }
}

/** With a callback, a failure to send is no event of the process. */
const ignore = (): void => {}
