/**
 * Limits that all peers share, such as the connections of a listener: who holds how much, by address, and who holds most. A
 * limit that is reached then charges the address that fills it, not the peer that comes next. An address is what
 * connection-limits.ts groups as one.
 */

/** What the addresses hold, each in items that weigh a whole number. */
export class Holdings<Item> {
  #total = 0
  #most = 0
  readonly #byAddress = new Map<string, Held<Item>>()
  /** The addresses that hold exactly so much. */
  readonly #holding = new Map<number, Set<string>>()

  /** The weight of all items. */
  get total(): number {
    return this.#total
  }

  /** The weight of the items of one address. */
  of(address: string): number {
    return this.#byAddress.get(address)?.weight ?? 0
  }

  /** One of the addresses that hold most. */
  get heaviest(): string | undefined {
    return this.#holding.get(this.#most)?.values().next().value
  }

  /**
   * The address that makes room for one more of an address that holds `own`: the one that holds most, if it still holds as
   * much as the other afterwards. A newcomer gets its first one from any address that holds something.
   */
  payerFor(own: number, isNewcomer = own === 0): string | undefined {
    return this.#most > own + 1 || (isNewcomer && this.#most > 0) ? this.heaviest : undefined
  }

  /** The items of an address, the one that was added or renewed first in front. */
  items(address: string): Iterable<Item> {
    return this.#byAddress.get(address)?.items.keys() ?? []
  }

  first(address: string): Item | undefined {
    for (const item of this.items(address)) return item
    return undefined
  }

  has(address: string, item: Item): boolean {
    return this.#byAddress.get(address)?.items.has(item) ?? false
  }

  /** Adds an item behind the others of its address, or gives one that is there another weight; 0 removes it. */
  set(address: string, item: Item, weight = 1): void {
    const held = this.#byAddress.get(address) ?? { items: new Map<Item, number>(), weight: 0 }
    const change = weight - (held.items.get(item) ?? 0)
    if (weight === 0) held.items.delete(item)
    else held.items.set(item, weight)
    if (change === 0) return
    this.#total += change
    this.#move(address, held.weight, held.weight + change)
    held.weight += change
    if (held.weight === 0) this.#byAddress.delete(address)
    else this.#byAddress.set(address, held)
  }

  /** Removes an item; nothing where it is not there. */
  remove(address: string, item: Item): void {
    if (this.has(address, item)) this.set(address, item, 0)
  }

  /** Puts an item behind the others of its address. */
  renew(address: string, item: Item): void {
    const items = this.#byAddress.get(address)?.items
    const weight = items?.get(item)
    if (items === undefined || weight === undefined || items.size === 1) return
    items.delete(item)
    items.set(item, weight)
  }

  #move(address: string, from: number, to: number): void {
    const left = this.#holding.get(from)
    left?.delete(address)
    if (left?.size === 0) this.#holding.delete(from)
    if (to > 0) {
      const joined = this.#holding.get(to)
      if (joined === undefined) this.#holding.set(to, new Set([address]))
      else joined.add(address)
    }
    if (to > this.#most) this.#most = to
    // It falls no further than it rose.
    while (this.#most > 0 && !this.#holding.has(this.#most)) this.#most--
  }
}

interface Held<Item> {
  readonly items: Map<Item, number>
  weight: number
}

/**
 * Places that are short, held by those who do what the places are for and by those who have not shown it. Those who have
 * not make room first. One that works gives way only to an address that holds nothing at all.
 */
export class Tenancy<Item> {
  readonly idle = new Holdings<Item>()
  readonly working = new Holdings<Item>()

  get total(): number {
    return this.idle.total + this.working.total
  }

  of(address: string): number {
    return this.idle.of(address) + this.working.of(address)
  }

  /** What makes room for one more of `address`: of the address that pays, the item that was added or renewed first. */
  payerFor(address: string): { readonly item: Item; readonly isWorking: boolean } | undefined {
    const isNewcomer = this.of(address) === 0
    const idle = this.idle.payerFor(this.idle.of(address), isNewcomer)
    if (idle !== undefined) return { item: this.idle.first(idle)!, isWorking: false }
    const busy = isNewcomer ? this.working.heaviest : undefined
    if (busy === undefined || this.working.of(busy) < 2) return undefined
    return { item: this.working.first(busy)!, isWorking: true }
  }
}
