/** The newest items of an endless sequence, each with its number. */

export interface Numbered {
  readonly id: number
}

export class Ring<A extends Numbered> {
  readonly #items: Array<A | undefined>
  #next = 1

  constructor(capacity: number) {
    this.#items = Array.from({ length: capacity })
  }

  /** The number of the next item. */
  get next(): number {
    return this.#next
  }

  /** How many items are kept. */
  get size(): number {
    return Math.min(this.#next - 1, this.#items.length)
  }

  /** Adds the item that `make` returns for its number. The oldest one leaves when the ring is full. */
  add(make: (id: number) => A): A {
    const id = this.#next++
    return (this.#items[id % this.#items.length] = make(id))
  }

  /** The kept items after this number, oldest first. */
  after(id: number): ReadonlyArray<A> {
    const first = Math.max(id + 1, this.#next - this.#items.length, 1)
    return Array.from({ length: Math.max(0, this.#next - first) }, (_, index) => this.at(first + index))
  }

  /** All kept items, newest first. */
  newest(): ReadonlyArray<A> {
    return this.after(0).toReversed()
  }

  private at(id: number): A {
    return this.#items[id % this.#items.length]!
  }
}
