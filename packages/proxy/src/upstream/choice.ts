/**
 * Chooses one of several upstreams, the first in the list that works: a pure machine that is given events and the time. It leaves the
 * one in use when that one is lost, and returns to a preferred one that has worked for a while. It also finds upstreams that are
 * silent.
 */
import type { PlacedUpstreamJob } from "./upstream-job.ts"

type Placed = Pick<PlacedUpstreamJob, "prevHash"> & { readonly job: Pick<PlacedUpstreamJob["job"], "height"> }

export interface ChoiceOptions {
  /** How many upstreams there are. */
  readonly count: number
  /** How long an upstream that had failed must work before it takes the place of another. */
  readonly returnAfterMs: number
  /** How long an upstream may send no job after another one has sent a new previous hash. */
  readonly silenceMs: number
  /** How long an upstream may send no job at all. */
  readonly idleMs: number
  /** Whether an upstream's jobs are made of the proxy's own templates: it sends none itself. */
  readonly isOwn?: (index: number) => boolean
}

/** Another upstream is in use from now on. */
export interface Choice {
  readonly index: number
  readonly why: "first" | "again" | "lost" | "preferred"
}

/** An upstream that has sent no job for too long. */
export interface Silence {
  readonly index: number
  readonly silentMs: number
  /** The upstream that sent a new previous hash in the meantime, if that is the reason. */
  readonly newerAt: number | undefined
}

export class UpstreamChoice {
  readonly #options: ChoiceOptions
  readonly #upstreams: ReadonlyArray<Candidate>
  #active: number | undefined
  #last: number | undefined

  constructor(options: ChoiceOptions) {
    this.#options = options
    this.#upstreams = Array.from({ length: options.count }, () => new Candidate())
  }

  /** The upstream in use, by its place in the list. */
  get active(): number | undefined {
    return this.#active
  }

  /** The one in use, or the one that was in use last. */
  get last(): number | undefined {
    return this.#active ?? this.#last
  }

  /** An upstream sent a job to mine. */
  worked(index: number, { job, prevHash }: Placed, now: number): void {
    this.#upstreams[index]!.worked(prevHash, job.height, now)
  }

  /** An upstream is connected. It sends no jobs before a miner opens a channel there. */
  ready(index: number, now: number): void {
    this.#upstreams[index]!.ready(now)
  }

  /** An upstream sent a future job. */
  heard(index: number, now: number): void {
    this.#upstreams[index]!.heardAt = now
  }

  /** A connection attempt failed, or the connection or its session ended. A planned end is no failure. */
  failed(index: number, isPlanned = false): void {
    this.#upstreams[index]!.end(isPlanned)
    if (this.#active === index) {
      this.#last = index
      this.#active = undefined
    }
  }

  /** Whether an upstream has failed since the start. */
  hasFailed(index: number): boolean {
    return this.#upstreams[index]!.hasFailed
  }

  /** Changes to another upstream if that one should be used from now on. */
  choose(now: number): Choice | undefined {
    const active = this.#active
    if (active === undefined) {
      const index = this.#upstreams.findIndex(({ isWorking }) => isWorking)
      if (index < 0) return undefined
      this.#active = index
      return { index, why: this.#last === undefined ? "first" : this.#last === index ? "again" : "lost" }
    }
    const { isOwn = () => false } = this.#options
    const current = this.#upstreams[active]!
    // The proxy's own node knows the height: a pool that claims another one does not hold up the return to own jobs.
    const index = this.#upstreams.findIndex(
      (upstream, index) =>
        index < active &&
        upstream.isWorking &&
        (upstream.height === 0 || upstream.height >= current.height || (isOwn(index) && !isOwn(active))) &&
        (!upstream.hasFailed || now - upstream.workingSince >= this.#options.returnAfterMs)
    )
    if (index < 0) return undefined
    this.#active = index
    return { index, why: "preferred" }
  }

  /** The upstreams that are silent now. Those with own jobs never are: another pool's block says nothing about the proxy's node. */
  silent(now: number): ReadonlyArray<Silence> {
    const { idleMs, isOwn, silenceMs } = this.#options
    return this.#upstreams.flatMap((upstream, index): ReadonlyArray<Silence> => {
      const silentMs = now - upstream.heardAt
      if (!upstream.isWorking || isOwn?.(index) === true) return []
      if (silentMs >= idleMs) return [{ index, silentMs, newerAt: undefined }]
      const newerAt = this.#upstreams.findIndex(
        (other) =>
          other.isWorking &&
          other.prevHashSince > upstream.heardAt &&
          now - other.prevHashSince >= silenceMs &&
          Buffer.compare(other.prevHash, upstream.prevHash) !== 0
      )
      return newerAt < 0 ? [] : [{ index, silentMs, newerAt }]
    })
  }
}

/** One upstream. */
class Candidate {
  /** Whether it has sent a job to mine on its present connection. */
  isWorking = false
  workingSince = 0
  /** When its last job came. */
  heardAt = 0
  /** Whether it has failed since the start. */
  hasFailed = false
  prevHash = new Uint8Array(0)
  prevHashSince = 0
  /** The height of the block to be found; 0 if it is not known on the present connection. */
  height = 0

  ready(now: number): void {
    this.isWorking = true
    this.workingSince = now
    this.heardAt = now
    this.height = 0
  }

  worked(prevHash: Uint8Array, height: number, now: number): void {
    if (!this.isWorking) this.workingSince = now
    this.isWorking = true
    this.heardAt = now
    this.height = height
    if (Buffer.compare(prevHash, this.prevHash) === 0) return
    this.prevHash = prevHash.slice()
    this.prevHashSince = now
  }

  end(isPlanned: boolean): void {
    this.isWorking = false
    if (!isPlanned) this.hasFailed = true
  }
}
