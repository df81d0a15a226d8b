/** Requests that wait for the pool's answer, by their ids, oldest first. */

export interface Pending {
  readonly id: number
  readonly kind: "configure" | "subscribe" | "subscribe-again" | "authorize" | "share" | "other"
  readonly worker: string
  /** Milliseconds. */
  readonly sentAt: number
}

export class PendingRequests {
  readonly #maxShares: number
  readonly #requests = new Map<number, Pending>()
  #nextId = 1
  #shares = 0

  constructor(maxShares: number) {
    this.#maxShares = maxShares
  }

  get shares(): number {
    return this.#shares
  }

  /** The id of the new request, undefined where too many shares wait. */
  add(kind: Pending["kind"], worker: string, now: number): number | undefined {
    if (kind === "share" && this.#shares >= this.#maxShares) return undefined
    const id = this.#nextId
    // Some firmware of pools reads ids as 32 bits with a sign.
    this.#nextId = id === 0x7fffffff ? 1 : id + 1
    this.#requests.set(id, { id, kind, worker, sentAt: now })
    if (kind === "share") this.#shares++
    return id
  }

  take(id: number): Pending | undefined {
    const request = this.#requests.get(id)
    if (request === undefined) return undefined
    this.#requests.delete(id)
    if (request.kind === "share") this.#shares--
    return request
  }

  /** Takes the requests that were sent at this time or before. */
  takeOlder(sentAt: number): ReadonlyArray<Pending> {
    const old: Array<Pending> = []
    for (const request of this.#requests.values()) {
      if (request.sentAt > sentAt) break
      old.push(request)
    }
    for (const { id } of old) this.take(id)
    return old
  }
}
