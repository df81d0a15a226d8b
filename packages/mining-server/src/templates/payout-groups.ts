/**
 * Makes work of the template provider's messages: one `TemplateJobs` of @sluice/channels for each set of coinbase outputs. A pool
 * that is paid itself has one group. Solo mining has one more for each miner's address, as long as a connection mines for it. All
 * groups apply the same messages; a new group first applies those that lead to the present state.
 *
 * The latest batch of messages is kept until the next one comes. A group applies it when its first connection asks for changes.
 */
import { type CoinbaseRules, type ExtranonceSpace, type Jobs, TemplateJobs } from "@sluice/channels"
import { type ReceivedMessage, type TemplateMessage, TemplateState } from "@sluice/template-provider"
import type { Work, WorkChange, WorkGroup } from "../work-source/work-source.ts"
import type { PayoutsCalls } from "./payouts.ts"

export interface PayoutGroupsOptions {
  /** The rules of the coinbase without its outputs. */
  readonly coinbase: Omit<CoinbaseRules, "payout">
  readonly payouts: Pick<PayoutsCalls, "outputs" | "minerScript">
  readonly space: ExtranonceSpace
  /** Gives the first job id of a new group, as `JobIds` does. */
  readonly nextJobId: () => number
}

export class PayoutGroups implements Work {
  readonly common: PayoutGroup
  readonly space: ExtranonceSpace
  readonly versionRollingAllowed: boolean
  readonly #options: PayoutGroupsOptions
  /** By the miner's script in hex. */
  readonly #miners = new Map<string, PayoutGroup>()
  #latest: Array<ReceivedMessage> = []
  /** How many changes there were before the latest batch. */
  #before = 0
  readonly #templates = new TemplateState()

  constructor(options: PayoutGroupsOptions) {
    this.#options = options
    this.space = options.space
    this.versionRollingAllowed = options.coinbase.versionRollingAllowed
    this.common = this.#make(undefined)
  }

  get groupCount(): number {
    return this.#miners.size + 1
  }

  get changeCount(): number {
    return this.#before + this.#latest.length
  }

  join(userIdentity: string): PayoutGroup | undefined {
    const script = this.#options.payouts.minerScript?.(userIdentity)
    if (script === undefined) return undefined
    const key = Buffer.from(script).toString("hex")
    let group = this.#miners.get(key)
    if (group === undefined) {
      group = this.#make(script)
      this.#replay(group)
      this.#miners.set(key, group)
    }
    this.#update(group)
    group.connections++
    return group
  }

  leave(group: WorkGroup): void {
    if (!(group instanceof PayoutGroup) || group.key === undefined) return
    if (--group.connections === 0) this.#miners.delete(group.key)
  }

  refusal(group: WorkGroup, userIdentity: string): "invalid-user-identity" | undefined {
    const { minerScript } = this.#options.payouts
    if (minerScript === undefined) return undefined
    const script = minerScript(userIdentity)
    // All channels of a connection have one payout: a miner for another address needs another connection.
    const isOurs =
      script !== undefined && group instanceof PayoutGroup && group.key === Buffer.from(script).toString("hex")
    return isOurs ? undefined : "invalid-user-identity"
  }

  /** Applies a batch and returns the changes for the common group. All connections must know the changes before it. */
  onMessages(messages: ReadonlyArray<TemplateMessage>, now: number): ReadonlyArray<WorkChange> {
    for (const group of this.#miners.values()) this.#forget(group)
    this.#forget(this.common)
    this.#before = this.changeCount
    this.#latest = []
    return messages.map((message) => {
      const change = apply(this.common, message, now)
      if (change._tag === "Ignored") return change
      this.#latest.push({ message, at: now })
      this.common.changes.push(change)
      this.#templates.follow(message, now)
      return change
    })
  }

  changesSince(group: WorkGroup, seen: number): ReadonlyArray<WorkChange> {
    if (!(group instanceof PayoutGroup)) return []
    this.#update(group)
    return seen <= this.#before ? group.changes : group.changes.slice(seen - this.#before)
  }

  #make(script: Uint8Array | undefined): PayoutGroup {
    const { coinbase, nextJobId, payouts } = this.#options
    const payout = (reward: bigint) => payouts.outputs(reward, script)
    const templates = new TemplateJobs({ coinbase: { ...coinbase, payout }, firstJobId: nextJobId() % 2 ** 32 })
    return new PayoutGroup(templates, script)
  }

  #update(group: PayoutGroup): void {
    const { changes } = group
    while (changes.length < this.#latest.length) {
      const { at, message } = this.#latest[changes.length]!
      changes.push(apply(group, message, at))
    }
  }

  #forget(group: PayoutGroup): void {
    this.#update(group)
    group.changes = []
  }

  #replay(group: PayoutGroup): void {
    const { changes, jobs } = group
    for (const { at, message } of this.#templates.replay()) apply(group, message, at)
    // All groups share the extranonce space, and it keeps returned prefixes unused until this number grows.
    jobs.epoch = this.common.jobs.epoch
    // Connections of the group begin with these jobs, so the latest batch has no changes for them.
    for (let i = 0; i < this.#latest.length; i++) changes.push(BEGAN_LATER)
  }
}

/** The jobs of connections whose blocks pay the same outputs. */
export class PayoutGroup implements WorkGroup {
  readonly templates: TemplateJobs
  readonly jobs: Jobs
  /** The miner's script in hex; undefined for the common group. */
  readonly key: string | undefined
  connections = 0
  /** The changes of the latest batch of messages, as far as this group has applied it. */
  changes: Array<WorkChange> = []

  constructor(templates: TemplateJobs, script: Uint8Array | undefined) {
    this.templates = templates
    this.jobs = templates.jobs
    this.key = script === undefined ? undefined : Buffer.from(script).toString("hex")
  }
}

const BEGAN_LATER: WorkChange = { _tag: "Ignored", reason: "the group was made after this change", isNewBlock: false }

const apply = ({ templates }: PayoutGroup, message: TemplateMessage, now: number): WorkChange => {
  const isNewBlock = message._tag === "SetNewPrevHash"
  const made = isNewBlock ? templates.onSetNewPrevHash(message, now) : templates.onTemplate(message, now)
  return made._tag === "Ignored" ? { ...made, isNewBlock } : made
}
