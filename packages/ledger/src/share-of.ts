/** Makes a share of the ledger of an accepted share, or of a line of a share log. */
import { hashFromDisplay } from "@sluice/bitcoin"
import type { ShareAccepted } from "@sluice/channels"
import { type LoggedShare, parseUserIdentity } from "@sluice/mining-server"
import { workOfDifficulty } from "./scheme/work.ts"
import type { NewShare, Owner, StoredShare } from "./store/share.ts"
import { namesOf } from "./store/stored-batch.ts"

/** What makes shares of the ledger of accepted ones. It knows the owner of a channel after its first share. */
export const makeShareOf = (): ((share: ShareAccepted, at: number) => StoredShare) => {
  const owners = new WeakMap<ShareAccepted["channel"], Owner>()
  return ({ channel, difficulty, hash, height, isBlock, worker: named }, at) => {
    let owner = owners.get(channel)
    if (owner === undefined) {
      const names = ownerOf(channel.userIdentity, undefined)
      owners.set(channel, (owner = { ...names, json: namesOf(names), sums: undefined }))
    }
    const { user, worker } = owner
    const { text: workText, work } = workOf(difficulty)
    return named === undefined
      ? { seq: 0, at, user, worker, work, workText, height, hash, isBlock, owner }
      : { seq: 0, at, user, worker: storable(named), work, workText, height, hash, isBlock, owner: undefined }
  }
}

export const shareOfLogged = ({ at, block, difficulty, hash, height, user, worker }: LoggedShare): NewShare => ({
  ...ownerOf(user, worker),
  at,
  work: workOf(difficulty).work,
  height,
  hash: hashFromDisplay(hash),
  isBlock: block
})

/** A proxy's client may name the worker with the share, on a channel of the proxy's user. */
export const ownerOf = (identity: string, named: string | undefined): Pick<Owner, "user" | "worker"> => {
  const { user, worker } = parseUserIdentity(identity)
  return { user: storable(user), worker: storable(named ?? worker ?? "") }
}

/**
 * A name as both databases keep it. Bytes that are not UTF-8, which a string has as lone surrogates (docs/decisions/0003), and NUL, which
 * PostgreSQL refuses in text, become `\\x80` and `\\x00`. Otherwise one miner's name would keep all shares from being written.
 */
const storable = (name: string): string =>
  name.isWellFormed() && !name.includes("\0")
    ? name
    : name.replaceAll(/[\0\p{Cs}]/gu, (unit) => `\\x${(unit.charCodeAt(0) & 0xff).toString(16).padStart(2, "0")}`)

/** Most shares have the difficulty of an earlier one. */
const known = new Map<number, Work>()
const MAX_KNOWN = 10_000

/** The work of a share, as a number and in decimal. */
interface Work {
  readonly work: bigint
  readonly text: string
}

const workOf = (difficulty: number): Work => {
  let found = known.get(difficulty)
  if (found === undefined) {
    const work = workOfDifficulty(difficulty)
    if (known.size >= MAX_KNOWN) known.clear()
    known.set(difficulty, (found = { work, text: work.toString() }))
  }
  return found
}
