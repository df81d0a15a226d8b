/**
 * What a worker tells its primary for the operators' page: events and log lines, those of a tenth of a second in one message. A worker
 * that is busy loses the oldest ones rather than memory.
 */
import type { MonitoredEvent } from "@sluice/monitor"
import { type LoggedLine, loggedLine } from "@sluice/monitor/log-line"
import { type Layer, Logger } from "effect"

export interface Told {
  readonly _tag: "Told"
  readonly events: ReadonlyArray<MonitoredEvent>
  readonly lines: ReadonlyArray<LoggedLine>
}

const EVERY_MS = 100
/** The most events, and the most lines, of one message. */
const MOST = 2000

export class Teller {
  readonly #send: (told: Told) => void
  #events: Array<MonitoredEvent> = []
  #lines: Array<LoggedLine> = []
  #timer: NodeJS.Timeout | undefined
  /** Tells the log of everything that it is provided to. */
  readonly layer: Layer.Layer<never> = Logger.layer(
    [Logger.make<unknown, void>((options) => this.#tell(this.#lines, loggedLine(options)))],
    { mergeWithExisting: true }
  )

  constructor(send: (told: Told) => void) {
    this.#send = send
  }

  tell(event: MonitoredEvent): void {
    this.#tell(this.#events, plain(event))
  }

  /** Sends what waits, at the end. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#events.length + this.#lines.length > 0) {
      this.#send({ _tag: "Told", events: this.#events, lines: this.#lines })
    }
    this.#events = []
    this.#lines = []
  }

  #tell<A>(waiting: Array<A>, item: A): void {
    if (waiting.length >= MOST) waiting.shift()
    waiting.push(item)
    this.#timer ??= setTimeout(() => this.flush(), EVERY_MS).unref()
  }
}

/** A block without its job, whose source may hold what cannot be sent. */
const plain = (event: MonitoredEvent): MonitoredEvent => {
  if (event._tag !== "BlockFound") return event
  const { _tag, channel, hash, height, refusal } = event
  return { _tag, channel, hash, height, refusal }
}
