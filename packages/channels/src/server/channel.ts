/** One open channel, as the server has it: who it is, what it must meet, what it did. */
import { targetToDifficulty } from "@sluice/core"
import type { Mining } from "@sluice/protocol"
import type { ExtranonceLease } from "../extranonce.ts"
import { HashRateMeter, hashRateToTarget, MAX_TARGET, u256FromBytes, u256ToBytes } from "../hash-rate.ts"
import type { ChannelInfo } from "./event.ts"
import type { Jobs } from "./jobs.ts"
import { MerkleRoots } from "./merkle-roots.ts"
import type { ChannelPolicy } from "./policy.ts"
import { ShareSet } from "./share-set.ts"
import { Vardiff } from "./vardiff.ts"

/** A target and since when it holds: for jobs that become active after `since` others did (5.3.21). */
export interface TargetPeriod {
  readonly since: number
  /** 32 bytes, little-endian. */
  readonly target: Uint8Array
  readonly difficulty: number
}

/** Counts since the channel was opened, for people and for metrics. */
export interface ChannelStats {
  readonly channel: ChannelInfo
  readonly openedAt: number
  readonly accepted: number
  /** Sum of the difficulties of accepted shares. */
  readonly acceptedDifficulty: number
  /** Refused shares by error code. */
  readonly refused: Readonly<Record<string, number>>
  readonly blocks: number
  /** Difficulty of the best hash so far; 0 before the first share. */
  readonly bestDifficulty: number
  /** Of the target sent last. */
  readonly difficulty: number
  /** Estimate from accepted work, in hashes a second. */
  readonly hashRate: number
}

export class Channel {
  readonly info: ChannelInfo
  readonly lease: ExtranonceLease
  /** The first job id that was sent on it: ids before it never existed here. */
  firstJobId: number
  /** What the client can bear (`max_target`). */
  maxTarget: bigint
  nominalHashRate: number
  readonly vardiff: Vardiff
  readonly shares = new ShareSet()
  /** Of a standard channel's jobs. */
  readonly roots = new MerkleRoots()
  blocks = 0
  /** Accepted and not acknowledged yet. */
  #pendingCount = 0
  #pendingDifficulty = 0
  #lastSequenceNumber = 0
  #bestDifficulty = 0
  #accepted = 0
  #acceptedDifficulty = 0
  readonly #refused: Record<string, number> = {}
  readonly #meter: HashRateMeter
  readonly #openedAt: number
  readonly #policy: ChannelPolicy
  #epoch: number
  /** The previous hash in force when it was opened, and the min_ntime that it was told with it. */
  readonly #firstEpoch: number
  readonly #firstNtime: number
  /** Of the network, when the target was chosen last. */
  #nbits: number | undefined
  /** Oldest first; the last one is the target sent last. */
  readonly #targets: Array<TargetPeriod>

  constructor(
    info: ChannelInfo,
    lease: ExtranonceLease,
    client: { readonly nominalHashRate: number; readonly maxTarget: bigint },
    jobs: Jobs,
    policy: ChannelPolicy,
    now: number
  ) {
    this.info = info
    this.lease = lease
    this.firstJobId = jobs.nextId
    this.maxTarget = client.maxTarget
    this.nominalHashRate = client.nominalHashRate
    this.vardiff = new Vardiff(client.nominalHashRate, policy.minHashRate, now)
    this.#policy = policy
    this.#meter = new HashRateMeter(now)
    this.#openedAt = now
    this.#epoch = jobs.epoch
    this.#firstEpoch = jobs.epoch
    this.#firstNtime = jobs.ntimeNow(now)
    this.#targets = [targetPeriod(-1, this.#wantedTarget(jobs))]
  }

  /** The target sent last. */
  get current(): TargetPeriod {
    return this.#targets.at(-1)!
  }

