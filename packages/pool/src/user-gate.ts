/**
 * Who is let in. The machine of a connection asks `ChannelPolicy.refuseUser` and gets its answer at once; what has to be
 * asked elsewhere (`validateUser`) is asked before the machine sees the messages, and waits here for it.
 */
import type { Server } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { Effect } from "effect"
import { parseUserIdentity, type UserRefusal, type ValidateUser } from "./user.ts"

/** By user identity; those who are not here are let in. */
export type Verdicts = ReadonlyMap<string, UserRefusal>

const NONE: Verdicts = new Map()
/** How long a hook may take before its user is refused. */
const TIMEOUT = "10 seconds"

export const makeGate = (
  validate: ValidateUser | undefined,
  policy: Server.ChannelPolicy,
  minerScript: ((identity: string) => Uint8Array | undefined) | undefined
) => {
  let verdicts = NONE

  const ask = (identity: string, validate: ValidateUser): Effect.Effect<UserRefusal | undefined> =>
    validate(parseUserIdentity(identity)).pipe(
      Effect.timeoutOrElse({
        duration: TIMEOUT,
        orElse: () =>
          Effect.as(
            Effect.logError(`validateUser took more than ${TIMEOUT}; the user is refused`),
            "unknown-user" as const
          )
      }),
      Effect.catchDefect((defect) =>
        Effect.as(Effect.logError("validateUser failed; the user is refused", defect), "unknown-user" as const)
      )
    )

  return {
    /** The policy of those who are paid by this script, or of the pool's own. */
    policyFor: (script: Uint8Array | undefined): Server.ChannelPolicy => ({
      ...policy,
      refuseUser: (identity) => {
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

    /** What has to be known before a machine is given these messages; `undefined` if nothing. */
    verdictsOn: (batch: ReadonlyArray<Mining.ToServer>): Effect.Effect<Verdicts> | undefined => {
      if (validate === undefined && minerScript === undefined) return undefined
      const identities = new Set<string>()
      for (const message of batch) {
        if (message._tag === "OpenStandardMiningChannel" || message._tag === "OpenExtendedMiningChannel") {
          identities.add(message.userIdentity)
        }
      }
      if (identities.size === 0) return undefined
      if (validate === undefined) return Effect.succeed(NONE)
      return Effect.gen(function* () {
        const found = new Map<string, UserRefusal>()
        for (const identity of identities) {
          const refusal = yield* ask(identity, validate)
          if (refusal !== undefined) found.set(identity, refusal)
        }
        return found
      })
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
