/**
 * What is known of one template provider's templates: the SetNewPrevHash in force, the template that it names, the newest
 * template since, and the future templates (specification, section 7.3). A new listener begins with `replay`.
 *
 * `add` takes the messages of a provider and checks them. `follow` takes the messages of a `TemplateSource`, which are
 * checked already: for anyone who reads a source and has to begin new listeners of its own.
 */
import { pushedHeight } from "@sluice/bitcoin"
import { TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import { TemplateProtocolError } from "../protocol-error.ts"
import type { TemplateMessage } from "./template-source.ts"

/** A message, and when it came. */
export interface ReceivedMessage<Message extends TemplateMessage = TemplateMessage> {
  readonly message: Message
  /** Milliseconds. For a SetNewPrevHash that repeats the tip in force: when that tip first came. */
  readonly at: number
}

export class TemplateState {
  /** Templates that no SetNewPrevHash has named yet, in the order in which they came. */
  #future = new Map<bigint, Received<TemplateDistribution.NewTemplate>>()
  #prevHash: ReceivedMessage<TemplateDistribution.SetNewPrevHash> | undefined
  #named: ReceivedMessage<TemplateDistribution.NewTemplate> | undefined
  #newest: Received<TemplateDistribution.NewTemplate> | undefined
  #lastId = -1n
  #count = 0

  /** The height of the block to be found; `undefined` before the first SetNewPrevHash. */
  get height(): number | undefined {
    return this.#named === undefined ? undefined : pushedHeight(this.#named.message.coinbasePrefix)
  }

  /** When the tip in force came, in milliseconds; `undefined` before the first SetNewPrevHash. */
  get prevHashAt(): number | undefined {
    return this.#prevHash?.at
  }

  /**
   * Takes a provider's next messages and gives the messages to pass on: in most cases the same, without a SetNewPrevHash that
   * repeats the one in force. Where a SetNewPrevHash names a template that is in force already, or a future template that
   * miners may have forgotten, that template comes once more in front of it, as a future one. Fails, and changes nothing, if
   * the provider may not send one of the messages now.
   */
  add(messages: ReadonlyArray<TemplateMessage>, now: number): Checked {
    const before = this.#copy()
    const passed: Array<TemplateMessage> = []
    for (const message of messages) {
      const checked = message._tag === "NewTemplate" ? this.#checkTemplate(message) : this.#checkPrevHash(message)
      if (Result.isFailure(checked)) {
        this.#restore(before)
        return checked
      }
      for (const each of checked.success) this.follow(each, now)
      passed.push(...checked.success)
    }
    return Result.succeed(passed)
  }

  /**
   * Takes the next message of a `TemplateSource`. Template numbers may begin anew, as they do when the source goes on with
   * another provider.
   */
  follow(message: TemplateMessage, now: number): void {
    if (message._tag === "SetNewPrevHash") {
      const before = this.#prevHash
      const isRepeated = before !== undefined && isSameBlock(before.message, message)
      this.#prevHash = { message, at: isRepeated ? before.at : now }
      this.#named = this.#future.get(message.templateId)
      this.#newest = undefined
      // The others were for the same tip.
      this.#future.clear()
      return
    }
    const received = { message, at: now, number: this.#count++ }
    if (!message.futureTemplate) {
      this.#newest = received
      return
    }
    this.#future.delete(message.templateId)
    this.#future.set(message.templateId, received)
    if (this.#future.size > MAX_FUTURE_TEMPLATES) this.#future.delete(this.#future.keys().next().value!)
  }

  /** The fewest messages that lead to this state, in an order in which a provider may send them. */
  replay(): ReadonlyArray<ReceivedMessage> {
    const tip = this.#prevHash === undefined || this.#named === undefined ? [] : [this.#named, this.#prevHash]
    const newest = this.#newest === undefined ? [] : [this.#newest]
    const since = [...newest, ...this.#future.values()].toSorted((a, b) => a.number - b.number)
    return [...tip, ...since.map(({ at, message }) => ({ message, at }))]
  }

  #copy(): Parts {
    const [prevHash, named, newest, lastId] = [this.#prevHash, this.#named, this.#newest, this.#lastId]
    return { future: new Map(this.#future), prevHash, named, newest, lastId }
  }

  #restore({ future, lastId, named, newest, prevHash }: Parts): void {
    this.#future = future
    this.#prevHash = prevHash
    this.#named = named
    this.#newest = newest
    this.#lastId = lastId
  }

  #checkTemplate(message: TemplateDistribution.NewTemplate): Checked {
    const { futureTemplate, templateId } = message
    if (templateId <= this.#lastId) {
      return refuse("7.2", `a template with a number above ${this.#lastId}`, `number ${templateId}`)
    }
    if (!futureTemplate && this.#prevHash === undefined) {
      return refuse("7.2", "a future template and SetNewPrevHash first", `template ${templateId} to work on at once`)
    }
    this.#lastId = templateId
    return Result.succeed([message])
  }

  #checkPrevHash(message: TemplateDistribution.SetNewPrevHash): Checked {
    const { templateId } = message
    const future = this.#future.get(templateId)
    if (future !== undefined) {
      const isRemembered = [...this.#future.keys()].slice(-KEPT_BY_MINERS).includes(templateId)
      return Result.succeed(isRemembered ? [message] : [future.message, message])
    }
    // Section 7.3 asks for a template that was sent before; it does not forbid one that a SetNewPrevHash has named already.
    const inForce = [this.#newest, this.#named].find((template) => template?.message.templateId === templateId)
    if (inForce === undefined) {
      return refuse(
        "7.3",
        `SetNewPrevHash to name a template in force, or a future template among the last ${MAX_FUTURE_TEMPLATES}`,
        `template ${templateId}`
      )
    }
    if (this.#prevHash !== undefined && isSameTip(this.#prevHash.message, message)) return Result.succeed([])
    return Result.succeed([{ ...inForce.message, futureTemplate: true }, message])
  }
}

type Checked = Result.Result<ReadonlyArray<TemplateMessage>, TemplateProtocolError>

interface Parts {
  readonly future: Map<bigint, Received<TemplateDistribution.NewTemplate>>
  readonly prevHash: ReceivedMessage<TemplateDistribution.SetNewPrevHash> | undefined
  readonly named: ReceivedMessage<TemplateDistribution.NewTemplate> | undefined
  readonly newest: Received<TemplateDistribution.NewTemplate> | undefined
  readonly lastId: bigint
}

interface Received<Message extends TemplateMessage> extends ReceivedMessage<Message> {
  /** Its place in the order of arrival. */
  readonly number: number
}

const refuse = (section: string, expected: string, actual: string): Checked =>
  Result.fail(new TemplateProtocolError({ section, expected, actual }))

const { MAX_FUTURE_TEMPLATES } = TemplateDistribution
/** Future jobs that every miner keeps: Bitaxe's firmware keeps 8, core's device 16. */
const KEPT_BY_MINERS = 8

/** Jobs for the same block: shares for the jobs before stay good. */
const isSameBlock = (a: TemplateDistribution.SetNewPrevHash, b: TemplateDistribution.SetNewPrevHash): boolean =>
  a.nbits === b.nbits && Buffer.compare(a.prevHash, b.prevHash) === 0

/** `header_timestamp` only says where to start (7.3): another one changes no work and makes no job stale. */
const isSameTip = (a: TemplateDistribution.SetNewPrevHash, b: TemplateDistribution.SetNewPrevHash): boolean =>
  isSameBlock(a, b) && Buffer.compare(a.target, b.target) === 0
