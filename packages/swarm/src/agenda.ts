/** What is due when: things in the order of their times, in slots of a few milliseconds, each added and taken in one step. */
export class Agenda<A> {
  readonly #slotMs: number
  readonly #slots = new Map<number, Array<A>>()
  /** The first slot that was not taken yet. */
  #next: number

  /** `now` and all times are in milliseconds of any clock that does not go backwards. */
  constructor(slotMs: number, now: number) {
    this.#slotMs = slotMs
    this.#next = Math.floor(now / slotMs)
  }

  /** A time that has passed is due at the next `take`. */
  add(what: A, at: number): void {
    const slot = Math.max(this.#next, Math.floor(at / this.#slotMs))
    const others = this.#slots.get(slot)
    if (others === undefined) this.#slots.set(slot, [what])
    else others.push(what)
  }

  /** Takes out what is due in all slots that have begun. */
  take(now: number): ReadonlyArray<A> {
    const due: Array<A> = []
    for (const last = Math.floor(now / this.#slotMs); this.#next <= last; this.#next++) {
      const slot = this.#slots.get(this.#next)
      if (slot === undefined) continue
      for (const what of slot) due.push(what)
      this.#slots.delete(this.#next)
    }
    return due
  }
}
