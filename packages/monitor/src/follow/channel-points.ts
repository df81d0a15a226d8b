/**
 * The difficulty and the hash rate of each open channel over time, in little memory: twelve bytes for a point, and at most 240 points of a
 * channel. A pure machine: it is given events, pictures and times.
 */
import type { ChannelHistory } from "../api/history.ts"
import type { ChannelView } from "../api/miners.ts"

const FIRST = 16
const MOST = 240
/** Channels that are followed; later ones have no points. */
const MAX_CHANNELS = 50_000

export interface ChannelId {
  readonly connectionId: number
  readonly channelId: number
}

class Points {
  readonly worker: string
  #at = new Uint32Array(FIRST)
  #difficulty = new Float32Array(FIRST)
  #rate = new Float32Array(FIRST)
  #next = 0
  #size = 0

  constructor(worker: string) {
    this.worker = worker
  }

  add(at: number, difficulty: number, rate: number): void {
    if (this.#size === this.#at.length && this.#size < MOST) this.#grow()
    this.#at[this.#next] = Math.floor(at / 1000)
    this.#difficulty[this.#next] = difficulty
    this.#rate[this.#next] = rate
    this.#next = (this.#next + 1) % this.#at.length
    this.#size = Math.min(this.#size + 1, this.#at.length)
  }

  get view(): ChannelHistory {
    const first = this.#size < this.#at.length ? 0 : this.#next
    const order = Array.from({ length: this.#size }, (_, index) => (first + index) % this.#at.length)
    return {
      worker: this.worker,
      at: order.map((index) => this.#at[index]! * 1000),
      difficulty: order.map((index) => plain(this.#difficulty[index]!)),
      hashRate: order.map((index) => (Number.isNaN(this.#rate[index]) ? null : plain(this.#rate[index]!)))
    }
  }

  /** Only while it has not gone round: then the oldest point is the first one. */
  #grow(): void {
    const length = Math.min(MOST, this.#at.length * 2)
    const grown = <A extends Uint32Array | Float32Array>(from: A, to: A): A => (to.set(from), to)
    this.#at = grown(this.#at, new Uint32Array(length))
    this.#difficulty = grown(this.#difficulty, new Float32Array(length))
    this.#rate = grown(this.#rate, new Float32Array(length))
    this.#next = this.#size
  }
}

export class ChannelPoints {
  readonly #channels = new Map<string, Points>()

  /** The difficulty of a channel changed, or it was opened with one. */
  changed(channel: ChannelId, worker: string, difficulty: number, at: number): void {
    this.#of(channel, worker)?.add(at, difficulty, NaN)
  }

  closed(channel: ChannelId): void {
    this.#channels.delete(keyOf(channel))
  }

  /** Adds the hash rate of an open channel. */
  note(channel: ChannelView, at: number): void {
    this.#of(channel, channel.worker)?.add(at, channel.difficulty, channel.hashRateMinute)
  }

  /** Forgets channels whose end was missed. */
  keep(open: ReadonlyArray<ChannelId>): void {
    if (this.#channels.size <= open.length) return
    const known = new Set(open.map(keyOf))
    for (const key of this.#channels.keys()) if (!known.has(key)) this.#channels.delete(key)
  }

  history(channel: ChannelId): ChannelHistory | undefined {
    return this.#channels.get(keyOf(channel))?.view
  }

  #of(channel: ChannelId, worker: string): Points | undefined {
    const key = keyOf(channel)
    const known = this.#channels.get(key)
    if (known !== undefined) return known
    if (this.#channels.size >= MAX_CHANNELS) return undefined
    const points = new Points(worker)
    this.#channels.set(key, points)
    return points
  }
}

/** The digits that 32 bits have. */
const plain = (number: number): number => Number(number.toPrecision(7))

const keyOf = ({ channelId, connectionId }: ChannelId): string => `${connectionId}.${channelId}`
