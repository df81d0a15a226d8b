/** Does what operators ask for, and writes down who asked and what became of it. */
import type { ControlError } from "@sluice/mining-server"
import { Clock, Effect, Exit, FiberHandle, Option } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { MonitorApi } from "../api/api.ts"
import { Conflict, NotFound } from "../api/problems.ts"
import { Monitor } from "../monitor.ts"

/** Miners that are sent away in a second, so that the other server is not flooded. */
const DRAIN_PER_SECOND = 100

export const changing = HttpApiBuilder.group(
  MonitorApi,
  "control",
  Effect.fnUntraced(function* (handlers) {
    const { history, miners, monitored } = yield* Monitor
    const { server } = monitored
    const draining = yield* FiberHandle.make()

    const audited = Effect.fnUntraced(function* <A, E extends { readonly message: string }>(
      action: string,
      subject: unknown,
      act: Effect.Effect<A, E>
    ) {
      const { remoteAddress } = yield* HttpServerRequest.HttpServerRequest
      const remote = Option.getOrElse(remoteAddress, () => "unknown")
      const exit = yield* Effect.exit(act)
      const outcome = Exit.match(exit, {
        onSuccess: () => "done",
        onFailure: () =>
          Option.match(Exit.findErrorOption(exit), { onNone: () => "failed", onSome: (error) => error.message })
      })
      const at = yield* Clock.currentTimeMillis
      yield* Effect.logInfo(`An operator at ${remote} asked for ${action}: ${outcome}`, subject)
      yield* history.addAudit({ at, remote, action, subject: JSON.stringify(subject), outcome })
      return yield* exit
    })

    const refusedAs = ({ message, reason }: ControlError): NotFound | Conflict =>
      reason === "unknown-connection" || reason === "unknown-channel"
        ? new NotFound({ detail: message })
        : new Conflict({ detail: message })

    return handlers
      .handle("closeChannel", ({ payload }) => {
        const { channelId, connectionId, reason = "closed-by-operator" } = payload
        const closed = Effect.mapError(server.closeChannel({ connectionId, channelId }, reason), refusedAs)
        return Effect.as(audited("close channel", payload, closed), { done: true as const })
      })
      .handle("reconnect", ({ payload }) => {
        const sent = Effect.mapError(server.reconnect(payload.connectionId, payload.to), refusedAs)
        return Effect.as(audited("reconnect", payload, sent), { done: true as const })
      })
      .handle("drain", ({ payload }) => {
        const { perSecond = DRAIN_PER_SECOND, to } = payload
        const drain = Effect.gen(function* () {
          if (Option.isSome(FiberHandle.getUnsafe(draining))) {
            return yield* new Conflict({ detail: "Miners are being sent away already." })
          }
          const { connections } = yield* miners.picture
          const send = Effect.forEach(
            connections,
            ({ connectionId }, index) =>
              Effect.andThen(
                // A miner that left by itself in the meantime is not there to be told.
                Effect.ignore(server.reconnect(connectionId, to)),
                (index + 1) % perSecond === 0 ? Effect.sleep("1 second") : Effect.void
              ),
            { discard: true }
          )
          yield* FiberHandle.run(draining, send)
          return { connections: connections.length }
        })
        return audited("drain", payload, drain)
      })
      .handle("adjust", ({ payload }) => {
        const { reason, satoshis, user } = payload
        const adjusted = Effect.gen(function* () {
          const { ledger } = monitored
          if (ledger === undefined) return yield* new NotFound({ detail: "The program has no ledger." })
          // A mistyped name would be a new account.
          const isMiner = (yield* miners.picture).users.some((one) => one.user === user)
          if (!isMiner && (yield* ledger.account(user)) === undefined) {
            return yield* new NotFound({ detail: `${JSON.stringify(user)} is no miner and has no account.` })
          }
          return { user, balance: yield* ledger.adjust(user, BigInt(satoshis), reason) }
        })
        return audited("adjust", payload, adjusted)
      })
  })
)
