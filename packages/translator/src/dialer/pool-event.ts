/** What the machine of a pool tells its shell. */
import type { Outbox } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import type { LineError, ParamsError, RefusedError, SilenceError } from "@sluice/stratum-v1"

/** Something for the log. */
export type PoolEvent =
  | { readonly _tag: "PoolMessage"; readonly text: string }
  | { readonly _tag: "WorkerRefused"; readonly worker: string; readonly text: string }
  | { readonly _tag: "ShareRefused"; readonly errorCode: string; readonly text: string }
  | { readonly _tag: "RedirectIgnored"; readonly host: string }
  | { readonly _tag: "Malformed"; readonly error: ParamsError }

/** Why the connection to the pool must end. */
export type PoolFailure = LineError | ParamsError | RefusedError | SilenceError

export type PoolOutbox = Outbox<Mining.ToClient, PoolEvent>
