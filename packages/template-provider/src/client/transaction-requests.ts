/** Requests for the transactions of templates (specification, section 7.4) that one provider has not answered yet. */
import { printable, type TemplateDistribution } from "@sluice/protocol"
import { Deferred, Effect } from "effect"
import { TransactionDataError } from "./template-source.ts"

type Answer = TemplateDistribution.RequestTransactionDataSuccess | TemplateDistribution.RequestTransactionDataError

/** An answer has up to 16 MB; no client asks for more at once. */
const MAX_WAITING = 16
const TIMEOUT = "30 seconds"

export class TransactionRequests {
  /** By the provider's template number. */
  readonly #waiting = new Map<
    bigint,
    Deferred.Deferred<TemplateDistribution.RequestTransactionDataSuccess, TransactionDataError>
  >()

  /** Asks for the transactions, once for all that wait for those of the same template. `send` writes the request. */
  request(
    templateId: bigint,
    send: (message: TemplateDistribution.RequestTransactionData) => Effect.Effect<void, unknown>
  ): Effect.Effect<TemplateDistribution.RequestTransactionDataSuccess, TransactionDataError> {
    return Effect.suspend(() => {
      const known = this.#waiting.get(templateId)
      if (known !== undefined) return Deferred.await(known)
      if (this.#waiting.size >= MAX_WAITING) {
        return Effect.fail(new TransactionDataError({ templateId, reason: "too-many-requests", detail: "" }))
      }
      const answer = Deferred.makeUnsafe<TemplateDistribution.RequestTransactionDataSuccess, TransactionDataError>()
      this.#waiting.set(templateId, answer)
      const fail = (reason: TransactionDataError["reason"]) =>
        Effect.asVoid(Deferred.fail(answer, new TransactionDataError({ templateId, reason, detail: "" })))
      return send({ _tag: "RequestTransactionData", templateId }).pipe(
        Effect.catch(() => fail("disconnected")),
        Effect.andThen(
          Effect.timeoutOrElse(Deferred.await(answer), {
            duration: TIMEOUT,
            orElse: () => Effect.andThen(fail("no-answer"), Deferred.await(answer))
          })
        ),
        Effect.ensuring(
          Effect.suspend(() => {
            if (this.#waiting.get(templateId) === answer) this.#waiting.delete(templateId)
            // Others that wait for the same answer are told, if the one that asked is interrupted.
            return fail("disconnected")
          })
        )
      )
    })
  }

  /** Takes an answer. One that nobody waits for is dropped. */
  answered(message: Answer): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { templateId } = message
      const waiting = this.#waiting.get(templateId)
      if (waiting === undefined) return Effect.void
      this.#waiting.delete(templateId)
      return Effect.asVoid(
        message._tag === "RequestTransactionData.Success"
          ? Deferred.succeed(waiting, message)
          : Deferred.fail(
              waiting,
              new TransactionDataError({ templateId, reason: "refused", detail: printable(message.errorCode) })
            )
      )
    })
  }

  /** The connection is lost. */
  readonly lost: Effect.Effect<void> = Effect.suspend(() => {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    return Effect.forEach(
      waiting,
      ([templateId, answer]) =>
        Deferred.fail(answer, new TransactionDataError({ templateId, reason: "disconnected", detail: "" })),
      { discard: true }
    )
  })
}
