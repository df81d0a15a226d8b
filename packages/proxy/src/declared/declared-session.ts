/**
 * A session with a pool that takes jobs of the proxy's own (specification, section 6.2): an extended channel at the pool, and the
 * pool's declarator while it is connected. A job goes to miners at once. Its shares are kept until the pool takes the job, then sent with
 * the pool's id of it. A pure machine: the client of the declarator and the templates are given to it, and it says what happened.
 */
import type { SourceShare } from "@sluice/channels"
import {
  type AllocatedToken,
  type DeclarationClient,
  type DeclarationClientEvent,
  declaredCoinbase,
  wholeHalves
} from "@sluice/job-declaration"
import { Target } from "@sluice/core"
import type { Output } from "@sluice/bitcoin"
import type { TemplateDistribution } from "@sluice/protocol"
import { ErrorCode, type Mining } from "@sluice/protocol"
import { Result } from "effect"
import { creditOf } from "../credit.ts"
import { UpstreamFault } from "../upstream/fault.ts"
import type { CustomJobEvent, PoolEvent, UpstreamSession } from "../upstream/session.ts"
import type { KeptShare, SessionEvent, Submitted } from "../upstream/source-session.ts"
import { originOf, type PlacedUpstreamJob, type UpstreamJob } from "../upstream/upstream-job.ts"
import type { DeclarationTally } from "./declaration-tally.ts"
import { type DeclaredJob, DeclaredJobs } from "./declared-jobs.ts"
import { fullExtranonce, OwnJob } from "./own-job.ts"
import type { OwnSession } from "./own-session.ts"
import type { OwnTemplates, TemplateChange } from "./own-templates.ts"

export interface DeclaredSessionOptions {
  /** The text in the coinbase, as `coinbaseTags` makes it. */
  readonly tags: Uint8Array
  /** The miner's own outputs for a reward; their sum is at most the reward. */
  readonly ownOutputs: (reward: bigint) => ReadonlyArray<Output>
  /** How many bytes of the pool's outputs the present templates have room for. */
  readonly room: () => number
  /** Asks for the transactions of a template: `transactionsCame` is called when they are in `templates`. */
  readonly needTransactions: (template: TemplateDistribution.NewTemplate) => void
  /** A template makes no coinbase. */
  readonly unusable: (templateId: bigint, reason: string) => void
  readonly templates: OwnTemplates
  readonly tally: DeclarationTally
  /** Whether the source has worked, and not failed since. If not, it must take a job before miners mine for it. */
  readonly isProven: boolean
}

/** How long the pool may take to answer SetCustomMiningJob. */
const ANSWER_TIMEOUT_MS = 10_000
/** How long the servers may be on another block than the template provider. */
const STALE_TIMEOUT_MS = 60_000
/** Waits before a job is declared again that was refused because the server is on another block. */
const FIRST_RETRY_MS = 250
const MAX_RETRY_MS = 5_000
/** How long a pool that has refused a job is left alone, unless there is another template. */
const AGAIN_MS = 10_000
/** How many refusals of shares as too easy in a row end a session: both ends may disagree for a moment about the target. */
const MAX_TOO_EASY = 3
/** The most solutions that wait for the declarator to accept their job. */
const MAX_SOLUTIONS = 16

export class DeclaredSession implements OwnSession {
  readonly keepsChannel = true
  readonly #options: DeclaredSessionOptions
  readonly #pool: UpstreamSession
  #client: DeclarationClient | undefined
  #isInUse = false
  #isProven: boolean
  /** Whether the pool has taken a job, and nothing has failed since. */
  #hasTaken = false
  /** Whether the declarator is away, or has refused a job. */
  #isUnwell = false
  #lastJobId = 0
  readonly #jobs: DeclaredJobs
  /** Future jobs, by their template. */
  readonly #futures = new Map<bigint, OwnJob>()
  /** The outputs that the pool wants in the jobs. */
  #outputs: AllocatedToken["outputs"] | undefined
  /** Since when the pool has called shares of the present block stale. */
  #staleSharesSince: number | undefined
  /** Since when servers say that they are on another block, and have taken no job of the present one. */
  #staleSince: number | undefined
  /** Since when the pool has answered no SetCustomMiningJob of the present block that was sent then or later; Infinity if none waits. */
  #unansweredSince = Infinity
  /** A template on the present block that follows when the present job is declared. */
  #deferred: TemplateDistribution.NewTemplate | undefined
  /** Shares in a row that the pool has called too easy. */
  #tooEasy = 0
  #events: Array<SessionEvent> = []

