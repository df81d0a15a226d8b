/**
 * What a client of a template provider knows: the SetNewPrevHash in force, the template that it names and the newest one
 * since, and the templates for a tip to come (specification, section 7.3). From it a late subscriber gets what it needs.
 */
import type { TemplateDistribution } from "@sluice/protocol"
import { TemplateProtocolError } from "./protocol-error.ts"
import type { TemplateMessage } from "./template-source.ts"

export class KnownTemplates {
  /** Templates that no SetNewPrevHash has named yet, oldest first. */
  readonly #future = new Map<bigint, TemplateDistribution.NewTemplate>()
  #prevHash: TemplateDistribution.SetNewPrevHash | undefined
  #named: TemplateDistribution.NewTemplate | undefined
  #newest: TemplateDistribution.NewTemplate | undefined
  #lastId = -1n

  /** Takes the next message. Throws `TemplateProtocolError` for one that the provider may not send here. */
  add(message: TemplateMessage): void {
    if (message._tag === "SetNewPrevHash") return this.#setPrevHash(message)
    const { templateId } = message
    if (templateId <= this.#lastId) {
      const expected = `a template with a number above ${this.#lastId}`
      throw new TemplateProtocolError({ section: "7.2", expected, actual: `number ${templateId}` })
    }
    this.#lastId = templateId
    if (message.futureTemplate) {
      this.#future.set(templateId, message)
      if (this.#future.size > MAX_FUTURE) this.#future.delete(this.#future.keys().next().value!)
    } else if (this.#prevHash === undefined) {
      const expected = "a future template and SetNewPrevHash first"
      throw new TemplateProtocolError({ section: "7.2", expected, actual: `template ${templateId} to work on at once` })
    } else {
      this.#newest = message
    }
  }

  /** The shortest messages that lead to this state, in an order in which a provider may send them. */
  replay(): ReadonlyArray<TemplateMessage> {
    const tip = this.#prevHash === undefined || this.#named === undefined ? [] : [this.#named, this.#prevHash]
    const newest = this.#newest === undefined ? [] : [this.#newest]
    const future = [...this.#future.values()]
    return [...tip, ...[...newest, ...future].toSorted((a, b) => (a.templateId < b.templateId ? -1 : 1))]
  }

  #setPrevHash(message: TemplateDistribution.SetNewPrevHash): void {
    const { templateId } = message
    const named = this.#future.get(templateId)
    if (named === undefined) {
      const expected = "SetNewPrevHash to name a future template"
      throw new TemplateProtocolError({ section: "7.3", expected, actual: `template ${templateId}` })
    }
    this.#prevHash = message
    this.#named = named
    this.#newest = undefined
    // The other ones were for the same tip.
    this.#future.clear()
  }
}

/** A provider needs one or a few; more are its mistake, and the oldest go. */
const MAX_FUTURE = 64
