/**
 * What each worker did from one note to the next, summed over its open channels. A pure machine that keeps its objects: ten thousand
 * new ones at each note would live just long enough for the garbage collector to move them to the old generation, where they are
 * expensive to collect.
 */
import type { HashRate } from "../api/hash-rate.ts"
import type { ChannelView } from "../api/miners.ts"
import { together } from "./miners.ts"

/** A worker with open channels. Its counts are those since the note before. */
export interface WorkerNote {
  readonly worker: string
  readonly difficulty: number
  readonly accepted: number
  readonly refused: number
  /** Over the last five minutes. */
  readonly hashRate: HashRate
}

type Writable<A> = { -readonly [K in keyof A]: A[K] }
/** With the number of the last note that it is in. */
type Kept<A> = Writable<A> & { note: number }
type Counts = Pick<WorkerNote, "difficulty" | "accepted" | "refused">

type NotedChannel = Pick<
  ChannelView,
  "connectionId" | "channelId" | "openedAt" | "worker" | "accepted" | "acceptedDifficulty" | "refused" | "hashRate"
>

export class WorkerNotes {
  #note = 0
  /** The counts of each channel since it was opened. */
  readonly #channels = new Map<string, Kept<Counts>>()
  readonly #workers = new Map<string, Kept<WorkerNote>>()

  /** The workers of the last note. Valid until the next one begins. */
  get workers(): Iterable<WorkerNote> {
    return this.#workers.values()
  }

  /** Begins the next note. Each open channel is added once, then `end` is called. */
  begin(): void {
    this.#note++
  }

  add(channel: NotedChannel): void {
    const { accepted, acceptedDifficulty: difficulty, refused } = channel
    const counts = this.#countsOf(channel)
    const note = this.#noteOf(channel)
    note.difficulty += difficulty - counts.difficulty
    note.accepted += accepted - counts.accepted
    note.refused += refused - counts.refused
    counts.difficulty = difficulty
    counts.accepted = accepted
    counts.refused = refused
  }

  /** Forgets channels and workers that are not in this note. */
  end(): void {
    for (const all of [this.#channels, this.#workers]) {
      for (const [key, { note }] of all) if (note !== this.#note) all.delete(key)
    }
  }

  #countsOf({ channelId, connectionId, openedAt }: Pick<NotedChannel, "connectionId" | "channelId" | "openedAt">) {
    const key = `${connectionId}.${channelId}.${openedAt}`
    let counts = this.#channels.get(key)
    if (counts === undefined) this.#channels.set(key, (counts = { note: 0, ...NOTHING }))
    counts.note = this.#note
    return counts
  }

  /** The note of the channel's worker, with the channel's hash rate in it. */
  #noteOf({ hashRate, worker }: Pick<NotedChannel, "worker" | "hashRate">) {
    let note = this.#workers.get(worker)
    if (note === undefined) this.#workers.set(worker, (note = { note: 0, worker, ...NOTHING, hashRate }))
    if (note.note === this.#note) {
      note.hashRate = together(note.hashRate, hashRate)
      return note
    }
    note.note = this.#note
    note.difficulty = 0
    note.accepted = 0
    note.refused = 0
    note.hashRate = hashRate
    return note
  }
}

const NOTHING: Counts = { difficulty: 0, accepted: 0, refused: 0 }
