/** What a worker does beside serving miners: it says that it is ready, and answers its primary. */
import { type Control, type ControlError, JobIds, type MiningServerCalls, type Statistics } from "@sluice/mining-server"
import { Effect, Layer, Option, Result, Stream } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { Announces } from "../server/announces.ts"
import { processMetrics } from "../server/metrics.ts"
import { layerSockets } from "./handed-sockets.ts"
import type { Link } from "./link.ts"
import type { Answers, ControlRequest, Question, Start } from "./messages.ts"

/** The part that a worker has in its program. */
export interface Worker {
  readonly link: Link
  readonly start: Start
}

/** Sockets, job ids and the like, in the place of those that a process alone makes. */
export const layerWorker = ({ link, start }: Worker): Layer.Layer<never> =>
  Layer.mergeAll(layerSockets(link), JobIds.layerFrom(start.firstJobId), Layer.succeed(Announces, start.announces))

/** Answers the primary from now on. `stats` are those of the role, and `planOf` tells whom a block would pay by the ledger. */
export const serveAsWorker = Effect.fnUntraced(function* (
  { link, start }: Worker,
  server: Pick<MiningServerCalls, "notices" | "presentJob"> & Statistics & Control,
  {
    planOf = () => Effect.undefined,
    stats = server.stats
  }: {
    readonly stats?: Effect.Effect<unknown>
    readonly planOf?: (reward: bigint) => Effect.Effect<Answers["Plan"]>
  } = {}
) {
  yield* processMetrics
  const run = Effect.runPromiseWith(yield* Effect.context<never>())

  const report = Effect.all({ stats, metrics: PrometheusMetrics.format(), job: server.presentJob })
  // A block counts, also if the worker ends before it is asked.
  yield* server.notices.pipe(
    Stream.runForEachArray((events) => {
      if (start.isFollowed) for (const event of events) link.teller.tell(event)
      return events.some(({ _tag }) => _tag === "BlockFound")
        ? Effect.map(report, (report) => link.send({ _tag: "Reported", report }))
        : Effect.void
    }),
    Effect.forkScoped
  )

  const answer = (question: Question): Effect.Effect<Answers[Question["_tag"]]> => {
    switch (question._tag) {
      case "Report":
        return report
      case "UserRates":
        return server.userRates
      case "Users":
        return Effect.map(
          Effect.forEach(question.names, (name) => server.user(name, NO_CHANNELS)),
          (users) =>
            users.flatMap((found) => {
              if (Option.isNone(found)) return []
              const { offset: _, openChannels: __, ...user } = found.value
              return [user]
            })
        )
      case "Channels":
        return server.channels(question.page)
      case "Plan":
        return planOf(question.reward)
      case "Control":
        return Effect.map(Effect.result(control(server, question.request)), (result) => {
          if (Result.isSuccess(result)) return { value: result.success }
          const { connectionId, message, reason } = result.failure
          return { refused: { connectionId, reason, message } }
        })
    }
  }
  link.onQuestion = (question) =>
    run(
      Effect.tapDefect(answer(question), (defect) => Effect.logError("The primary gets no answer, by a defect", defect))
    )
  link.send({ _tag: "Ready" })
})

const NO_CHANNELS = { limit: 0, offset: 0 }

const control = (server: Control, request: ControlRequest): Effect.Effect<number | undefined, ControlError> => {
  switch (request._tag) {
    case "setGroup":
      return server.setGroup(request.connectionId, request.channelIds, request.groupId)
    case "changeExtranoncePrefix":
      return Effect.as(server.changeExtranoncePrefix(request.channel), undefined)
    case "closeChannel":
      return Effect.as(server.closeChannel(request.channel, request.reasonCode), undefined)
    case "reconnect":
      return Effect.as(server.reconnect(request.connectionId, request.to), undefined)
  }
}
