/**
 * Templates that were made for one client alone: after a client has changed its constraints, a shared template may have a
 * lower number than the client's last one, and the numbers that a client sees only grow. They are kept because a solution for
 * an older one may still come. Each limit is charged to the one who causes the load: a client loses its own oldest template
 * above the limit of a client; above the limit of an address, the clients with most templates there lose theirs; above the
 * limit of all, the address with most does. A connected client never loses its two newest: the template that it was sent last
 * and the one that it holds ahead of a block.
 */
import type { Template } from "./node-template.ts"

/** A client that has templates of its own. */
export class Owner {
  /** By number, oldest first. */
  readonly templates = new Map<bigint, Template>()
  /** Milliseconds, when it disconnected. */
  leftAt: number | undefined
  readonly address: string

  constructor(address: string) {
    this.address = address
  }

  /** How many of them may be dropped. */
  get spare(): number {
    return this.leftAt === undefined ? Math.max(0, this.templates.size - KEPT_OF_CONNECTED) : this.templates.size
  }
}

export class OwnTemplates {
  readonly #templates = new Map<bigint, { readonly template: Template; readonly owner: Owner }>()
  /** By address: the owners that have templates, and how many templates may be dropped of all of them together. */
  readonly #addresses = new Map<string, { readonly owners: Set<Owner>; spare: number }>()
  #spare = 0
  /** In the order in which they disconnected. */
  readonly #gone = new Set<Owner>()

  get(id: bigint): Template | undefined {
    return this.#templates.get(id)?.template
  }

  add(owner: Owner, template: Template): void {
    this.#templates.set(template.id, { template, owner })
    this.#change(owner, () => owner.templates.set(template.id, template))
    if (owner.templates.size > MAX_OF_CLIENT) this.#dropOldest(owner)
    const { address } = owner
    if (this.#spareAt(address) > MAX_SPARE_OF_ADDRESS) this.#dropAt(address)
    while (this.#spare > MAX_SPARE) this.#dropAt(this.#largestAddress())
  }

  /** The client has disconnected. For some time a solution may still come over another connection. */
  leave(owner: Owner, now: number): void {
    this.#change(owner, () => (owner.leftAt = now))
    if (owner.templates.size > 0) this.#gone.add(owner)
  }

  /** Drops the templates of clients that left long ago. */
  expire(now: number): void {
    for (const owner of this.#gone) {
      if (now - owner.leftAt! < KEPT_AFTER_LEAVING_MS) return
      for (const id of owner.templates.keys()) this.#templates.delete(id)
      this.#change(owner, () => owner.templates.clear())
      this.#gone.delete(owner)
    }
  }

  /** Drops the templates for which `isDropped` holds. */
  forget(isDropped: (template: Template) => boolean): void {
    for (const [id, { owner, template }] of this.#templates) if (isDropped(template)) this.#drop(owner, id)
  }

  *[Symbol.iterator](): Generator<Template> {
    for (const { template } of this.#templates.values()) yield template
  }

  /** Drops a part of the address's templates at once, so that this runs seldom; the clients with most lose theirs first. */
  #dropAt(address: string): void {
    const { owners, spare } = this.#addresses.get(address)!
    let left = Math.ceil(spare * PART)
    let most = 0
    for (const owner of owners) most = Math.max(most, owner.spare)
    for (; left > 0; most--) {
      for (const owner of owners) {
        if (owner.spare < most) continue
        this.#dropOldest(owner)
        if (--left === 0) return
      }
    }
  }

  #largestAddress(): string {
    let largest: string | undefined
    for (const [address, { spare }] of this.#addresses) {
      if (largest === undefined || spare > this.#spareAt(largest)) largest = address
    }
    return largest!
  }

  #spareAt(address: string): number {
    return this.#addresses.get(address)?.spare ?? 0
  }

  #dropOldest(owner: Owner): void {
    this.#drop(owner, owner.templates.keys().next().value!)
  }

  #drop(owner: Owner, id: bigint): void {
    this.#templates.delete(id)
    this.#change(owner, () => owner.templates.delete(id))
    if (owner.templates.size === 0) this.#gone.delete(owner)
  }

  /** Makes a change to one owner and updates the sums. */
  #change(owner: Owner, change: () => void): void {
    const { address } = owner
    const before = owner.spare
    change()
    const by = owner.spare - before
    const here = this.#addresses.get(address) ?? { owners: new Set(), spare: 0 }
    here.spare += by
    this.#spare += by
    if (owner.templates.size > 0) here.owners.add(owner)
    else here.owners.delete(owner)
    if (here.owners.size > 0) this.#addresses.set(address, here)
    else this.#addresses.delete(address)
  }
}

/** The template that it was sent last, and the one that it holds ahead of a block. */
const KEPT_OF_CONNECTED = 2
/** Counts of templates. One takes some hundred bytes, and each change of constraints makes two. */
const MAX_OF_CLIENT = 16
const MAX_SPARE_OF_ADDRESS = 500
const MAX_SPARE = 4_000
const PART = 1 / 16
/** A pool may take that long to connect again and send the solutions that it has found meanwhile. */
const KEPT_AFTER_LEAVING_MS = 600_000
