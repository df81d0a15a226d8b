/** A miner's request that waits for its answer: a handle for the layer above, and its place in the order of answers. */
import type { Schema } from "effect"
import { type Refusal, refusalLine, type RequestId, resultLine } from "../message/answer.ts"

export type Answer = { readonly result: Schema.Json } | { readonly refusal: Refusal }

export class Request {
  readonly kind: "subscribe" | "authorize" | "share" | "other"
  /** Null where the miner wants no answer. */
  readonly id: RequestId | null
  /** The worker to be authorized, or whose share it is. */
  readonly worker: string
  answer: Answer | undefined = undefined
  /** The same request sent again meanwhile: it gets the same answer. */
  repeats: Array<Request> | undefined = undefined

  constructor(kind: Request["kind"], id: RequestId | null, worker = "") {
    this.kind = kind
    this.id = id
    this.worker = worker
  }
}

export const answerLine = (id: RequestId, answer: Answer): string =>
  "result" in answer ? resultLine(id, answer.result) : refusalLine(id, answer.refusal)
