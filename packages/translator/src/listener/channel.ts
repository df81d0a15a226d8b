/** The V2 channel of one V1 miner: what its messages say until they are lines, and its shares until they are answered. */
import type { Mining } from "@sluice/protocol"
import type { Server, Subscription } from "@sluice/stratum-v1"
import { MAX_EXTRANONCE2 } from "./options.ts"

/** As many as a template provider may send. */
const MAX_FUTURE_JOBS = 64

/** A job with the channel's prefix when it was sent: another one holds only for jobs behind it (5.3.10). */
export interface MinerJob {
  readonly message: Mining.NewExtendedMiningJob
  readonly prefix: Uint8Array
}

export class MinerChannel {
  readonly id: number
  /** The identity that the channel was opened for. */
  readonly identity: string
  readonly extranonceSize: number
  groupId: number
  prefix: Uint8Array
  prevHash: Mining.SetNewPrevHash | undefined
  /** Jobs that wait for their previous hash. */
  readonly futureJobs = new Map<number, MinerJob>()
  /** The miner's requests that no message has answered yet, by sequence number, in their order. */
  readonly pending = new Map<number, Server.Request>()
  /** The bytes of the channel's own extranonce that the miner does not roll, in front of those that it does. */
  lead: Uint8Array = NOTHING
  #sequenceNumber = 0

  constructor(identity: string, message: Mining.OpenExtendedMiningChannelSuccess) {
    this.id = message.channelId
    this.identity = identity
    this.extranonceSize = message.extranonceSize
    this.groupId = message.groupChannelId
    this.prefix = message.extranoncePrefix
  }

  isAddressed(channelId: number): boolean {
    return channelId === this.id || channelId === this.groupId
  }

  addFutureJob(message: Mining.NewExtendedMiningJob): void {
    this.futureJobs.set(message.jobId, { message, prefix: this.prefix })
    if (this.futureJobs.size <= MAX_FUTURE_JOBS) return
    for (const oldest of this.futureJobs.keys()) {
      this.futureJobs.delete(oldest)
      return
    }
  }

  /** The number for the request's share. */
  submit(request: Server.Request): number {
    this.#sequenceNumber = (this.#sequenceNumber + 1) >>> 0
    this.pending.set(this.#sequenceNumber, request)
    return this.#sequenceNumber
  }

  /** Takes out the requests that an acknowledgement answers, oldest first (5.3.13). */
  takeAccepted({
    lastSequenceNumber,
    newSubmitsAcceptedCount
  }: Mining.SubmitSharesSuccess): ReadonlyArray<Server.Request> {
    const accepted: Array<Server.Request> = []
    for (const [sequenceNumber, request] of this.pending) {
      // Sequence numbers are U32 and wrap around.
      if (accepted.length >= newSubmitsAcceptedCount || ((sequenceNumber - lastSequenceNumber) | 0) > 0) break
      accepted.push(request)
      this.pending.delete(sequenceNumber)
    }
    return accepted
  }

  takeRefused(sequenceNumber: number): Server.Request | undefined {
    const request = this.pending.get(sequenceNumber)
    this.pending.delete(sequenceNumber)
    return request
  }
}

/**
 * The extranonce of a miner whose channel was open before it subscribed: extranonce1 is the channel's prefix, followed by zeros
 * where the channel has more to roll than miners can.
 */
export const prefixSubscription = (prefix: Uint8Array, extranonceSize: number): Omit<Subscription, "session"> => {
  const extranonce2Size = Math.min(extranonceSize, MAX_EXTRANONCE2)
  return { extranonce1: withZeros(prefix, extranonceSize - extranonce2Size), extranonce2Size }
}

/** The bytes, then so many zeros. */
export const withZeros = (bytes: Uint8Array, zeros: number): Uint8Array => {
  if (zeros === 0) return bytes
  const longer = new Uint8Array(bytes.length + zeros)
  longer.set(bytes)
  return longer
}

export const concat = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  if (a.length === 0) return b
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

export const NOTHING = new Uint8Array(0)
