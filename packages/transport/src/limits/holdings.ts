/**
 * Accounts of what each address holds under a limit that all peers share, such as the connections of a listener. When the limit
 * is reached, the address that holds the most pays for it, and not the peer that comes next. Groups addresses as
 * connection-limits.ts does.
 */

/** The items of each address. Each item has a weight, a whole number. */
export class Holdings<Item> {
  #total = 0
  #most = 0
  readonly #byAddress = new Map<string, Held<Item>>()
  /** The addresses by the weight that they hold. */
  readonly #holding = new Map<number, Set<string>>()

  /** The total weight of all items. */
  get total(): number {
    return this.#total
  }

  /** The total weight of the items of one address. */
  of(address: string): number {
    return this.#byAddress.get(address)?.weight ?? 0
  }

  /** An address with the highest weight. */
  get heaviest(): string | undefined {
    return this.#holding.get(this.#most)?.values().next().value
  }

  /**
   * Chooses the address that gives up an item for one more item of an address that holds `own`: the heaviest address, if it holds
   * at least as much as the other afterwards. For a newcomer, any address with an item.
   */
  payerFor(own: number, isNewcomer = own === 0): string | undefined {
    return this.#most > own + 1 || (isNewcomer && this.#most > 0) ? this.heaviest : undefined
  }

  /** The items of an address in the order in which they were added or renewed. */
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

  /** Adds an item behind the others of its address, or changes the weight of an existing item. Weight 0 removes it. */
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

  /** Removes an item, if it exists. */
  remove(address: string, item: Item): void {
    if (this.has(address, item)) this.set(address, item, 0)
  }

  /** Moves an item behind the others of its address. */
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
    // In total, this loop steps down at most as far as the maximum rose.
    while (this.#most > 0 && !this.#holding.has(this.#most)) this.#most--
  }
}

interface Held<Item> {
  readonly items: Map<Item, number>
  weight: number
}

/**
 * Limited places, held by working and by idle items. Idle items give way first. A working item gives way only to an address that
 * holds nothing at all.
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

  /** Chooses the item that gives way to one more item of `address`: the oldest item of the address that pays. */
  payerFor(address: string): { readonly item: Item; readonly isWorking: boolean } | undefined {
    const isNewcomer = this.of(address) === 0
    const idle = this.idle.payerFor(this.idle.of(address), isNewcomer)
    if (idle !== undefined) return { item: this.idle.first(idle)!, isWorking: false }
    const busy = isNewcomer ? this.working.heaviest : undefined
    if (busy === undefined || this.working.of(busy) < 2) return undefined
    return { item: this.working.first(busy)!, isWorking: true }
  }
}
