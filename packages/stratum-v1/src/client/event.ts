/** What the connection to a pool tells the layer above. */
import type { LineError, ParamsError, RefusedError, SilenceError } from "../error.ts"
import type { Refusal } from "../message/answer.ts"
import type { Subscription } from "../message/subscription.ts"
import type { ClientJob } from "./job.ts"

/** The pool gives work to this connection. Jobs follow; a job has the extranonce that holds for it. */
export interface Subscribed {
  readonly _tag: "Subscribed"
  readonly subscription: Subscription
}

/** The answer to an `authorize`; with a refusal, shares of this worker will be refused too. */
export interface Authorized {
  readonly _tag: "Authorized"
  readonly worker: string
  readonly refusal: Refusal | undefined
}

/** The version bits that may be rolled from the next job on, 0 for none. */
export interface VersionMaskChanged {
  readonly _tag: "VersionMaskChanged"
  readonly mask: number
}

export interface JobReceived {
  readonly _tag: "JobReceived"
  readonly job: ClientJob
}

/** The answer to a `submit`, or that none came in time; each share has one of these. */
export interface ShareAnswered {
  readonly _tag: "ShareAnswered"
  readonly share: number
  readonly refusal: Refusal | undefined
  /** Milliseconds from the submit to this. */
  readonly tookMs: number
}

/** The pool wants this client elsewhere. The machine goes on until the connection is closed. */
export interface ReconnectAsked {
  readonly _tag: "ReconnectAsked"
  /** Undefined: the same as now. */
  readonly host: string | undefined
  readonly port: number | undefined
  readonly waitSeconds: number
}

/** A text for the operator, as the pool sent it: client.show_message, or an error that answers no request. */
export interface Message {
  readonly _tag: "Message"
  readonly text: string
}

/** A notification or an answer that could not be read, and was ignored. */
export interface Malformed {
  readonly _tag: "Malformed"
  readonly error: ParamsError
}

/** The last event: the connection is to be closed. Shares without an answer were answered before it. */
export interface Failed {
  readonly _tag: "Failed"
  readonly error: LineError | ParamsError | RefusedError | SilenceError
}

export type ClientEvent =
  | Subscribed
  | Authorized
  | VersionMaskChanged
  | JobReceived
  | ShareAnswered
  | ReconnectAsked
  | Message
  | Malformed
  | Failed
