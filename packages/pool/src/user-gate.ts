/**
 * Who is let in. The machine of a connection asks `ChannelPolicy.refuseUser` and gets its answer at once; what has to be
 * asked elsewhere (`validateUser`) is asked before the machine sees the messages, and waits here for it.
 */
import type { Server } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { Effect } from "effect"
import { isUserIdentity, parseUserIdentity, type UserRefusal, type ValidateUser } from "./user.ts"

/** By user identity; those who are not here are let in. */
export type Verdicts = ReadonlyMap<string, UserRefusal>

const NONE: Verdicts = new Map()
/** How long a hook may take for all users of a batch before those who are left are refused. */
const TIMEOUT = "10 seconds"
/** How many it is asked about at once, for one connection. */
const ASKED_AT_ONCE = 16

export const makeGate = (
  validate: ValidateUser | undefined,
  policy: Server.ChannelPolicy,
  minerScript: ((identity: string) => Uint8Array | undefined) | undefined
) => {
  let verdicts = NONE

  const ask = (identity: string, validate: ValidateUser): Effect.Effect<UserRefusal | undefined> =>
    Effect.catchDefect(validate(parseUserIdentity(identity)), (defect) =>
      Effect.as(Effect.logError("validateUser failed; the user is refused", defect), "unknown-user" as const)
    )

  /** Who is not asked about, or not in time, is refused. */
  const askAll = (identities: ReadonlySet<string>, free: number, validate: ValidateUser): Effect.Effect<Verdicts> => {
    const found = new Map<string, UserRefusal>()
    const asked: Array<string> = []
    for (const identity of identities) {
      const isValid = isUserIdentity(identity, policy.maxUserIdentityBytes)
      found.set(identity, isValid ? "unknown-user" : "invalid-user-identity")
      if (isValid && asked.length < free) asked.push(identity)
    }
    const asking = Effect.forEach(
      asked,
      (identity) =>
        Effect.map(ask(identity, validate), (refusal) => {
          if (refusal === undefined) found.delete(identity)
          else found.set(identity, refusal)
        }),
      { concurrency: ASKED_AT_ONCE, discard: true }
    )
    const late = Effect.logError(`validateUser took more than ${TIMEOUT}; users without an answer are refused`)
    return Effect.as(Effect.timeoutOrElse(asking, { duration: TIMEOUT, orElse: () => late }), found)
  }

  return {
    /** The policy of those who are paid by this script, or of the pool's own. */
    policyFor: (script: Uint8Array | undefined): Server.ChannelPolicy => ({
      ...policy,
      refuseUser: (identity) => {
        if (!isUserIdentity(identity, policy.maxUserIdentityBytes)) return "invalid-user-identity"
        if (minerScript !== undefined) {
          const theirs = minerScript(identity)
          // One connection has one payout: who mines for another address connects for it.
          if (theirs === undefined || script === undefined || Buffer.compare(theirs, script) !== 0) {
            return "invalid-user-identity"
          }
        }
        return verdicts.get(identity) ?? policy.refuseUser(identity)
      }
    }),

    /**
     * What has to be known before a machine with so many open channels is given these messages; `undefined` if nothing.
     * Nobody is asked about channels that it has no room for.
     */
    verdictsOn: (batch: ReadonlyArray<Mining.ToServer>, openChannels: number): Effect.Effect<Verdicts> | undefined => {
      if (validate === undefined && minerScript === undefined) return undefined
      const identities = new Set<string>()
      let free = policy.maxChannels - openChannels
      for (const message of batch) {
        if (message._tag === "OpenStandardMiningChannel" || message._tag === "OpenExtendedMiningChannel") {
          identities.add(message.userIdentity)
        } else if (message._tag === "CloseChannel") free++
      }
      if (identities.size === 0) return undefined
      return validate === undefined ? Effect.succeed(NONE) : askAll(identities, free, validate)
    },

    /** Runs a machine with what was found. */
    withVerdicts: <A>(found: Verdicts, run: () => A): A => {
      verdicts = found
      try {
        return run()
      } finally {
        verdicts = NONE
      }
    }
  }
}
