/**
 * Templates that were made for one client alone, because it has changed its constraints and numbers of templates only grow.
 * A solution for an older one may still come, so they are kept, and whoever has most of them pays for the limits: the
 * client itself above its own, the client with most at the address above that of the address, and the address with most
 * above that of all. The two newest of a connected client are never taken away: it was sent no other one last, and holds no
 * other one ahead of a block.
 */
import type { Template } from "./node-template.ts"

/** One client, as far as templates were made for it alone. */
export class Owner {
  /** By number, oldest first. */
  readonly templates = new Map<bigint, Template>()
  /** Milliseconds, when it disconnected. */
  leftAt: number | undefined
  readonly address: string

  constructor(address: string) {
    this.address = address
  }

  /** How many may be taken away. */
  get spare(): number {
    return this.leftAt === undefined ? Math.max(0, this.templates.size - KEPT_OF_CONNECTED) : this.templates.size
  }
}

export class OwnTemplates {
  readonly #templates = new Map<bigint, { readonly template: Template; readonly owner: Owner }>()
  /** Owners of at least one template, and how many may be taken away of all of them together. */
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

  /** The client has disconnected: a solution may still come by another connection, for some time. */
  leave(owner: Owner, now: number): void {
    this.#change(owner, () => (owner.leftAt = now))
    if (owner.templates.size > 0) this.#gone.add(owner)
  }

  /** Drops what belongs to clients that left long ago. */
  expire(now: number): void {
    for (const owner of this.#gone) {
      if (now - owner.leftAt! < KEPT_AFTER_LEAVING_MS) return
      for (const id of owner.templates.keys()) this.#templates.delete(id)
      this.#change(owner, () => owner.templates.clear())
      this.#gone.delete(owner)
    }
  }

  /** Drops those for which `isDropped` holds. */
  forget(isDropped: (template: Template) => boolean): void {
    for (const [id, { owner, template }] of this.#templates) if (isDropped(template)) this.#drop(owner, id)
  }

  *[Symbol.iterator](): Generator<Template> {
    for (const { template } of this.#templates.values()) yield template
  }

  /** A part of what the address has, one from each of those clients that have most there, so that it is seldom done. */
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

  /** Keeps the sums right over a change of one owner. */
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

/** What it was sent last, and what it holds ahead of a block. */
const KEPT_OF_CONNECTED = 2
/** Numbers of templates: some hundred bytes each, and two for every change of constraints. */
const MAX_OF_CLIENT = 16
const MAX_SPARE_OF_ADDRESS = 500
const MAX_SPARE = 4_000
const PART = 1 / 16
/** As long as a pool may take to connect again, and to send what it has found in between. */
const KEPT_AFTER_LEAVING_MS = 600_000
