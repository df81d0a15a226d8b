/** One open channel over a V1 pool: its place in extranonce2, its target, and its shares that wait for the pool's answer. */
import type { ExtranonceLease } from "@sluice/channels"
import { Target } from "@sluice/core"
import type { Mining } from "@sluice/protocol"

export interface PoolChannelFields {
  readonly channelId: number
  readonly kind: "standard" | "extended"
  /** The name that the pool authorized. */
  readonly worker: string
  /** The channel's part of extranonce2: its prefix, and how many bytes the client rolls. */
  readonly lease: ExtranonceLease
  readonly nominalHashRate: number
  readonly maxTarget: Uint8Array
}

/** A share on its way to the pool and back. */
export interface SubmittedShare {
  readonly sequenceNumber: number
  readonly difficulty: number
  verdict: "waits" | "accepted" | "refused"
}

/** The most that one acknowledgement can credit (U64). */
const MAX_SUM = 2n ** 64n - 1n

export class PoolChannel {
  readonly channelId: number
  readonly kind: "standard" | "extended"
  readonly worker: string
  readonly lease: ExtranonceLease
  nominalHashRate: number
  maxTarget: Uint8Array
  /** The target that the client was told last. */
  target: Uint8Array
  /** The first job that the channel got. */
  readonly firstJobId: number
  /** The previous hash, by its number, that the last share was submitted on. */
  usedIn: number | undefined = undefined
  /** Oldest first. */
  readonly #shares: Array<SubmittedShare> = []
  #accepted = 0
  #lastAccepted = 0
  /** Difficulty that was accepted and not acknowledged; less than 1 stays for the next acknowledgement. */
  #difficulty = 0

  constructor(fields: PoolChannelFields, target: Uint8Array, firstJobId: number) {
    this.channelId = fields.channelId
    this.kind = fields.kind
    this.worker = fields.worker
    this.lease = fields.lease
    this.nominalHashRate = fields.nominalHashRate
    this.maxTarget = fields.maxTarget
    this.target = easier(target, this.maxTarget) ? this.maxTarget : target
    this.firstJobId = firstJobId
  }

  /** Adopts the pool's target within the client's maximum. Returns whether the client must be told. */
  retarget(poolTarget: Uint8Array): boolean {
    const target = easier(poolTarget, this.maxTarget) ? this.maxTarget : poolTarget
    if (Target.compareU256(target, 0, this.target, 0) === 0) return false
    this.target = target
    return true
  }

  submitted(sequenceNumber: number, difficulty: number): SubmittedShare {
    const share: SubmittedShare = { sequenceNumber, difficulty, verdict: "waits" }
    this.#shares.push(share)
    return share
  }

  /**
   * Acknowledges the accepted shares before which no share waits for its verdict: an acknowledgement covers all shares up to
   * its sequence number that were not refused (5.3.13).
   */
  takeAcknowledgement(): Mining.SubmitSharesSuccess | undefined {
    let settled = 0
    for (const { difficulty, sequenceNumber, verdict } of this.#shares) {
      if (verdict === "waits") break
      settled++
      if (verdict === "refused") continue
      this.#accepted++
      this.#lastAccepted = sequenceNumber
      this.#difficulty += difficulty
    }
    this.#shares.splice(0, settled)
    if (this.#accepted === 0) return undefined
    const whole = Math.floor(this.#difficulty)
    const sum = BigInt(whole)
    const message: Mining.SubmitSharesSuccess = {
      _tag: "SubmitShares.Success",
      channelId: this.channelId,
      lastSequenceNumber: this.#lastAccepted,
      newSubmitsAcceptedCount: this.#accepted,
      newSharesSum: sum > MAX_SUM ? MAX_SUM : sum
    }
    this.#accepted = 0
    this.#difficulty -= whole
    return message
  }
}

const easier = (target: Uint8Array, than: Uint8Array): boolean => Target.compareU256(target, 0, than, 0) > 0