  constructor(pool: UpstreamSession, client: DeclarationClient | undefined, options: DeclaredSessionOptions) {
    this.#pool = pool
    this.#options = options
    this.#isProven = options.isProven
    this.#client = client
    this.#outputs = client?.outputs
    this.#jobs = new DeclaredJobs(options.tally, (count) => this.#events.push({ _tag: "KeptLost", count }))
  }

  get index(): number {
    return this.#pool.index
  }
  get serial(): number {
    return this.#pool.serial
  }
  get fault(): UpstreamFault | undefined {
    return this.#pool.fault
  }
  get openedAt(): number {
    return this.#pool.openedAt
  }
  get isOpen(): boolean {
    return this.#pool.isOpen
  }
  get statedRate(): number {
    return this.#pool.statedRate
  }
  get pendingCount(): number {
    return this.#pool.pendingCount
  }
  get hasMessages(): boolean {
    return this.#pool.hasMessages
  }
  get current(): PlacedUpstreamJob | undefined {
    return this.fault === undefined ? this.#jobs.current?.placed : undefined
  }
  get futureJobs(): Iterable<UpstreamJob> {
    return this.#futures.values()
  }

  takeMessages(): Array<Mining.ToServer> {
    return this.#pool.takeMessages()
  }

  placedOf(job: UpstreamJob): PlacedUpstreamJob | undefined {
    const declared = this.#jobs.activeOf(job.id)
    return declared?.job === job ? declared.placed : undefined
  }

