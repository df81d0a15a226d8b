/**
 * The names that a proxy gives its miners upstream. A template such as `account.{worker}` has `{user}` for the part of a miner's
 * identity before the first dot, and `{worker}` for the part behind it.
 */
import { parseUserIdentity } from "@sluice/mining-server"

/** The most bytes of a worker's name (extension 0x0002). */
const MAX_WORKER_BYTES = 32

/**
 * The identity of a channel that many miners share: the template without its placeholders and the separators in front of them,
 * so that `account.{worker}` is `account`. Empty if the template has no fixed part.
 */
export const sharedIdentity = (template: string): string => template.replaceAll(/[^{}\w]?\{(user|worker)\}/g, "")

/** The identity of one miner. Without a worker's name, `{worker}` is the user. */
export const minerIdentity = (template: string, identity: string): string => {
  const { user, worker } = parseUserIdentity(identity)
  return template.replaceAll(/\{(user|worker)\}/g, (_, name: string) => (name === "user" ? user : (worker ?? user)))
}

/** The name of the worker that found a share: the one that the share names, or else the one in its channel's identity. */
export const workerName = (share: { readonly userIdentity: string; readonly worker: string | undefined }): string => {
  const { user, worker } = parseUserIdentity(share.userIdentity)
  return shortened(share.worker ?? worker ?? user)
}

/** Cuts the text to `MAX_WORKER_BYTES` of UTF-8, between characters. */
const shortened = (text: string): string => {
  if (Buffer.byteLength(text) <= MAX_WORKER_BYTES) return text
  let short = ""
  let bytes = 0
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > MAX_WORKER_BYTES) return short
    short += character
  }
  return short
}
