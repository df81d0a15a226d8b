/**
 * Admits users. The channel server of a connection calls `ChannelPolicy.refuseUser` and needs the answer at once. `validateUser`
 * may take time, so it runs before the channel server gets the messages, and this module keeps its verdicts for that moment.
 */
import { type ChannelPolicy, type ChannelServer, parseUserIdentity } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { Effect } from "effect"
import type { Work, WorkGroup } from "../work-source/work-source.ts"
import { isUserIdentity, type UserRefusal, type ValidateUser } from "../user.ts"

/** Refusals by user identity; all other users are admitted. */
export type Verdicts = ReadonlyMap<string, UserRefusal>

const NONE: Verdicts = new Map()
/** How long `validateUser` may take for all users of a batch. Users without a verdict by then are refused. */
const TIMEOUT = "10 seconds"
/** How many users of one connection `validateUser` checks at once. */
const ASKED_AT_ONCE = 16

export interface Admission {
  /** Returns the policy for connections of this group. */
  readonly policyFor: (group: WorkGroup) => ChannelPolicy
  /**
   * Runs `validateUser` for the users of these messages; `undefined` if there are none. It skips users whose channels would
   * exceed the limit of the connection.
   */
  readonly verdictsOn: (
    batch: ReadonlyArray<Mining.ToServer>,
    machine: Pick<ChannelServer, "channelCount">
  ) => Effect.Effect<Verdicts> | undefined
  /** Runs a step of a channel server with these verdicts. */
  readonly withVerdicts: <A>(verdicts: Verdicts, step: () => A) => A
}

export const makeAdmission = (
  validate: ValidateUser | undefined,
  policy: ChannelPolicy,
  work: Pick<Work, "refusal">
): Admission => {
  let verdicts = NONE
  const policies = new WeakMap<WorkGroup, ChannelPolicy>()

  const ask = (identity: string, validate: ValidateUser): Effect.Effect<UserRefusal | undefined> =>
    Effect.catchDefect(validate(parseUserIdentity(identity)), (defect) =>
      Effect.as(Effect.logError("validateUser failed; the user is refused", defect), "unknown-user" as const)
    )

  /** Refuses users that it skips, and users without a verdict in time. */
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
    policyFor: (group) => {
      const known = policies.get(group)
      if (known !== undefined) return known
      const own: ChannelPolicy = {
        ...policy,
        refuseUser: (identity) => {
          if (!isUserIdentity(identity, policy.maxUserIdentityBytes)) return "invalid-user-identity"
          return work.refusal(group, identity) ?? verdicts.get(identity) ?? policy.refuseUser(identity)
        }
      }
      policies.set(group, own)
      return own
    },

    verdictsOn: (batch, machine) => {
      let identities: Set<string> | undefined
      let closed = 0
      for (const message of batch) {
        if (isOpen(message)) {
          identities ??= new Set()
          identities.add(message.userIdentity)
        } else if (message._tag === "CloseChannel") closed++
      }
      if (identities === undefined) return undefined
      if (validate === undefined) return Effect.succeed(NONE)
      return askAll(identities, policy.maxChannels - machine.channelCount + closed, validate)
    },

    withVerdicts: (found, step) => {
      verdicts = found
      try {
        return step()
      } finally {
        verdicts = NONE
      }
    }
  }
}

export type OpenRequest = Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel

export const isOpen = (message: Mining.ToServer): message is OpenRequest =>
  message._tag === "OpenStandardMiningChannel" || message._tag === "OpenExtendedMiningChannel"
