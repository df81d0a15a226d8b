/**
 * Actions of a program on live connections of its server (specification, sections 3.6.5, 5.3.9, 5.3.10 and 5.3.22). Each sends one
 * message to the client, in order with all others, or none if the action is refused. It completes when the message is queued: it
 * does not wait for a client that reads slowly, and no client answers the message.
 */
import type { ChannelEvent, ChannelInfo, ChannelServer, ServerOutbox } from "@sluice/channels"
import { EncodeError, Mining } from "@sluice/protocol"
import { Effect, Result, Schema } from "effect"
import type { Downstream } from "./connections/downstream.ts"

/** The address of a channel: the `channel` of events and of `ChannelStats` has it. */
export type ChannelAddress = Pick<ChannelInfo, "connectionId" | "channelId">

export interface Control {
  /**
   * Moves channels of a connection to a group and returns the group's id (5.3.22). Without `groupId` it makes a new group;
   * otherwise `groupId` is an id that this function returned before, or `GROUP_CHANNEL_ID`, the group of new channels. Clients
   * that require standard jobs have no groups.
   */
  readonly setGroup: (
    connectionId: number,
    channelIds: ReadonlyArray<number>,
    groupId?: number
  ) => Effect.Effect<number, ControlError>
  /** Gives a channel another extranonce prefix for its next jobs (5.3.10). Shares of earlier jobs stay valid. */
  readonly changeExtranoncePrefix: (channel: ChannelAddress) => Effect.Effect<void, ControlError>
  /**
   * Closes a channel, or all channels of a group if `channelId` is the id of a group (5.3.9). A client that has lost its last
   * channel must open another within `channelTimeout`. The client gets `reasonCode`, at most 255 bytes.
   */
  readonly closeChannel: (channel: ChannelAddress, reasonCode: string) => Effect.Effect<void, ControlError>
  /**
   * Asks a client to connect to another server, or to this one again without `to` (3.6.5). The other server must have the same
   * authority key. This server serves the client until it disconnects.
   */
  readonly reconnect: (
    connectionId: number,
    to?: { readonly host: string; readonly port: number }
  ) => Effect.Effect<void, ControlError>
}

/** An action was refused: nothing was changed and nothing was sent. */
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
      "upstream-decides",
      "not-encodable"
    ]),
    message: Schema.String
  }
) {}

type Refusal = Pick<ControlError, "reason" | "message">

export interface ControlOptions {
  readonly downstreams: ReadonlyMap<number, Downstream>
  /** Refuses the shares of a channel or a group that wait for a verdict of the source. */
  readonly answerWaiting: (downstream: Downstream, channelId: number) => ReadonlyArray<ChannelEvent>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export const makeControl = ({ now, answerWaiting, downstreams }: ControlOptions): Control => {
  /** `closes` is the channel or group that the step closes. */
  const act = <A>(
    connectionId: number,
    step: (machine: ChannelServer, out: ServerOutbox) => Result.Result<A, Refusal>,
    closes?: number
  ): Effect.Effect<A, ControlError> => {
    const refused = (refusal: Refusal) => new ControlError({ connectionId, ...refusal })
    const acted = Effect.suspend(() => {
      const downstream = downstreams.get(connectionId)
      if (downstream === undefined || downstream.evicted !== undefined) return Effect.fail(refused(unknownConnection))
      let result: Result.Result<A, Refusal> = Result.fail(unknownConnection)
      const answered = closes === undefined ? [] : answerWaiting(downstream, closes)
      const events = downstream.run((machine, out) => (result = step(machine, out)))
      const told = downstream.tell([...answered, ...events])
      downstream.send()
      return Effect.andThen(told, Effect.mapError(Effect.fromResult(result), refused))
    })
    // A share sink may call this in the middle of an exchange, and the replies of that exchange go first.
    return Effect.andThen(Effect.yieldNow, acted)
  }

  return {
    setGroup: (connectionId, channelIds, groupId) =>
      act(connectionId, (machine, out) => {
        const id = groupId ?? machine.newGroupId()
        const refusal = machine.setGroup(id, Array.from(new Set(channelIds)), out)
        if (refusal === undefined) return Result.succeed(id)
        const message = {
          "upstream-decides": UPSTREAM_DECIDES,
          "requires-standard-jobs": "the client requires standard jobs, so it has no groups",
          "unknown-group": `the connection has no group ${id}; leave the id out to make a new group`,
          "unknown-channel": `some of the channels ${channelIds.join(", ")} are not open on the connection`
        }[refusal]
        return Result.fail({ reason: refusal, message })
      }),

    changeExtranoncePrefix: ({ channelId, connectionId }) =>
      act(connectionId, (machine, out) => {
        const refusal = machine.changeExtranoncePrefix(channelId, out)
        if (refusal === undefined) return Result.void
        if (refusal === "unknown-channel") return Result.fail(unknown(`channel ${channelId}`))
        if (refusal === "upstream-decides") return Result.fail({ reason: refusal, message: UPSTREAM_DECIDES })
        const message = "every extranonce prefix is in use (maxChannelsInAll, extranonce)"
        return Result.fail({ reason: refusal, message })
      }),

    closeChannel: ({ channelId, connectionId }, reasonCode) => {
      const fault = notEncodable({ _tag: "CloseChannel", channelId, reasonCode })
      if (fault !== undefined) return act(connectionId, () => Result.fail(fault))
      const close = (machine: ChannelServer, out: ServerOutbox) =>
        machine.closeChannel(channelId, reasonCode, now(), out)
          ? Result.void
          : Result.fail(unknown(`channel ${channelId}, and no group ${channelId} with channels`))
      return act(connectionId, close, channelId)
    },

    reconnect: (connectionId, { host, port } = { host: "", port: 0 }) =>
      act(connectionId, (machine, out) => {
        const fault = notEncodable({ _tag: "Reconnect", newHost: host, newPort: port })
        if (fault !== undefined) return Result.fail(fault)
        machine.reconnect(host, port, out)
        return Result.void
      })
  }
}

const UPSTREAM_DECIDES = "each channel is one of the upstream server, which decides on its prefix and its group"

const unknownConnection: Refusal = {
  reason: "unknown-connection",
  message: "no connection with this id is open; events and statistics have the ids"
}

const unknown = (channel: string): Refusal => ({
  reason: "unknown-channel",
  message: `the connection has no open ${channel}`
})

/** Returns why the message cannot be encoded, or undefined if it can. */
const notEncodable = (message: Mining.ToClient): Refusal | undefined => {
  try {
    Mining.protocol.toClient.encode(message)
    return undefined
  } catch (error) {
    if (error instanceof EncodeError) return { reason: "not-encodable", message: error.message }
    throw error
  }
}
