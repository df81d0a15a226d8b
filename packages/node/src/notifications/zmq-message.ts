/**
 * Bitcoin Core's ZMQ messages (doc/zmq.md): three frames, the topic, a body, and the topic's own sequence number as
 * four bytes little-endian, which counts every message that the node has published since it started.
 */
import { Header } from "@sluice/core"
import { doubleSha256 } from "@sluice/bitcoin"
import type { NodeNotification } from "./node-notifications.ts"

/** The topics that mining listens to. */
export const ZMQ_TOPICS = ["hashblock", "rawblock", "sequence"] as const

/** Reads a body; returns undefined for an unknown topic or form. */
export const readNotification = (topic: string, body: Uint8Array): NodeNotification | undefined => {
  if (body.length < 32) return undefined
  const hash = body.slice(0, 32).toReversed()
  if (topic === "hashblock") return body.length === 32 ? { _tag: "NewBlock", hash } : undefined
  if (topic === "rawblock") {
    if (body.length <= Header.HEADER_SIZE) return undefined
    const header = body.slice(0, Header.HEADER_SIZE)
    return { _tag: "NewBlock", hash: doubleSha256(header), header }
  }
  if (topic !== "sequence") return undefined
  const label = body[32]
  if (body.length === 33) {
    if (label === LABEL_CONNECTED) return { _tag: "BlockConnected", hash }
    if (label === LABEL_DISCONNECTED) return { _tag: "BlockDisconnected", hash }
  }
  if (body.length === 41) {
    const mempoolSequence = view(body).getBigUint64(33, true)
    if (label === LABEL_ADDED) return { _tag: "TransactionAdded", txid: hash, mempoolSequence }
    if (label === LABEL_REMOVED) return { _tag: "TransactionRemoved", txid: hash, mempoolSequence }
  }
  return undefined
}

/** Finds gaps in the sequence numbers, topic by topic. */
export class SequenceGaps {
  readonly #last = new Map<string, number>()

  /**
   * Returns how many messages of the topic are missing before this one. If the number does not grow, the node has restarted: then
   * all messages from zero up to it are missing.
   */
  missedBefore(topic: string, sequence: number): number {
    const last = this.#last.get(topic)
    this.#last.set(topic, sequence)
    if (last === undefined) return 0
    const step = (sequence - last) >>> 0
    return step >= 1 && step <= MAX_PLAUSIBLE_GAP ? step - 1 : sequence
  }
}

/** Reads the sequence number in the third frame of a message; undefined if the frame has another size. */
export const readSequence = (frame: Uint8Array): number | undefined =>
  frame.length === 4 ? view(frame).getUint32(0, true) : undefined

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** The numbers wrap at 2^32, so steps are taken modulo 2^32; steps of half of it or more go back. */
const MAX_PLAUSIBLE_GAP = 0x7fffffff
const LABEL_CONNECTED = 0x43
const LABEL_DISCONNECTED = 0x44
const LABEL_ADDED = 0x41
const LABEL_REMOVED = 0x52
