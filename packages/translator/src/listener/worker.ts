/** The worker that a miner names in mining.authorize, as an identity of V2 (5.3.2). */
import { isPrintable } from "@sluice/protocol"

/** The wire carries 255 bytes (STR0_255). */
const MAX_BYTES = 255

/** The identity, undefined if there can be none. Some firmware sends it percent-encoded. */
export const identityOf = (worker: string): string | undefined => {
  const identity = decoded(worker.trim())
  return identity !== "" && isPrintable(identity) && Buffer.byteLength(identity) <= MAX_BYTES ? identity : undefined
}

/** The part before the first dot: the account or the address. */
export const userOf = (identity: string): string => identity.split(".", 1)[0]!

/** What stands for the worker in extension 0x0002, at most 32 bytes: its own part, or the user where it has none. */
export const workerNameOf = (identity: string): string => {
  const dot = identity.indexOf(".")
  const name = dot < 0 ? identity : identity.slice(dot + 1)
  if (Buffer.byteLength(name) <= 32) return name
  // A character that is cut in the middle is left out.
  return Buffer.from(name)
    .subarray(0, 32)
    .toString()
    .replace(/\ufffd+$/, "")
}

const decoded = (worker: string): string => {
  if (!/%[0-9a-f]{2}/i.test(worker)) return worker
  try {
    return decodeURIComponent(worker)
  } catch {
    return worker
  }
}
