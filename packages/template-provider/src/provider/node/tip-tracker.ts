/**
 * Follows a node's tip: a pure machine that takes what the node announces and answers, with the time, and gives the actions
 * that follow. node-watch.ts carries them out.
 *
 * An announced block becomes SetNewPrevHash from its header alone. The header comes from `getblockheader`, one short call, or
 * from the topic `rawblock`, which needs no call, whichever is there first. If the last raw block came first, the call is made
 * only when the raw block does not come at once: the node takes longer to answer a call than to send another message.
 */
import { bitsHex, hashToDisplay, parseHeader } from "@sluice/bitcoin"
import type { BlockTemplate, NodeNotification } from "@sluice/node"
import { Result } from "effect"
import type { NextBlockHeader } from "../templates/next-block.ts"
import type { Answered, Change, TemplateMachine } from "../templates/template-machine.ts"
import { RecentTimes } from "./recent-times.ts"

/** Something to do; hashes in display order, `at` in nanoseconds. */
export type TipAction<Client> =
  /** Ask the node for a template at once. */
  | { readonly _tag: "Ask" }
  /** Send the clients what the machine made; `announcedAt` is there if the block was announced. */
  | { readonly _tag: "Deliver"; readonly answered: Answered<Client>; readonly announcedAt: bigint | undefined }
  /** Get this block's header, unless `needsHeader` says by then that there is no need. */
  | { readonly _tag: "GetHeader"; readonly hash: string; readonly at: bigint }
  /** A tip came without an announcement: call `onAnnouncementDue` after `LATE_MS`. */
  | { readonly _tag: "ExpectAnnouncement"; readonly hash: string }
  /** Tell the operator that no announcement came for this block. */
  | { readonly _tag: "WarnUnannounced"; readonly hash: string }
  /** Tell the operator that no work can be made behind this header. */
  | { readonly _tag: "WarnHeader"; readonly method: "getblockheader" | "rawblock"; readonly detail: string }

/** A block that the node has announced. */
interface Announced {
  readonly hash: string
  readonly at: bigint
}

export class TipTracker<Client> {
  readonly #machine: TemplateMachine<Client>
  readonly #recent = new RecentTimes()
  /** A block that was announced and that no answer builds on yet. */
  #announced: Announced | undefined
  #isHeard = false
  #answeredAt: number | undefined
  #longPollId: string | undefined
  /** Whether the node publishes whole blocks, which begin with their header. */
  #hasRawBlocks = false
  /** Whether the raw block brought the last header that was needed before the node had answered a call for it. */
  #isRawFirst = false
  /** Whether blocks were taken back, or the node was away, since the last tip: the next tip may be an older, unannounced block. */
  #hasMovedBack = false
  /** Whether the operator knows of a missing announcement since the last announcement. */
  #hasWarned = false
  /** Answers in a row that do not build on the announced block. */
  #tries = 0

  constructor(machine: TemplateMachine<Client>) {
    this.#machine = machine
  }

  /** Whether the node's announcements arrive. If so, long polls would only delay other calls. */
  get isHeard(): boolean {
    return this.#isHeard
  }

  /** Whether no announced block waits for the node's template. */
  get isQuiet(): boolean {
    return this.#announced === undefined
  }

  /** Milliseconds, when the node last answered with a template. */
  get answeredAt(): number | undefined {
    return this.#answeredAt
  }

  /** Of the last answer; undefined if the node does not know long polls, or has not answered. */
  get longPollId(): string | undefined {
    return this.#longPollId
  }

  /** How long to wait for the raw block before the node is asked for a header. */
  get headerDelayMs(): number {
    return this.#isRawFirst ? RAW_BLOCK_MS : 0
  }

