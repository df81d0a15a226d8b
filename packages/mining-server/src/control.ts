/**
 * Actions of the program around a server on a live connection (specification, sections 3.6.5, 5.3.9, 5.3.10 and 5.3.22). Each is
 * one message to the client, in order with all others, or none where it is refused. It is done when the message is on its way:
 * nobody waits for a client that reads slowly, and no client answers it.
 */
import type { ChannelInfo, ChannelServer, ServerOutbox } from "@sluice/channels"
import { EncodeError, Mining } from "@sluice/protocol"
import { Effect, Result, Schema } from "effect"
import type { Recorder } from "./shares/recorder.ts"
import type { Session } from "./connections/session.ts"

/** Which channel: the `channel` of the pool's events and of `ChannelStats`. */
export type ChannelAddress = Pick<ChannelInfo, "connectionId" | "channelId">

export interface Control {
  /**
   * Puts channels of a connection into a group, a new one unless told, and gives the group's id (5.3.22). `groupId` is one
   * that this gave before, or `GROUP_CHANNEL_ID`, in which every channel begins. Clients that require standard jobs
   * have no groups.
   */
  readonly setGroup: (
    connectionId: number,
    channelIds: ReadonlyArray<number>,
    groupId?: number
  ) => Effect.Effect<number, ControlError>
  /** Gives a channel another extranonce prefix for the jobs to come (5.3.10); shares of those before are good as ever. */
  readonly changeExtranoncePrefix: (channel: ChannelAddress) => Effect.Effect<void, ControlError>
  /**
   * Closes a channel, or all channels of a group where `channelId` is a group's (5.3.9). A client without a channel has the
   * pool's `channelTimeout` to open another. `reasonCode` is for the client, 255 bytes at most.
   */
  readonly closeChannel: (channel: ChannelAddress, reasonCode: string) => Effect.Effect<void, ControlError>
  /**
   * Asks a client to connect anew (3.6.5), there, or to this pool again if nothing is said; another pool must have the same
   * authority key. Until the client goes, it is served as before.
   */
  readonly reconnect: (
    connectionId: number,
    to?: { readonly host: string; readonly port: number }
  ) => Effect.Effect<void, ControlError>
}

/** What cannot be done to a connection, and why. Nothing was done, and nothing was sent. */
export class ControlError extends Schema.TaggedError<ControlError>("sluice/mining-server/ControlError")(
  "ControlError",
  {
    connectionId: Schema.Finite,
    reason: Schema.Literals([
      "unknown-connection",
      "unknown-channel",
      "unknown-group",
      "requires-standard-jobs",
      "extranonce-space-exhausted",
      "not-encodable"
    ]),
    message: Schema.String
  }
) {}

type Refusal = Pick<ControlError, "reason" | "message">

export interface ControlOptions {
  readonly sessions: ReadonlyMap<number, Session>
  readonly recorder: Pick<Recorder, "record">
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export const makeControl = ({ now, recorder, sessions }: ControlOptions): Control => {
  const act = <A>(
    connectionId: number,
    step: (machine: ChannelServer, out: ServerOutbox) => Result.Result<A, Refusal>
  ): Effect.Effect<A, ControlError> => {
    const refused = (refusal: Refusal) => new ControlError({ connectionId, ...refusal })
    const acted = Effect.suspend(() => {
      const session = sessions.get(connectionId)
      if (session === undefined || session.evicted !== undefined) return Effect.fail(refused(unknownConnection))
      let result: Result.Result<A, Refusal> = Result.fail(unknownConnection)
      const recorded = recorder.record(session.run((machine, out) => (result = step(machine, out))))
      session.send()
      return Effect.andThen(recorded, Effect.mapError(Effect.fromResult(result), refused))
    })
    // A share sink may call this in the middle of an exchange, whose replies go first.
    return Effect.andThen(Effect.yieldNow, acted)
  }

  return {
    setGroup: (connectionId, channelIds, groupId) =>
      act(connectionId, (machine, out) => {
        const id = groupId ?? machine.newGroupId()
        const refusal = machine.setGroup(id, Array.from(new Set(channelIds)), out)
        if (refusal === undefined) return Result.succeed(id)
        const message = {
          "requires-standard-jobs": "the client requires standard jobs and so has no groups",
          "unknown-group": `${id} is no group of the connection; without a group's id a new one is made`,
          "unknown-channel": `not all of ${channelIds.join(", ")} are open channels of the connection`
        }[refusal]
        return Result.fail({ reason: refusal, message })
      }),

    changeExtranoncePrefix: ({ channelId, connectionId }) =>
      act(connectionId, (machine, out) => {
        const refusal = machine.changeExtranoncePrefix(channelId, out)
        if (refusal === undefined) return Result.void
        if (refusal === "unknown-channel") return Result.fail(unknown(`channel ${channelId}`))
        const message = "every extranonce prefix is in use (maxChannelsInAll, extranonce)"
        return Result.fail({ reason: refusal, message })
      }),

    closeChannel: ({ channelId, connectionId }, reasonCode) =>
      act(connectionId, (machine, out) => {
        const fault = notEncodable({ _tag: "CloseChannel", channelId, reasonCode })
        if (fault !== undefined) return Result.fail(fault)
        return machine.closeChannel(channelId, reasonCode, now(), out)
          ? Result.void
          : Result.fail(unknown(`channel ${channelId}, nor a group ${channelId} with channels`))
      }),

    reconnect: (connectionId, { host, port } = { host: "", port: 0 }) =>
      act(connectionId, (machine, out) => {
        const fault = notEncodable({ _tag: "Reconnect", newHost: host, newPort: port })
        if (fault !== undefined) return Result.fail(fault)
        machine.reconnect(host, port, out)
        return Result.void
      })
  }
}

const unknownConnection: Refusal = {
  reason: "unknown-connection",
  message: "there is no such connection (any more); its id is that of the pool's events"
}

const unknown = (channel: string): Refusal => ({
  reason: "unknown-channel",
  message: `the connection has no ${channel} (any more)`
})

/** Why a message cannot be sent as it is. */
const notEncodable = (message: Mining.ToClient): Refusal | undefined => {
  try {
    Mining.protocol.toClient.encode(message)
    return undefined
  } catch (error) {
    if (error instanceof EncodeError) return { reason: "not-encodable", message: error.message }
    throw error
  }
}
