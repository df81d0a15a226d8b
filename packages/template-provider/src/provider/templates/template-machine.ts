/**
 * The decisions of a template provider, without clock or socket: which templates exist and under which numbers, which messages
 * each client gets (specification, section 7), and which block a solution makes.
 *
 * `onAnswer` and `onHeader` take what the node says, `onConstraints`, `onRequest` and `onSolution` what clients say; all return
 * what is to be sent. Times are milliseconds.
 */
import type { BlockTemplate } from "@sluice/node"
import { ErrorCode, TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import {
  type CoinbaseConstraints,
  fitsBlock,
  isSameConstraints,
  MAX_BLOCK_WEIGHT,
  reservedWeight
} from "../../coinbase-constraints.ts"
import { behindBlock, isBlockOf, nextBlock, type NextBlockHeader } from "./next-block.ts"
import { NodeTemplate, Template } from "./node-template.ts"
import { Owner } from "./own-templates.ts"
import { TemplateProtocolError } from "../../protocol-error.ts"
import { type SolutionOutcome, Solutions } from "../blocks/solutions.ts"
import { TemplateStore } from "./template-store.ts"
import type { TemplateMessage } from "../../client/template-source.ts"
import { type TransactionAnswer, TransactionData } from "./transaction-data.ts"

export interface TemplateMachineOptions {
  /** The first template's number; it has to be above all numbers of earlier runs. */
  readonly firstTemplateId: bigint
  /** A new template is sent when the block's fees have grown by more than this many satoshis. */
  readonly feeDelta: bigint
  /** The shortest time between two templates for the same previous block, in milliseconds. */
  readonly intervalMs: number
  /** The age in milliseconds at which a template is replaced if the node's has changed, whatever its fees. */
  readonly renewAfterMs: number
  /** Whether clients get a template without transactions ahead of each block, to work on as soon as that block comes. */
  readonly emptyTemplates: boolean
  /** How many answers of the node are kept for late solutions and requests, and how many bytes they may take. */
  readonly maxRetained: number
  readonly maxRetainedBytes: number
}

/** The frames to send to a client after an answer of the node. */
export interface Delivery<Client> {
  readonly client: Client
  readonly messages: ReadonlyArray<TemplateMessage>
}

export type Change = "none" | "fees" | "full" | "tip" | "outdated" | "behind"

export interface Answered<Client> {
  /**
   * `tip`: another place in the chain, which supersedes everything that still waits to be sent. `full`: transactions for a
   * block that clients work on without any. `fees`: a better template for the same place. `outdated`: the answer is older
   * than what is known, so ask again. `behind`: the node does not build on the announced block yet, so ask again in a moment.
   */
  readonly change: Change
  readonly deliveries: ReadonlyArray<Delivery<Client>>
}

export class TemplateMachine<Client> {
  readonly #options: TemplateMachineOptions
  readonly #clients = new Map<Client, ClientState>()
  readonly #store: TemplateStore
  readonly #solutions = new Solutions()
  readonly #transactionData = new TransactionData()
  #sentAt = Number.NEGATIVE_INFINITY
  /** Requests to the node are numbered, so that those made before the last change of the tip are known. */
  #lastRequest = 0
  #lastRequestAtTip = 0
  /** The template that clients hold for the height after the current one; its previous hash is not known yet. */
  #next: { readonly node: NodeTemplate; newest: Template | undefined } | undefined
  /** While clients work without transactions: since when, and the parent of the block that they were switched behind. */
  #bare: { readonly since: number; readonly grandparent: string } | undefined
  #bitsMayChange = false
  #wasAway = false

  constructor(options: TemplateMachineOptions) {
    this.#options = options
    this.#store = new TemplateStore(options)
  }

  /** The node's answer that templates are made from at present. */
  get current(): NodeTemplate | undefined {
    return this.#store.current?.node
  }

  get clientCount(): number {
    return this.#clients.size
  }

  get retainedCount(): number {
    return this.#store.size
  }

  /** Call it when the node is asked, and pass the number on to `onAnswer`. */
  beginRequest(): number {
    return ++this.#lastRequest
  }

  /**
   * Takes the node's answer to request number `request`. Answers can overtake each other (a long poll beside a poll), so an
   * answer to a request from before the last change of the tip counts only if it is higher. Throws, and changes nothing, if no
   * template can be made of the answer.
   */
  onAnswer(source: BlockTemplate, request: number, now: number): Answered<Client> {
    const node = new NodeTemplate(source, now)
    const { current } = this
    this.#store.own.expire(now)
    if (current === undefined || !node.continues(current)) {
      if (current !== undefined && this.#isOutdated(node, request, current)) {
        return { change: "outdated", deliveries: [] }
      }
      if (this.#isBehind(node, now)) return { change: "behind", deliveries: [] }
      this.#moveTo(this.#prove(node, now), now)
      return { change: "tip", deliveries: this.#deliver((template) => this.#atTip(template, now)) }
    }
    const isBare = this.#bare !== undefined
    const isDue = isBare || this.#wasAway
    const isSent = isDue ? !isSameWork(current, node) : this.#isWorthSending(current, node, now)
    if (isSent) this.#prove(node, now)
    this.#bare = undefined
    this.#wasAway = false
    if (!isSent) return { change: "none", deliveries: [] }
    this.#store.retain(node)
    this.#sentAt = now
    const change = isBare ? "full" : "fees"
    for (const state of this.#clients.values()) state.sinceAhead++
    return { change, deliveries: this.#deliver((template) => [template.active]) }
  }

  /**
   * The node was away, and may have started again without some of its transactions and blocks. If its next answer has other
   * transactions, it is sent whatever its fees and however soon it comes, even if it is for the block before.
   */
  onAway(): void {
    this.#wasAway = true
    this.#bare = undefined
  }

  /** Frees memory, which takes a moment: call it when the last answer is on its way to the clients. */
  compact(): void {
    this.#store.share()
  }

  /**
   * Takes the header of an announced block. If the block extends the tip, the templates that clients hold ahead are for the
   * next height, and each client only needs the SetNewPrevHash: each delivery has that one message (two for a client that holds
   * no template), and the change is `tip`. Otherwise the change is `none`, and the node has to be asked for a template. Throws,
   * and changes nothing, if no work can be made behind this header.
   */
  onHeader(header: NextBlockHeader, now: number): Answered<Client> {
    const { current } = this
    const next = this.#next
    if (current === undefined || next === undefined || !isBlockOf(current.source, header)) {
      return { change: "none", deliveries: [] }
    }
    const node = new NodeTemplate(behindBlock(next.node.source, header, current.clock(now)), now)
    const proven = this.#prove(node, now)
    this.#store.move(next.node, node)
    const held = Array.from(this.#clients, ([client, state]) => ({ client, state, ahead: state.ahead }))
    // Also the templates that the store has dropped since: their SetNewPrevHash has to be right.
    for (const { ahead } of held) if (ahead !== undefined) ahead.node = node
    this.#moveTo(proven, now)
    this.#bare = { since: now, grandparent: current.source.previousblockhash }
    if (next.newest !== undefined) this.#store.current!.bySteps.set(0, next.newest)
    const deliveries = held.map(({ ahead, client, state }) => ({
      client,
      messages: ahead === undefined ? this.#atTip(this.#templateFor(state, node), now) : [ahead.prevHash(now)]
    }))
    return { change: "tip", deliveries }
  }

  /** Whether the header of an announced block is enough to work behind it. */
  get isReady(): boolean {
    return this.#next !== undefined
  }

  /** Sets the chain, by its name in `getblockchaininfo`. On testnet the bits may change with the clock. */
  setChain(name: string): void {
    this.#bitsMayChange = name === "test" || name === "testnet4"
    if (this.#bitsMayChange) this.#forgetNext()
  }

  /**
   * The future template to send to a client for the height after the current one: if the client holds none yet, or if so many
   * templates came behind it that a miner which keeps only its last few jobs may have dropped it. Call it for each client
   * that was sent something, after all of them were.
   */
  ahead(client: Client): TemplateDistribution.NewTemplate | undefined {
    const state = this.#clients.get(client)
    const next = this.#next
    if (state === undefined || next === undefined) return undefined
    if (state.ahead !== undefined && state.sinceAhead < RENEW_AHEAD_AFTER) return undefined
    let template = next.newest
    if (template === undefined || template.id <= state.lastId) {
      if (template !== undefined && state.hasChanged) template = this.#store.addOwn(next.node, 0, state.owner)
      else template = next.newest = this.#store.add(next.node, 0)
    }
    state.ahead = template
    state.sinceAhead = 0
    state.lastId = template.id
    return template.future
  }

  /**
   * Takes a client's CoinbaseOutputConstraints, its first or new ones, and gives the frames to send at once: a future template
   * and the SetNewPrevHash that names it. There are none before the node's first answer; `onAnswer` delivers them then. Fails
   * for constraints that no block can meet. The client's load is charged to `address`.
   */
  onConstraints(
    client: Client,
    constraints: CoinbaseConstraints,
    now: number,
    address = ""
  ): Result.Result<ReadonlyArray<TemplateMessage>, TemplateProtocolError> {
    const { current } = this
    const limits = current?.space.limits ?? { weight: MAX_BLOCK_WEIGHT, sigops: MAX_BLOCK_SIGOPS }
    if (!fitsBlock(constraints, limits)) {
      return Result.fail(
        new TemplateProtocolError({
          section: "7.1",
          expected: `constraints that leave room in a block of ${limits.weight} weight units and ${limits.sigops} sigops`,
          actual:
            `${constraints.coinbaseOutputMaxAdditionalSize} bytes, which take ${reservedWeight(constraints)} weight ` +
            `units, and ${constraints.coinbaseOutputMaxAdditionalSigops} sigops`
        })
      )
    }
    const known = this.#clients.get(client)
    if (known !== undefined && isSameConstraints(known.constraints, constraints)) return Result.succeed([])
    // Whatever can fail, before anything changes.
    current?.work(current.space.fewStepsBeside(constraints))
    const lastId = known?.lastId ?? -1n
    const owner = known?.owner ?? new Owner(address)
    const state = { constraints, hasChanged: known !== undefined, owner, lastId, ahead: undefined, sinceAhead: 0 }
    this.#clients.set(client, state)
    return Result.succeed(current === undefined ? [] : this.#atTip(this.#templateFor(state, current), now))
  }

  /** Forgets a client that has disconnected. */
  remove(client: Client, now: number): void {
    const state = this.#clients.get(client)
    if (state === undefined) return
    this.#clients.delete(client)
    this.#store.own.leave(state.owner, now)
  }

  /** The answer to RequestTransactionData (section 7.4). */
  onRequest(templateId: bigint): TransactionAnswer {
    const template = this.#store.get(templateId)
    if (template !== undefined && this.#isCurrent(template)) return this.#transactionData.answerFor(template)
    const { staleTemplateId, templateIdNotFound } = ErrorCode.requestTransactionData
    const errorCode = this.#store.wasGiven(templateId) ? staleTemplateId : templateIdNotFound
    return TemplateDistribution.RequestTransactionDataError.make({ templateId, errorCode })
  }

  /**
   * The block that a solution makes (section 7.7). A solution for a stale template still makes a block: the node and the
   * network decide whether it is too late. Each block is given out once at a tip.
   */
  onSolution(solution: TemplateDistribution.SubmitSolution): SolutionOutcome {
    return this.#solutions.onSolution(this.#store.get(solution.templateId), solution)
  }

  #isWorthSending(current: NodeTemplate, node: NodeTemplate, now: number): boolean {
    const age = now - this.#sentAt
    if (age < this.#options.intervalMs) return false
    if (node.value - current.value > this.#options.feeDelta) return true
    return age >= this.#options.renewAfterMs && !isSameWork(current, node)
  }

  #atTip(template: Template, now: number): ReadonlyArray<TemplateMessage> {
    return [template.future, template.prevHash(now)]
  }

  #deliver(messagesOf: (template: Template) => ReadonlyArray<TemplateMessage>): ReadonlyArray<Delivery<Client>> {
    const { current } = this
    if (current === undefined) return []
    return Array.from(this.#clients, ([client, state]) => ({
      client,
      messages: messagesOf(this.#templateFor(state, current))
    }))
  }

  /** The template for this client's room. Its number is above the client's last one, because numbers only grow. */
  #templateFor(state: ClientState, node: NodeTemplate): Template {
    const { bySteps } = this.#store.current!
    const steps = node.space.fewStepsBeside(state.constraints)
    let template = bySteps.get(steps)
    if (template === undefined) bySteps.set(steps, (template = this.#store.add(node, steps)))
    // The client was sent higher numbers since: the same work, for it alone, under a new number.
    else if (template.id <= state.lastId) template = this.#store.addOwn(node, steps, state.owner)
    state.lastId = template.id
    return template
  }

  /** Makes all work and messages of an answer and of the height after it, so that whatever can fail fails before anything changes. */
  #prove(node: NodeTemplate, now: number): Proven {
    node.work(0)
    for (const { constraints } of this.#clients.values()) node.work(node.space.fewStepsBeside(constraints))
    tryMessages(node, now)
    if (!this.#options.emptyTemplates || this.#bitsMayChange) return { node, next: undefined }
    const source = nextBlock(node.source, node.fees)
    const next = source && new NodeTemplate(source, now)
    if (next !== undefined) tryMessages(next, now)
    return { node, next }
  }

  /** Moves to another place in the chain. */
  #moveTo({ next, node }: Proven, now: number): void {
    this.#lastRequestAtTip = this.#lastRequest
    this.#bare = undefined
    this.#forgetNext()
    this.#wasAway = false
    this.#store.retain(node)
    this.#sentAt = now
    this.#solutions.clear()
    this.#transactionData.clear()
    if (next !== undefined) this.#next = { node: next, newest: undefined }
  }

  #forgetNext(): void {
    const node = this.#next?.node
    this.#next = undefined
    for (const state of this.#clients.values()) state.ahead = undefined
    this.#store.forget(node)
  }

  /** Whether an answer was asked for before the last change of the tip, and is not higher. */
  #isOutdated(node: NodeTemplate, request: number, current: NodeTemplate): boolean {
    return request <= this.#lastRequestAtTip && node.height <= current.height
  }

  /** Whether the node still builds on the block before the announced one, as it may for a moment after an announcement. */
  #isBehind(node: NodeTemplate, now: number): boolean {
    const bare = this.#bare
    return bare !== undefined && node.source.previousblockhash === bare.grandparent && now - bare.since < MAX_BEHIND_MS
  }

  #isCurrent(template: Template): boolean {
    return template.node === this.#next?.node || (this.current !== undefined && template.node.continues(this.current))
  }
}

/** An answer that templates can be made of, and the template for the height after it. */
interface Proven {
  readonly node: NodeTemplate
  readonly next: NodeTemplate | undefined
}

/** Throws if the messages cannot be encoded. */
const tryMessages = (node: NodeTemplate, now: number): void => {
  const template = new Template(0n, node, node.work(0))
  void [template.future, template.active, template.prevHash(now)]
}

interface ClientState {
  readonly constraints: CoinbaseConstraints
  /** Whether they replaced others. */
  readonly hasChanged: boolean
  readonly owner: Owner
  /** The number of the template that the client was sent last. */
  lastId: bigint
  /** The future template that it holds for the height after the current one. */
  ahead: Template | undefined
  /** How many templates it was sent after that one. */
  sinceAhead: number
}

const isSameWork = (a: NodeTemplate, b: NodeTemplate): boolean =>
  a.value === b.value &&
  a.source.version === b.source.version &&
  a.transactionCount === b.transactionCount &&
  a.source.transactions.every(({ hash }, index) => hash === b.source.transactions[index]!.hash)

/** After this time a node that still builds on the block before is believed. */
const MAX_BEHIND_MS = 10_000
/** Among firmware that mines Stratum V2 directly, the fewest jobs known to be kept are eight. */
const RENEW_AHEAD_AFTER = 4
const MAX_BLOCK_SIGOPS = 80_000
