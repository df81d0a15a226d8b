/** The last resort: jobs of the proxy's own templates that pay the miner. There is no server, and only blocks count. */
import { declaredCoinbase } from "@sluice/job-declaration"
import type { Mining, TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import type { UpstreamFault } from "../upstream/fault.ts"
import type { SessionEvent, Submitted } from "../upstream/source-session.ts"
import type { PlacedUpstreamJob, UpstreamJob } from "../upstream/upstream-job.ts"
import { OwnJob } from "./own-job.ts"
import type { OwnSession } from "./own-session.ts"
import type { TemplateChange } from "./own-templates.ts"

export interface SoloSessionOptions {
  readonly index: number
  readonly serial: number
  /** The script that a block pays. */
  readonly script: Uint8Array
  /** The text in the coinbase, as `coinbaseTags` makes it. */
  readonly tags: Uint8Array
  /** Bytes that differ at each start, so that no work is done twice. */
  readonly prefix: Uint8Array
  /** The bytes that the proxy may roll behind the prefix. */
  readonly extranonceSize: number
  /** Whether the present templates have room for the output. */
  readonly hasRoom: () => boolean
  /** A template makes no coinbase. */
  readonly unusable: (templateId: bigint, reason: string) => void
}

/** The most jobs of one previous hash whose blocks are known. */
const MAX_ACTIVE = 64
/** No hash is a share. */
const NO_TARGET = new Uint8Array(32)

export class SoloSession implements OwnSession {
  readonly keepsChannel = true
  readonly isOpen = true
  readonly fault: UpstreamFault | undefined = undefined
  readonly statedRate = 0
  readonly pendingCount = 0
  readonly hasMessages = false
  readonly openedAt: number
  readonly index: number
  readonly serial: number
  readonly #options: SoloSessionOptions
  #lastJobId = 0
  readonly #futures = new Map<bigint, OwnJob>()
  readonly #active = new Map<number, PlacedUpstreamJob>()
  #tip: TemplateDistribution.SetNewPrevHash | undefined
  #current: PlacedUpstreamJob | undefined

  constructor(options: SoloSessionOptions, now: number) {
    this.index = options.index
    this.serial = options.serial
    this.openedAt = now
    this.#options = options
  }

  get current(): PlacedUpstreamJob | undefined {
    return this.#current
  }

  get futureJobs(): Iterable<UpstreamJob> {
    return this.#futures.values()
  }

  placedOf(job: UpstreamJob): PlacedUpstreamJob | undefined {
    const placed = this.#active.get(job.id)
    return placed?.job === job ? placed : undefined
  }

  templateChanged(change: TemplateChange): ReadonlyArray<SessionEvent> {
    if (change._tag === "Future") {
      const job = this.#make(change.template)
      if (job === undefined) return []
      this.#futures.set(change.template.templateId, job)
      return [{ _tag: "FutureJob", job }]
    }
    const job =
      (change._tag === "Tip" ? this.#futures.get(change.template.templateId) : undefined) ?? this.#make(change.template)
    if (change._tag === "Tip") {
      this.#futures.clear()
      this.#active.clear()
      this.#tip = change.tip
    }
    if (job === undefined || this.#tip === undefined) return []
    const placed = (this.#current = job.placedOn(this.#tip, NO_TARGET))
    this.#active.set(job.id, placed)
    for (const oldest of this.#active.keys()) {
      if (this.#active.size <= MAX_ACTIVE) break
      this.#active.delete(oldest)
    }
    return [{ _tag: change._tag === "Tip" ? "NewPrevHash" : "NewJob", placed }]
  }

  unwell(message: string): ReadonlyArray<SessionEvent> {
    return [{ _tag: "Unwell", message }]
  }

  submit(): Submitted {
    return "unwanted"
  }

  resubmit(): Submitted {
    return "unwanted"
  }

  solve(): boolean {
    return false
  }

  tick(): ReadonlyArray<SessionEvent> {
    return []
  }

  use(): ReadonlyArray<SessionEvent> {
    return []
  }

  receive(): ReadonlyArray<SessionEvent> {
    return []
  }

  takeKept(): ReadonlyArray<never> {
    return []
  }

  takeMessages(): Array<Mining.ToServer> {
    return []
  }

  fail(): void {}

  update(): void {}

  close(): void {}

  #make(template: TemplateDistribution.NewTemplate): OwnJob | undefined {
    const { extranonceSize, hasRoom, prefix, script, tags, unusable } = this.#options
    if (!hasRoom()) return undefined
    const coinbase = declaredCoinbase({
      template,
      poolOutputs: [{ value: 0n, script }],
      ownOutputs: [],
      tags,
      extranonceSize: prefix.length + extranonceSize
    })
    if (Result.isFailure(coinbase)) {
      unusable(template.templateId, coinbase.failure.message)
      return undefined
    }
    return new OwnJob(++this.#lastJobId, template, coinbase.success, {
      prefix,
      size: extranonceSize,
      versionRollingAllowed: true
    })
  }
}