  /** The target for a job that became active as number `activation`. */
  targetOf(activation: number): TargetPeriod {
    let index = this.#targets.length - 1
    while (index > 0 && this.#targets[index]!.since >= activation) index--
    return this.#targets[index]!
  }

  /** Whether the network's difficulty has changed since the target was chosen. */
  isOutdated(jobs: Jobs): boolean {
    return this.#nbits !== jobs.prevHash?.nbits
  }

  /** Takes the target that the hash rate asks for. `undefined` if it is the one in force already. */
  retarget(jobs: Jobs): TargetPeriod | undefined {
    const target = this.#wantedTarget(jobs)
    if (Buffer.compare(target, this.current.target) === 0) return undefined
    const period = targetPeriod(jobs.activations, target)
    // No job became active since the last change: that target never held for one.
    if (this.current.since === period.since) this.#targets.pop()
    const oldest = jobs.oldestActivation()
    while (this.#targets.length > 1 && this.#targets[1]!.since < oldest) this.#targets.shift()
    this.#targets.push(period)
    return period
  }

  /** The least ntime of a share: the min_ntime of the SetNewPrevHash that the channel got (5.3.11, 5.3.17). */
  minNtime(jobs: Jobs): number {
    return jobs.epoch === this.#firstEpoch ? this.#firstNtime : (jobs.prevHash?.ntime ?? 0)
  }

  /** Makes the set of known shares that of the previous hash in force. */
  sharesFor(epoch: number): ShareSet {
    if (this.#epoch !== epoch) {
      this.#epoch = epoch
      this.shares.clear()
    }
    return this.shares
  }

  accept(sequenceNumber: number, difficulty: number, hashDifficulty: number, now: number): void {
    this.#pendingCount++
    this.#pendingDifficulty += difficulty
    this.#lastSequenceNumber = sequenceNumber
    this.#accepted++
    this.#acceptedDifficulty += difficulty
    if (hashDifficulty > this.#bestDifficulty) this.#bestDifficulty = hashDifficulty
    this.#meter.add(difficulty, now)
    this.vardiff.record(difficulty)
  }

  /** How many shares were accepted since the last acknowledgement. */
  get pendingCount(): number {
    return this.#pendingCount
  }

  /**
   * Acknowledges what was accepted since the last time, if anything was (5.3.13): the last sequence number, how many, and
   * the sum of their difficulties rounded to a whole number.
   */
  takeAcknowledgement(): Mining.SubmitSharesSuccess | undefined {
    if (this.#pendingCount === 0) return undefined
    const message: Mining.SubmitSharesSuccess = {
      _tag: "SubmitShares.Success",
      channelId: this.info.channelId,
      lastSequenceNumber: this.#lastSequenceNumber,
      newSubmitsAcceptedCount: this.#pendingCount,
      newSharesSum: BigInt(Math.round(this.#pendingDifficulty))
    }
    this.#pendingCount = 0
    this.#pendingDifficulty = 0
    return message
  }

  refuse(errorCode: string): void {
    this.#refused[errorCode] = (this.#refused[errorCode] ?? 0) + 1
  }

  stats(now: number): ChannelStats {
    return {
      channel: this.info,
      openedAt: this.#openedAt,
      accepted: this.#accepted,
      acceptedDifficulty: this.#acceptedDifficulty,
      refused: { ...this.#refused },
      blocks: this.blocks,
      bestDifficulty: this.#bestDifficulty,
      difficulty: this.current.difficulty,
      hashRate: this.#meter.rate(now)
    }
  }

  /**
   * The target for the hash rate, in the bounds of both ends. Where the channel finds fewer than `MAX_BLOCKS_PER_SECOND`,
   * it is not harder than the network's: on a development chain a miner would otherwise keep blocks to itself.
   */
  #wantedTarget(jobs: Jobs): Uint8Array {
    const { hashRate } = this.vardiff
    const forRate = hashRateToTarget(hashRate, this.#policy.sharesPerMinute)
    const wanted = forRate < MIN_TARGET ? MIN_TARGET : forRate
    const network = jobs.prevHash === undefined ? 0n : u256FromBytes(jobs.prevHash.target)
    const hashesPerBlock = Number(MAX_TARGET / (network + 1n))
    const chosen = network > wanted && hashRate / hashesPerBlock <= MAX_BLOCKS_PER_SECOND ? network : wanted
    this.#nbits = jobs.prevHash?.nbits
    return u256ToBytes(chosen > this.maxTarget ? this.maxTarget : chosen)
  }
}

/** Of one channel, on a chain whose blocks are easier than its shares; regtest's would be a flood. */
const MAX_BLOCKS_PER_SECOND = 10

/**
 * The hardest target a channel can have: 2^53 times difficulty 1, a hundred times what the network has in 2026. Sums of
 * such difficulties still fit the U64 of an acknowledgement.
 */
export const MIN_TARGET: bigint = 0xffffn << (208n - 53n)

const targetPeriod = (since: number, target: Uint8Array): TargetPeriod => ({
  since,
  target,
  difficulty: targetToDifficulty(target, 0)
})
