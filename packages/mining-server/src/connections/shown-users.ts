/**
 * The hash rates that users at an address have shown lately, on all their connections, so that a miner that connects again does not
 * begin at the easiest target again. When there are too many, the address with most users loses one, so that no address can make
 * the server forget users of another.
 */
import { parseUserIdentity, ShownRate, type ShownRates, type ShownWork } from "@sluice/channels"
import { addressGroup } from "@sluice/transport"

/** How many users are remembered for all addresses; each takes some hundred bytes. */
const MAX_USERS = 16_384

export class ShownUsers {
  /** By address and name; users that showed a rate last are at the end. */
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

  /** The rates for a connection from `host`. */
  of(host: string): ShownRates {
    return new UsersAt(this, addressGroup(host))
  }

  /** The rate that this user has shown at this address, if it is remembered. */
  find(address: string, userIdentity: string): ShownRate | undefined {
    return this.#byAddress.get(address)?.get(nameOf(userIdentity))
  }

  /** The same for a user that shows a rate now: remembers it as the latest. */
  know(address: string, userIdentity: string): ShownRate {
    const name = nameOf(userIdentity)
    const known = this.find(address, userIdentity)
    if (known === undefined) {
      if (this.#size >= this.#max) this.#forgetOne()
      this.#size++
    }
    // Forgetting may have removed the address.
    const users = this.#byAddress.get(address) ?? new Map<string, ShownRate>()
    this.#byAddress.set(address, users)
    const shown = known ?? new ShownRate()
    users.delete(name)
    users.set(name, shown)
    return shown
  }

  /** Of the address with most users, forgets the user that showed a rate longest ago. */
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
