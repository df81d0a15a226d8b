/**
 * What a client of a template provider knows: the SetNewPrevHash in force, the template that it names and the newest one
 * since, and the templates for a tip to come (specification, section 7.3). From it a late subscriber gets what it needs.
 */
import { pushedHeight } from "@sluice/bitcoin"
import { TemplateDistribution } from "@sluice/protocol"
import { TemplateProtocolError } from "./protocol-error.ts"
import type { TemplateMessage } from "./template-source.ts"

export class KnownTemplates {
  /** Templates that no SetNewPrevHash has named yet, oldest first. */
  readonly #future = new Map<bigint, TemplateDistribution.NewTemplate>()
  #prevHash: TemplateDistribution.SetNewPrevHash | undefined
  #named: TemplateDistribution.NewTemplate | undefined
  #newest: TemplateDistribution.NewTemplate | undefined
  #lastId = -1n

  /** Of the block to be found; `undefined` before the first SetNewPrevHash. */
  get height(): number | undefined {
    return this.#named === undefined ? undefined : pushedHeight(this.#named.coinbasePrefix)
  }

  /**
   * Takes the next message and gives what follows from it: the message itself in most cases, and nothing for a SetNewPrevHash
   * that repeats the one in force. Where a SetNewPrevHash names a template that is in force or that miners may have forgotten,
   * the template comes once more before it, as a future one. Throws `TemplateProtocolError` for what the provider may not
   * send here.
   */
  add(message: TemplateMessage): ReadonlyArray<TemplateMessage> {
    if (message._tag === "SetNewPrevHash") return this.#setPrevHash(message)
    const { templateId } = message
    if (templateId <= this.#lastId) {
      const expected = `a template with a number above ${this.#lastId}`
      throw new TemplateProtocolError({ section: "7.2", expected, actual: `number ${templateId}` })
    }
    this.#lastId = templateId
    if (message.futureTemplate) {
      this.#future.set(templateId, message)
      if (this.#future.size > MAX_FUTURE_TEMPLATES) this.#future.delete(this.#future.keys().next().value!)
    } else if (this.#prevHash === undefined) {
      const expected = "a future template and SetNewPrevHash first"
      throw new TemplateProtocolError({ section: "7.2", expected, actual: `template ${templateId} to work on at once` })
    } else {
      this.#newest = message
    }
    return [message]
  }

  /** The shortest messages that lead to this state, in an order in which a provider may send them. */
  replay(): ReadonlyArray<TemplateMessage> {
    const tip = this.#prevHash === undefined || this.#named === undefined ? [] : [this.#named, this.#prevHash]
    const newest = this.#newest === undefined ? [] : [this.#newest]
    const future = [...this.#future.values()]
    return [...tip, ...[...newest, ...future].toSorted((a, b) => (a.templateId < b.templateId ? -1 : 1))]
  }

  #setPrevHash(message: TemplateDistribution.SetNewPrevHash): ReadonlyArray<TemplateMessage> {
    const { templateId } = message
    const future = this.#future.get(templateId)
    if (future !== undefined) {
      const isRemembered = [...this.#future.keys()].slice(-KEPT_BY_MINERS).includes(templateId)
      this.#begin(message, future)
      return isRemembered ? [message] : [future, message]
    }
    // Section 7.3 asks for a template that was sent before, and not that no SetNewPrevHash has named it.
    const inForce = [this.#newest, this.#named].find((template) => template?.templateId === templateId)
    if (inForce === undefined) {
      const expected = `SetNewPrevHash to name a template in force, or a future template among the last ${MAX_FUTURE_TEMPLATES}`
      throw new TemplateProtocolError({ section: "7.3", expected, actual: `template ${templateId}` })
    }
    if (this.#prevHash !== undefined && isSameTip(this.#prevHash, message)) return []
    const again = { ...inForce, futureTemplate: true }
    this.#begin(message, again)
    return [again, message]
  }

  #begin(prevHash: TemplateDistribution.SetNewPrevHash, named: TemplateDistribution.NewTemplate): void {
    this.#prevHash = prevHash
    this.#named = named
    this.#newest = undefined
    // The other ones were for the same tip.
    this.#future.clear()
  }
}

const { MAX_FUTURE_TEMPLATES } = TemplateDistribution
/** Jobs for the next block that every miner keeps: Bitaxe's firmware 8, core's device 16. */
const KEPT_BY_MINERS = 8

/** `header_timestamp` is only where to start (7.3): another one makes no other work, and no job stale. */
const isSameTip = (a: TemplateDistribution.SetNewPrevHash, b: TemplateDistribution.SetNewPrevHash): boolean =>
  a.nbits === b.nbits && Buffer.compare(a.prevHash, b.prevHash) === 0 && Buffer.compare(a.target, b.target) === 0