  /** The node published something. `at` and `now` are the same moment, in nanoseconds and milliseconds. */
  onNotification(notification: NodeNotification, at: bigint, now: number): Actions<Client> {
    switch (notification._tag) {
      // The node connects several blocks before it announces the last one as its tip. While it is far behind, it only
      // connects blocks.
      case "BlockConnected":
        if (!this.#machine.isReady) return []
        this.#hear()
        return this.onBlock(hashToDisplay(notification.hash), at)
      case "NewBlock": {
        this.#hear()
        const hash = hashToDisplay(notification.hash)
        const { header } = notification
        if (header === undefined) return this.onBlock(hash, at)
        const { actions, isDone } = this.#onRawHeader(hash, header, at, now)
        return isDone ? actions : [...actions, ...this.onBlock(hash, at)]
      }
      case "Disconnected":
      case "Missed":
        this.#isHeard = false
        return [ASK]
      // The node may have started again so quickly that no call failed.
      case "Connected":
        this.#machine.onAway()
        this.#hasMovedBack = true
        return [ASK]
      case "BlockDisconnected":
        this.#hasMovedBack = true
        return [ASK]
      case "TransactionAdded":
      case "TransactionRemoved":
        return []
    }
  }

  /** A block is the node's tip, or may be. */
  onBlock(hash: string, at: bigint): Actions<Client> {
    if (this.#tip === hash || this.#announced?.hash === hash) return []
    this.#announced = { hash, at }
    return this.#machine.isReady ? [{ _tag: "GetHeader", hash, at }] : [ASK]
  }

  /** Whether the node should still be asked for this header: not if a template or a raw block came meanwhile. */
  needsHeader(hash: string): boolean {
    if (this.#tip === hash) return false
    this.#isRawFirst = false
    return true
  }

  /** The node's answer for a header that was needed; undefined if it gave none in time. */
  onHeader({ at, hash }: Announced, header: AnsweredHeader | undefined, now: number): Actions<Client> {
    // The raw block may have come meanwhile. Then the node is asked for a template already.
    if (this.#tip === hash) return []
    if (header === undefined) return [ASK]
    const actions = Result.match(this.#tryHeader(header, now), {
      onFailure: (detail): Actions<Client> => [{ _tag: "WarnHeader", method: "getblockheader", detail }],
      onSuccess: (answered): Actions<Client> => [{ _tag: "Deliver", answered, announcedAt: at }]
    })
    const { previousblockhash, time } = header
    if (previousblockhash !== undefined && previousblockhash === this.#recent.tip) {
      this.#recent.extend(previousblockhash, hash, [time])
    }
    return [...actions, ASK]
  }

  /** The node's answer to `getblocktemplate`, with the machine's number of the request. Fails if no template can be made of it. */
  onAnswer(source: BlockTemplate, request: number, now: number): Result.Result<OnAnswer<Client>, string> {
    const isFirst = this.#machine.current === undefined
    return Result.map(
      attempt(() => this.#machine.onAnswer(source, request, now)),
      (answered) => {
        const { change } = answered
        const hash = source.previousblockhash
        const announcedAt = this.#announced?.hash === hash ? this.#announced.at : undefined
        const isUnannounced = change === "tip" && announcedAt === undefined
        const isExpected = isUnannounced && !isFirst && !this.#hasMovedBack
        this.#answeredAt = now
        this.#longPollId = source.longpollid
        if (isUnannounced) this.#isHeard = false
        if (change === "tip") this.#hasMovedBack = false
        if (change === "tip" || announcedAt !== undefined) this.#announced = undefined
        const actions: Array<TipAction<Client>> = []
        if (change === "outdated") actions.push(ASK)
        if (isExpected) actions.push({ _tag: "ExpectAnnouncement", hash })
        actions.push({ _tag: "Deliver", answered, announcedAt })
        return { change, actions }
      }
    )
  }

  /** Whether to ask again soon, because the node does not build on what it has announced. Called once after each poll. */
  isBehind(change: Change): boolean {
    // A node may announce a block a moment before it builds on it.
    this.#tries = this.#announced === undefined ? 0 : this.#tries + 1
    if (this.#tries > MAX_CATCH_UP_TRIES) this.#announced = undefined
    return this.#announced !== undefined || change === "behind"
  }

  /** A call for a template failed. */
  onAway(): void {
    this.#machine.onAway()
  }

  /** The announcement of a tip that came without one is not just late. `isConnected` is whether all publishers are connected. */
  onAnnouncementDue(hash: string, isConnected: boolean): Actions<Client> {
    // A node that has just started again: the connection comes back by itself, some seconds later.
    if (this.#isHeard || this.#hasWarned || !isConnected) return []
    this.#hasWarned = true
    return [{ _tag: "WarnUnannounced", hash }]
  }

  /** The block whose predecessors' times are needed, so that the next raw block's header tells the median time past. */
  get lookBackFrom(): string | undefined {
    const tip = this.#tip
    return this.#hasRawBlocks && this.#machine.isReady && tip !== this.#recent.tip ? tip : undefined
  }

  /** The times of the blocks up to `tip`, in seconds, as many as `RecentTimes.span`. */
  onTimes(tip: string, times: ReadonlyArray<number>): void {
    this.#recent.extend(undefined, tip, times)
  }

  /** The block that templates build on. */
  get #tip(): string | undefined {
    return this.#machine.current?.source.previousblockhash
  }

  #hear(): void {
    this.#isHeard = true
    this.#hasWarned = false
  }

  /** Uses an announced header itself, if the times of the blocks before are known. Done if that is all that was needed. */
  #onRawHeader(
    hash: string,
    bytes: Uint8Array,
    at: bigint,
    now: number
  ): { actions: Actions<Client>; isDone: boolean } {
    this.#hasRawBlocks = true
    const { bits, previousHash, time } = parseHeader(bytes)
    const previousblockhash = hashToDisplay(previousHash)
    const mediantime = this.#recent.medianBehind(previousblockhash, time)
    const height = this.#machine.current?.height
    if (mediantime === undefined || height === undefined || !this.#machine.isReady)
      return { actions: [], isDone: false }
    const header = { hash, previousblockhash, height, bits: bitsHex(bits), mediantime, confirmations: 1 }
    const tried = this.#tryHeader(header, now)
    if (Result.isFailure(tried)) {
      return { actions: [{ _tag: "WarnHeader", method: "rawblock", detail: tried.failure }], isDone: false }
    }
    const answered = tried.success
    if (answered.change !== "tip") return { actions: [], isDone: false }
    this.#recent.extend(previousblockhash, hash, [time])
    this.#isRawFirst = true
    const announced = this.#announced?.hash === hash ? this.#announced : { hash, at }
    this.#announced = announced
    return { actions: [{ _tag: "Deliver", answered, announcedAt: announced.at }, ASK], isDone: true }
  }

  #tryHeader(header: NextBlockHeader, now: number): Result.Result<Answered<Client>, string> {
    return attempt(() => this.#machine.onHeader(header, now))
  }
}

type Actions<Client> = ReadonlyArray<TipAction<Client>>

/** What the node answers of a header. */
export interface AnsweredHeader extends NextBlockHeader {
  /** The block's own time, in seconds. */
  readonly time: number
}

/** What an answer of the node changed. */
export interface OnAnswer<Client> {
  readonly change: Change
  readonly actions: Actions<Client>
}

/** The machine throws for an answer that has the right form but that no template can be made of. */
const attempt = <A>(decide: () => A): Result.Result<A, string> =>
  Result.try({ try: decide, catch: (error) => (error instanceof Error ? error.message : String(error)) })

const ASK = { _tag: "Ask" } as const
/** How late an announcement may be. */
export const LATE_MS = 5_000
/** From the first message of a block to its raw block, where that comes sooner than the answer to a call. */
const RAW_BLOCK_MS = 2
const MAX_CATCH_UP_TRIES = 8
