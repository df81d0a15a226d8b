/**
 * The hash rates that users at an address have shown of late, on whatever connections: who connects again does not begin at the
 * easiest target again. Users of an address that has most of them make room for others, so that no address can make the
 * pool forget what those of another have shown.
 */
import { ShownRate, type ShownRates, type ShownWork } from "@sluice/channels"
import { addressGroup } from "@sluice/transport"
import { parseUserIdentity } from "../user.ts"

/** Users of all addresses; each takes some hundred bytes. */
const MAX_USERS = 16_384

export class ShownUsers {
  /** By address and name, who showed something last at the end. */
  readonly #byAddress = new Map<string, Map<string, ShownRate>>()
  readonly #max: number
  #size = 0

  constructor(max = MAX_USERS) {
    this.#max = max
  }

  /** How many users are known. */
  get size(): number {
    return this.#size
  }

  /** What a connection from `host` is told. */
  of(host: string): ShownRates {
    return new UsersAt(this, addressGroup(host))
  }

  /** What this user has shown at this address, if it is remembered. */
  find(address: string, userIdentity: string): ShownRate | undefined {
    return this.#byAddress.get(address)?.get(nameOf(userIdentity))
  }

  /** The same for a user who shows something now. */
  know(address: string, userIdentity: string): ShownRate {
    const name = nameOf(userIdentity)
    const known = this.find(address, userIdentity)
    if (known === undefined) {
      if (this.#size >= this.#max) this.#forgetOne()
      this.#size++
    }
    // The address may have lost its last user just now.
    const users = this.#byAddress.get(address) ?? new Map<string, ShownRate>()
    this.#byAddress.set(address, users)
    const shown = known ?? new ShownRate()
    users.delete(name)
    users.set(name, shown)
    return shown
  }

  /** Forgets the user of the address with most users who showed something longest ago. */
  #forgetOne(): void {
    let most: readonly [address: string, users: Map<string, ShownRate>] | undefined
    for (const entry of this.#byAddress) if (most === undefined || entry[1].size > most[1].size) most = entry
    const [address, users] = most!
    users.delete(users.keys().next().value!)
    if (users.size === 0) this.#byAddress.delete(address)
    this.#size--
  }
}

/** Users at one address. */
class UsersAt implements ShownRates {
  readonly #users: ShownUsers
  readonly #address: string

  constructor(users: ShownUsers, address: string) {
    this.#users = users
    this.#address = address
  }

  saw(userIdentity: string, hashRate: number, now: number): void {
    if (hashRate > 0) this.#users.know(this.#address, userIdentity).saw(userIdentity, hashRate, now)
  }

  left(work: ShownWork): void {
    this.#users.know(this.#address, work.userIdentity).left(work)
  }

  take(userIdentity: string, now: number): ShownWork | undefined {
    return this.#users.find(this.#address, userIdentity)?.take(userIdentity, now)
  }

  leastFor(userIdentity: string, now: number): number {
    return this.#users.find(this.#address, userIdentity)?.leastFor(userIdentity, now) ?? 0
  }
}

const nameOf = (userIdentity: string): string => parseUserIdentity(userIdentity).user
