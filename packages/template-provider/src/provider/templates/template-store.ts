/**
 * The templates that clients may still ask for or solve, by number, and the node's answers that they are made from. Count and
 * bytes are limited; the oldest go first. Templates of single clients have limits of their own (own-templates.ts).
 *
 * Most transactions of an answer were in the answer before. Once an answer is on its way to the clients, `share` replaces its
 * transactions with the equal objects of the answer before, so that a hundred answers take little more memory than one, and
 * the garbage collector frees the copies early instead of in the middle of a block switch.
 */
import type { TemplateTransaction } from "@sluice/node"
import { type NodeTemplate, Template } from "./node-template.ts"
import { OwnTemplates, type Owner } from "./own-templates.ts"

export interface TemplateStoreOptions {
  /** The first template's number. */
  readonly firstTemplateId: bigint
  /** How many answers of the node are kept, and how many bytes they may take. */
  readonly maxRetained: number
  readonly maxRetainedBytes: number
}

/** An answer of the node, and its newest template for each number of steps that leave transactions out. */
export interface Retained {
  readonly node: NodeTemplate
  readonly bySteps: Map<number, Template>
}

export class TemplateStore {
  readonly #options: TemplateStoreOptions
  /** Templates for all clients, by number, oldest first. */
  readonly #templates = new Map<bigint, Template>()
  readonly own = new OwnTemplates()
  /** Oldest first; the last one is the current one. */
  readonly #retained: Array<Retained> = []
  #nextId: bigint
  #lastShared: NodeTemplate | undefined
  /** By wtxid: the transactions of the answer that `share` handled last. */
  #shared = new Map<string, TemplateTransaction>()

  constructor(options: TemplateStoreOptions) {
    this.#options = options
    this.#nextId = options.firstTemplateId
  }

  get current(): Retained | undefined {
    return this.#retained.at(-1)
  }

  /** How many answers are kept. */
  get size(): number {
    return this.#retained.length
  }

  get(id: bigint): Template | undefined {
    return this.#templates.get(id) ?? this.own.get(id)
  }

  /** Whether a template was given this number. */
  wasGiven(id: bigint): boolean {
    return id >= this.#options.firstTemplateId && id < this.#nextId
  }

  /** Makes a template for all clients, from an answer after this many steps of leaving transactions out. */
  add(node: NodeTemplate, steps: number): Template {
    const template = this.#make(node, steps)
    this.#templates.set(template.id, template)
    if (this.#templates.size > MAX_TEMPLATES) this.#templates.delete(this.#templates.keys().next().value!)
    return template
  }

  /** As `add`, for one client that has changed its constraints. */
  addOwn(node: NodeTemplate, steps: number, owner: Owner): Template {
    const template = this.#make(node, steps)
    this.own.add(owner, template)
    return template
  }

  /** Makes the templates of an answer that is not retained those of another answer. */
  move(from: NodeTemplate, to: NodeTemplate): void {
    for (const template of this.#templates.values()) if (template.node === from) template.node = to
    for (const template of this.own) if (template.node === from) template.node = to
  }

  /** Drops the templates of an answer. */
  forget(node: NodeTemplate | undefined): void {
    for (const [id, template] of this.#templates) if (template.node === node) this.#templates.delete(id)
    this.own.forget((template) => template.node === node)
  }

  /** Makes an answer of the node the current one. */
  retain(node: NodeTemplate): void {
    const retained = this.#retained
    const { maxRetained, maxRetainedBytes } = this.#options
    retained.push({ node, bySteps: new Map() })
    let bytes = retained.reduce((sum, { node: { size } }) => sum + size, 0)
    while (retained.length > 1 && (retained.length > maxRetained || bytes > maxRetainedBytes)) {
      const dropped = retained.shift()!.node
      bytes -= dropped.size
      this.forget(dropped)
    }
  }

  #make(node: NodeTemplate, steps: number): Template {
    return new Template(this.#nextId++, node, node.work(steps))
  }

  /** Lets the current answer share equal transactions with the answer before. */
  share(): void {
    const node = this.current?.node
    if (node === undefined || node === this.#lastShared || node.transactionCount === 0) return
    this.#lastShared = node
    const known = this.#shared
    this.#shared = new Map()
    // In place: each replacement equals the transaction that it replaces, so nobody sees a difference.
    const transactions = node.source.transactions as Array<TemplateTransaction>
    for (let i = 0; i < transactions.length; i++) {
      const transaction = transactions[i]!
      const before = known.get(transaction.hash)
      const shared = before === undefined ? transaction : sharing(transaction, before)
      this.#shared.set(shared.hash, shared)
      transactions[i] = shared
    }
  }
}

/** Positions of parents differ from one answer to the next; the rest is the same. */
const sharing = (transaction: TemplateTransaction, before: TemplateTransaction): TemplateTransaction => {
  const { data, depends, fee, sigops, txid, weight } = transaction
  if (before.data !== data || before.txid !== txid) return transaction
  const isWhole = depends.length === 0 && before.depends.length === 0 && before.fee === fee
  if (isWhole && before.sigops === sigops && before.weight === weight) return before
  return { data: before.data, txid: before.txid, hash: before.hash, depends, fee, sigops, weight }
}

/**
 * An answer has some dozens of templates, and each block ahead as many. A client holds templates that are a few answers old at
 * most, so no client holds the oldest of this many.
 */
const MAX_TEMPLATES = 10_000