  receive(messages: ReadonlyArray<Mining.ToClient>, now: number): ReadonlyArray<SessionEvent> {
    for (const event of this.#pool.receiveAll(messages, now)) this.#follow(event, now)
    return this.#takeEvents()
  }

  fail(fault: UpstreamFault): void {
    this.#pool.fail(fault)
  }

  update(hashRate: number): void {
    this.#pool.update(hashRate)
  }

  close(reason: string): void {
    this.#pool.close(reason)
  }

  use(isInUse: boolean, now: number): ReadonlyArray<SessionEvent> {
    this.#isInUse = isInUse
    this.#pump(now)
    return this.#takeEvents()
  }

  submit(found: SourceShare, now: number): Submitted {
    const declared = this.#jobs.activeOf(originOf(found.job).job.id)
    if (declared === undefined) return "late"
    return this.#submit(declared, found, now)
  }

  resubmit({ found, placed }: KeptShare, now: number): Submitted | undefined {
    if (this.fault !== undefined) return undefined
    const declared = this.#jobs.sameAs(placed)
    return declared === undefined ? undefined : this.#submit(declared, found, now)
  }

  takeKept(): ReadonlyArray<KeptShare> {
    return this.#jobs.takeAll()
  }

  /** Takes a change of the templates. */
  templateChanged(change: TemplateChange, now: number): ReadonlyArray<SessionEvent> {
    switch (change._tag) {
      case "Future": {
        const job = this.#make(change.template)
        if (job !== undefined) this.#addFuture(job)
        break
      }
      case "Tip":
        // A provider repeats the present block after a reconnection, and when it has to leave another room.
        if (!this.#isOn(change.tip)) this.#endBlock()
        this.#start(this.#futures.get(change.template.templateId) ?? this.#make(change.template), "NewPrevHash", now)
        break
      case "Better":
        // Shares of a job that was not declared could never be sent: it is declared first.
        if (this.#isWaiting) this.#deferred = change.template
        else this.#start(this.#make(change.template), "NewJob", now)
    }
    return this.#takeEvents()
  }

  /** The transactions of a template are in `templates` now. */
  transactionsCame(now: number): ReadonlyArray<SessionEvent> {
    this.#pump(now)
    return this.#takeEvents()
  }

  /** The provider has not given the transactions of a template: a better template takes its place. Otherwise it is asked again. */
  transactionsMissing(template: TemplateDistribution.NewTemplate, now: number): ReadonlyArray<SessionEvent> {
    const declared = this.#jobs.current
    const isReplaced = this.#isWaiting && this.#deferred !== undefined && this.#client !== undefined
    if (declared?.job.template === template && isReplaced) this.#refused(declared)
    this.#pump(now)
    return this.#takeEvents()
  }

  /** The pool's declarator is connected. */
  attach(client: DeclarationClient): void {
    this.#client = client
  }

  /** The pool's declarator is lost, or the templates are: jobs that the pool knows stay good. */
  unwell(message: string): ReadonlyArray<SessionEvent> {
    this.#unwell(message)
    return this.#takeEvents()
  }

  detach(): void {
    this.#client = undefined
    // The next connection knows none of the jobs.
    for (const declared of this.#jobs.all()) declared.isDeclared = false
    for (const declared of this.#jobs.active()) {
      // Tokens are for one connection.
      declared.token = undefined
      if (declared.stage === "transactions" || declared.stage === "declaring") this.#again(declared)
    }
  }

  declaratorSaid(event: DeclarationClientEvent, now: number): ReadonlyArray<SessionEvent> {
    switch (event._tag) {
      case "TokenReady":
        if (this.#jobs.current === undefined || (!this.#isProven && this.#isSettled)) this.#restart(now)
        else this.#pump(now)
        break
      case "Declared": {
        const declared = this.#jobs.waiting("declaring", event.requestId)
        if (declared === undefined) break
        declared.isDeclared = true
        for (const found of declared.solutions.splice(0)) this.#push(declared, found)
        if (this.#jobs.isActive(declared)) this.#set(declared, event.token, now)
        break
      }
      case "DeclarationRefused": {
        const declared = this.#jobs.waiting("declaring", event.requestId)
        this.#options.tally.refuse(event.errorCode)
        if (declared === undefined || !this.#jobs.isActive(declared) || this.#retry(declared, event.errorCode, now))
          break
        this.#refused(declared)
        const details = event.details === "" ? "" : ` (${event.details})`
        this.#unwell(`its declarator refused a job: ${event.errorCode}${details}`)
        break
      }
      case "Reconnect":
      case "Failed":
        break
    }
    return this.#takeEvents()
  }

  /** Looks at the time: call it every second or more often. */
  tick(now: number): ReadonlyArray<SessionEvent> {
    if (this.fault === undefined) {
      this.#pump(now)
      const declared = this.#jobs.current
      // A server that has refused a job may be well again.
      if (declared?.stage === "refused" && this.#client !== undefined && now - declared.requestedAt >= AGAIN_MS) {
        this.#restart(now)
      }
      if (now - this.#unansweredSince >= ANSWER_TIMEOUT_MS) {
        for (const waiting of this.#jobs.active()) if (waiting.stage === "setting") this.#refused(waiting)
        this.#fault("job-refused", `it has not answered SetCustomMiningJob within ${ANSWER_TIMEOUT_MS / 1000} s`)
      }
      const staleSince = this.#staleSharesSince ?? this.#staleSince
      if (staleSince !== undefined && now - staleSince >= STALE_TIMEOUT_MS) {
        this.#staleSharesSince = undefined
        this.#staleSince = undefined
        this.#unwell(`it has been on another block than the template provider for ${STALE_TIMEOUT_MS / 1000} s`)
      }
    }
    return this.#takeEvents()
  }

  /** Pushes a block to the declarator, if that knows the job or is asked about it. Returns whether it does or will. */
  solve(found: SourceShare): boolean {
    const { id } = originOf(found.job).job
    const declared = this.#jobs.find(id)
    if (declared === undefined || this.#client === undefined || this.#client.fault !== undefined) return false
    if (declared.isDeclared) this.#push(declared, found)
    else if (declared.stage === "declaring" && declared.solutions.length < MAX_SOLUTIONS) declared.solutions.push(found)
    else return false
    return true
  }

  #follow(event: PoolEvent, now: number): void {
    switch (event._tag) {
      case "Opened":
        this.#events.push(event)
        return this.#restart(now)
      case "PrefixChanged":
        return this.#restart(now)
      case "CustomJobAccepted":
        return this.#accepted(event, now)
      case "CustomJobRefused": {
        this.#answered(event.requestId)
        const declared = this.#jobs.waiting("setting", event.requestId)
        this.#options.tally.refuse(event.errorCode)
        if (declared === undefined || !this.#jobs.isActive(declared) || this.#retry(declared, event.errorCode, now))
          return
        this.#refused(declared)
        return this.#fault("job-refused", `it refused a job: ${event.errorCode}`)
      }
      case "Refused":
        this.#events.push(event)
        return this.#shareRefused(event, now)
      case "Accepted":
        this.#staleSharesSince = undefined
        this.#tooEasy = 0
        this.#events.push(event)
        return
      default:
        this.#events.push(event)
    }
  }

  /** Makes the present work anew: the channel was opened, or its prefix or the pool's outputs have changed. */
  #restart(now: number): void {
    const { current, futures, tip } = this.#options.templates
    this.#futures.clear()
    const job = current === undefined || tip === undefined ? undefined : this.#make(current)
    this.#start(job, this.#jobs.current === undefined ? "NewPrevHash" : "NewJob", now)
    for (const template of futures) {
      const future = this.#make(template)
      if (future !== undefined) this.#addFuture(future)
    }
  }

  /** `undefined` before the channel and the pool's outputs are known, and while templates have too little room. */
  #make(template: TemplateDistribution.NewTemplate): OwnJob | undefined {
    const { channel } = this.#pool
    const outputs = this.#client?.outputs ?? this.#outputs
    if (channel === undefined || outputs === undefined || this.fault !== undefined) return undefined
    const { ownOutputs: ownOutputsOf, room, tags, unusable } = this.#options
    const ownOutputs = ownOutputsOf(template.coinbaseTxValueRemaining)
    if (outputs.bytes.length > room()) return undefined
    this.#outputs = outputs
    const { extranoncePrefix, extranonceSize } = channel
    const coinbase = declaredCoinbase({
      template,
      poolOutputs: outputs.outputs,
      ownOutputs,
      tags,
      extranonceSize: extranoncePrefix.length + extranonceSize
    })
    if (Result.isFailure(coinbase)) {
      unusable(template.templateId, coinbase.failure.message)
      return undefined
    }
    const { versionRollingAllowed } = this.#pool
    const channelPart = { prefix: extranoncePrefix, size: extranonceSize, versionRollingAllowed }
    return new OwnJob(++this.#lastJobId, template, coinbase.success, channelPart)
  }

  #addFuture(job: OwnJob): void {
    this.#futures.set(job.template.templateId, job)
    this.#events.push({ _tag: "FutureJob", job, isUnproven: !this.#isUsable })
  }

  #endBlock(): void {
    this.#client?.giveUp()
    this.#jobs.endBlock()
    this.#deferred = undefined
    this.#unansweredSince = Infinity
    this.#staleSince = undefined
    this.#staleSharesSince = undefined
  }

  #start(job: OwnJob | undefined, tag: "NewJob" | "NewPrevHash", now: number): void {
    if (tag === "NewPrevHash") this.#futures.clear()
    const { tip } = this.#options.templates
    if (job === undefined || tip === undefined) return
    const { target } = this.#pool.channel!
    const placed = job.placedOn(tip, target)
    const before = this.#jobs.current
    this.#jobs.start(job, placed, now)
    // A token that was taken for the job before is good for this one.
    if (before?.token !== undefined) {
      this.#client?.giveBack(before.token, now)
      before.token = undefined
    }
    this.#events.push({ _tag: tag, placed, isUnproven: !this.#isUsable })
    this.#pump(now)
  }

  #isOn({ nbits, prevHash }: TemplateDistribution.SetNewPrevHash): boolean {
    const placed = this.#jobs.current?.placed
    return placed?.nbits === nbits && Buffer.compare(placed.prevHash, prevHash) === 0
  }

  /** Whether the present job is mined, and waits for a token or its transactions. */
  get #isWaiting(): boolean {
    const stage = this.#jobs.current?.stage
    return stage === "token" || stage === "transactions"
  }

  /** Whether the servers have decided on the present job. */
  get #isSettled(): boolean {
    const stage = this.#jobs.current?.stage
    return stage === "acknowledged" || stage === "refused"
  }

  /** Whether the jobs may go to miners although there are other sources. */
  get #isUsable(): boolean {
    return this.#isProven && !this.#isUnwell && this.#client !== undefined
  }

  /** Declares the present job as far as it can be now. A proven source in reserve declares nothing. */
  #pump(now: number): void {
    const declared = this.#jobs.current
    const client = this.#client
    if (declared === undefined || client === undefined || this.fault !== undefined) return
    if (declared.stage === "built") {
      if (!this.#isInUse && this.#isProven) {
        this.#staleSince = undefined
        return
      }
      declared.stage = "token"
      if (client.mode === "full-template") this.#needTransactions(declared)
    }
    if (declared.stage === "token") {
      if (now < declared.notBefore) return
      const token = client.takeToken(now)
      if (token === undefined) return
      if (Buffer.compare(token.outputs.bytes, this.#outputs!.bytes) !== 0) {
        client.giveBack(token, now)
        return this.#restart(now)
      }
      if (client.mode === "coinbase-only") {
        this.#options.tally.declared++
        this.#set(declared, token.bytes, now)
      } else {
        declared.token = token
        declared.stage = "transactions"
      }
    }
    if (declared.stage === "transactions") this.#declare(declared, client, now)
    const next = this.#deferred
    if (next === undefined || this.#isWaiting) return
    this.#deferred = undefined
    this.#start(this.#make(next), "NewJob", now)
  }

  #needTransactions({ job }: DeclaredJob): void {
    const { needTransactions, templates } = this.#options
    if (templates.transactionsOf(job.template) === undefined) needTransactions(job.template)
  }

  #declare(declared: DeclaredJob, client: DeclarationClient, now: number): void {
    const { coinbase, template, version } = declared.job
    const known = this.#options.templates.transactionsOf(template)
    if (known === undefined) return this.#needTransactions(declared)
    const { prefix, suffix } = wholeHalves(coinbase)
    this.#options.tally.declared++
    declared.requestId = client.declare(
      { token: declared.token!, version, coinbasePrefix: prefix, coinbaseSuffix: suffix, ...known },
      now
    )
    declared.token = undefined
    declared.requestedAt = now
    declared.stage = "declaring"
  }

