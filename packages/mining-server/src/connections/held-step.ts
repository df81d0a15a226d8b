/** What waits for its place in the order of a connection's messages. */
import type { Mining } from "@sluice/protocol"
import type { MiningServerEvent } from "../event.ts"
import type { Recording } from "../shares/share-sink.ts"
import { isAcknowledgement } from "./replies.ts"

type WithoutLost = (events: ReadonlyArray<MiningServerEvent>) => ReadonlyArray<MiningServerEvent>

export interface Held {
  readonly isAnnouncement: boolean
  /** Whether only what is before it is waited for. */
  isReady: boolean
  /** When it began to wait. */
  readonly since: number
  /** Something waits behind it: its shares are recorded soon. */
  hurry(): void
  /** Queues the messages. */
  run(): void
  /** Tells and queues all but accepted shares and their acknowledgements, if recording takes long; `run` does the rest later. */
  runEarly(): void
  /** Called in the place of `run` when the connection ends first; `withoutLost` leaves out shares that could not be recorded. */
  drop(withoutLost: WithoutLost): void
}

/** What a step of a connection's channel server brings. */
export interface Step {
  readonly events: ReadonlyArray<MiningServerEvent>
  readonly replies: ReadonlyArray<Mining.ToClient>
  /** When it was, or when the first share came that it acknowledges. */
  readonly since: number
  /** Whether it may wait until the shares are recorded anyway. */
  readonly isPatient?: boolean
  /** Queues replies: all at once, or the acknowledgements after the others. `isLast` says that no more of them follow. */
  reply(some: ReadonlyArray<Mining.ToClient>, isLast: boolean): void
}

/** A step that waits until the shares that it acknowledges are recorded, and for what is before it. */
export class HeldStep implements Held {
  readonly isAnnouncement = false
  isReady = false
  readonly #step: Step
  readonly #recording: Recording
  readonly #tell: (events: ReadonlyArray<MiningServerEvent>) => void
  #events: ReadonlyArray<MiningServerEvent>
  #replies: ReadonlyArray<Mining.ToClient>

  /** `tell` is called with the events before the replies are queued. */
  constructor(step: Step, recording: Recording, tell: (events: ReadonlyArray<MiningServerEvent>) => void) {
    this.#step = step
    this.#recording = recording
    this.#tell = tell
    this.#events = step.events
    this.#replies = step.replies
  }

  get since(): number {
    return this.#step.since
  }

  hurry(): void {
    this.#recording.hurry()
  }

  run(): void {
    this.#tell(this.#events)
    this.#step.reply(this.#replies, true)
  }

  runEarly(): void {
    // What later steps tell, such as the end of a channel that this one opened, does not wait any more.
    this.#tell(this.#events.filter((event) => !isAccepted(event)))
    this.#events = this.#events.filter(isAccepted)
    this.#step.reply(
      this.#replies.filter((message) => !isAcknowledgement(message)),
      false
    )
    this.#replies = this.#replies.filter(isAcknowledgement)
  }

  /** Nothing is acknowledged any more, but shares that are recorded count. */
  drop(withoutLost: WithoutLost): void {
    this.#tell(this.#events.filter((event) => !isAccepted(event)))
    this.#recording.onEnd(() => this.#tell(withoutLost(this.#events.filter(isAccepted))))
  }
}

/** What a connection holds, in order. To take one moves none of the others, of which there may be many thousand. */
export class HeldQueue {
  #all: Array<Held>
  #taken = 0

  constructor(all: Array<Held> = []) {
    this.#all = all
  }

  get length(): number {
    return this.#all.length - this.#taken
  }

  get first(): Held | undefined {
    return this.#all[this.#taken]
  }

  push(held: Held): void {
    this.#all.push(held)
  }

  /** Something waits behind all of it. */
  hurry(): void {
    for (let index = this.#taken; index < this.#all.length; index++) this.#all[index]!.hurry()
  }

  /** Removes the first. */
  shift(): void {
    this.#taken++
    if (this.#taken * 2 >= this.#all.length) this.#all = this.takeAll()
  }

  takeAll(): Array<Held> {
    const left = this.#all.slice(this.#taken)
    this.#all = []
    this.#taken = 0
    return left
  }
}

export const isAccepted = ({ _tag }: MiningServerEvent): boolean => _tag === "ShareAccepted"
