/** A timer wheel: items sorted by due time, in slots of `slotMs`. Adding and taking an item takes constant time. */
export class Agenda<A> {
  readonly #slotMs: number
  readonly #slots = new Map<number, Array<A>>()
  /** The first slot that `take` has not emptied. */
  #next: number

  /** `now` and all times are in milliseconds of a monotonic clock. */
  constructor(slotMs: number, now: number) {
    this.#slotMs = slotMs
    this.#next = Math.floor(now / slotMs)
  }

  /** Adds an item. If its time has passed, the next `take` gives it. */
  add(item: A, at: number): void {
    const slot = Math.max(this.#next, Math.floor(at / this.#slotMs))
    const others = this.#slots.get(slot)
    if (others === undefined) this.#slots.set(slot, [item])
    else others.push(item)
  }

  /** Removes and gives the items of all slots that have begun. */
  take(now: number): ReadonlyArray<A> {
    const due: Array<A> = []
    for (const last = Math.floor(now / this.#slotMs); this.#next <= last; this.#next++) {
      const slot = this.#slots.get(this.#next)
      if (slot === undefined) continue
      for (const item of slot) due.push(item)
      this.#slots.delete(this.#next)
    }
    return due
  }
}