  #set(declared: DeclaredJob, miningJobToken: Uint8Array, now: number): void {
    const { job, placed } = declared
    declared.requestId = this.#pool.setCustomJob({
      miningJobToken,
      version: job.version,
      prevHash: placed.prevHash,
      minNtime: placed.minNtime,
      nbits: placed.nbits,
      coinbaseTxVersion: job.template.coinbaseTxVersion,
      coinbasePrefix: job.coinbase.scriptPrefix,
      coinbaseTxInputNSequence: job.template.coinbaseTxInputSequence,
      coinbaseTxOutputs: job.coinbase.outputs,
      coinbaseTxLocktime: job.template.coinbaseTxLocktime,
      merklePath: job.merklePath
    })
    declared.requestedAt = now
    declared.stage = "setting"
    this.#unansweredSince = Math.min(this.#unansweredSince, now)
  }

  /** The pool has answered a SetCustomMiningJob. It may answer the newest one only. */
  #answered(answered: number): void {
    this.#unansweredSince = Infinity
    for (const { requestedAt, requestId, stage } of this.#jobs.active()) {
      if (stage !== "setting" || requestId! <= answered) continue
      this.#unansweredSince = Math.min(this.#unansweredSince, requestedAt)
    }
  }

  #accepted(
    { extranoncePrefix, jobId, requestId, target }: CustomJobEvent & { readonly _tag: "CustomJobAccepted" },
    now: number
  ): void {
    const declared = this.#jobs.waiting("setting", requestId)
    this.#options.tally.acknowledged++
    this.#answered(requestId)
    // The pool's coinbase has the prefix that holds now: another job has taken the place of one with the prefix before.
    if (declared === undefined || Buffer.compare(extranoncePrefix, declared.job.channelPrefix) !== 0) return
    declared.stage = "acknowledged"
    if (this.#jobs.isActive(declared)) this.#staleSince = undefined
    declared.poolJobId = jobId
    declared.target = target
    declared.difficulty = creditOf(target, declared.placed.nbits)
    const kept = this.#jobs.take(declared)
    const sent = kept.filter((found) => this.#submit(declared, found, now) === "sent").length
    if (kept.length > 0) {
      this.#events.push({ _tag: "KeptSent", count: sent })
    }
    if (declared !== this.#jobs.current) return
    const isFirst = !this.#hasTaken
    this.#isUnwell = false
    this.#isProven = true
    this.#hasTaken = true
    this.#events.push({ _tag: "Proven", placed: declared.placed, isFirst })
  }

  #submit(declared: DeclaredJob, found: SourceShare, now: number): Submitted {
    if (Target.compareU256(found.hash, 0, declared.target, 0) > 0 && !found.isBlock) return "unwanted"
    if (declared.poolJobId !== undefined) {
      return this.#pool.submitCustom(declared.poolJobId, declared.difficulty, found, now) ? "sent" : "late"
    }
    if (declared.stage === "refused") return "late"
    this.#jobs.keep(declared, found)
    return "kept"
  }

  /** Tries again if the server is on another block, or has forgotten its token. Returns whether it does. */
  #retry(declared: DeclaredJob, errorCode: string, now: number): boolean {
    if (errorCode === STALE_TIP) {
      // The answer may be to a job before the present one, which the servers have taken.
      if (this.#jobs.current?.stage !== "acknowledged") this.#staleSince ??= now
      declared.notBefore = now + Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** declared.retries++)
    } else if (errorCode === INVALID_TOKEN && !declared.hasNewToken) {
      declared.hasNewToken = true
      this.#client?.dropTokens(now)
    } else return false
    this.#again(declared)
    this.#pump(now)
    return true
  }

  #again(declared: DeclaredJob): void {
    declared.stage = declared === this.#jobs.current ? "token" : "refused"
    declared.requestId = undefined
    if (declared.stage === "refused") this.#jobs.drop(declared)
  }

  #refused(declared: DeclaredJob): void {
    declared.stage = "refused"
    this.#jobs.drop(declared)
  }

  /**
   * The pool has refused a share that meets its target, of a job that it had taken (6.2). It may be on the next block already, or on one
   * that the template provider does not have: then it says stale-share.
   */
  #shareRefused({ errorCode, jobId }: CustomJobEvent & { readonly _tag: "Refused" }, now: number): void {
    if (!this.#jobs.isTaken(jobId)) return
    if (errorCode === ErrorCode.submitShares.staleShare) {
      this.#staleSharesSince ??= now
      return
    }
    if (errorCode === ErrorCode.submitShares.difficultyTooLow && ++this.#tooEasy < MAX_TOO_EASY) return
    this.#fault("job-refused", `it refused a valid share of a job that it had taken: ${errorCode}`)
  }

  #unwell(message: string): void {
    if (this.#isUnwell) return
    this.#isUnwell = true
    this.#isProven = false
    this.#hasTaken = false
    this.#events.push({ _tag: "Unwell", message })
  }

  #fault(reason: UpstreamFault["reason"], message: string): void {
    const fault = new UpstreamFault({ reason, message })
    this.#pool.fail(fault)
    this.#events.push({ _tag: "Failed", fault })
  }

  #push(declared: DeclaredJob, found: SourceShare): void {
    const { nbits, prevHash } = declared.placed
    const { nonce, ntime, version } = found
    this.#client?.push({ extranonce: fullExtranonce(declared.job, found), prevHash, nonce, ntime, nbits, version })
    this.#options.tally.pushed++
  }

  #takeEvents(): ReadonlyArray<SessionEvent> {
    const events = this.#events
    this.#events = []
    return events
  }
}

const { invalidMiningJobToken: INVALID_TOKEN, staleChainTip: STALE_TIP } = ErrorCode.setCustomMiningJob
