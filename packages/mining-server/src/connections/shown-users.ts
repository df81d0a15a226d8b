/**
 * The hash rates that users at an address have shown of late, on whatever connections: who connects again does not begin at the
 * easiest target again. Users of an address that has most of them make room for others, so that no address can make the
 * pool forget what those of another have shown.
 */
import { Server } from "@sluice/channels"
import { addressGroup } from "@sluice/transport"
import { parseUserIdentity } from "../user.ts"

/** Users of all addresses; each takes some hundred bytes. */
const MAX_USERS = 16_384

export class ShownUsers {
  /** By address and name, who showed something last at the end. */
  readonly #byAddress = new Map<string, Map<string, Server.ShownRate>>()
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
  of(host: string): Server.ShownRates {
    const address = addressGroup(host)
    return {
      saw: (userIdentity, hashRate, now) => {
        if (hashRate > 0) this.#know(address, userIdentity).saw(userIdentity, hashRate, now)
      },
      left: (work) => this.#know(address, work.userIdentity).left(work),
      take: (userIdentity, now) => this.#known(address, userIdentity)?.take(userIdentity, now),
      leastFor: (userIdentity, now) => this.#known(address, userIdentity)?.leastFor(userIdentity, now) ?? 0
    }
  }

  #known(address: string, userIdentity: string): Server.ShownRate | undefined {
    return this.#byAddress.get(address)?.get(nameOf(userIdentity))
  }

  #know(address: string, userIdentity: string): Server.ShownRate {
    const name = nameOf(userIdentity)
    let users = this.#byAddress.get(address)
    let shown = users?.get(name)
    if (shown === undefined) {
      if (this.#size >= this.#max) this.#forgetOne()
      // Only now: the address may have lost its last user.
      users = this.#byAddress.get(address) ?? new Map<string, Server.ShownRate>()
      this.#byAddress.set(address, users)
      shown = new Server.ShownRate()
      this.#size++
    } else users!.delete(name)
    users!.set(name, shown)
    return shown
  }

  /** Forgets the user of the address with most users who showed something longest ago. */
  #forgetOne(): void {
    let most: readonly [address: string, users: Map<string, Server.ShownRate>] | undefined
    for (const entry of this.#byAddress) if (most === undefined || entry[1].size > most[1].size) most = entry
    const [address, users] = most!
    users.delete(users.keys().next().value!)
    if (users.size === 0) this.#byAddress.delete(address)
    this.#size--
  }
}

const nameOf = (userIdentity: string): string => parseUserIdentity(userIdentity).user
