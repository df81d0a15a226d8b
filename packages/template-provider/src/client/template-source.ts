/**
 * Where templates come from, as a pool sees it: the messages of one template provider (specification, section 7) as a
 * service. `TemplateClient.layer` takes them from providers over connections, `TemplateSourceMemory.layer` from a test.
 */
import type { TemplateDistribution } from "@sluice/protocol"
import { Context, type Effect, Schema, type Stream } from "effect"
import type { CoinbaseConstraints } from "../coinbase-constraints.ts"

/** What `TemplateSource` offers. */
export interface TemplateSourceCalls {
  /**
   * NewTemplate and SetNewPrevHash in the order in which the provider sent them, in batches. Left out are templates that make
   * no coinbase, and a SetNewPrevHash that repeats the one in force. A SetNewPrevHash always names a future template that came
   * since the SetNewPrevHash before it; where the provider's names another template, that template comes again in front of it.
   *
   * Each subscriber first gets a replay of the current state in one batch: the templates that are still good, and the
   * SetNewPrevHash in force behind the template that it names. Nothing comes before the first `constrain` and the provider's
   * answer to it. The stream never ends and never fails: while the connection is down nothing comes, and after a reconnection
   * the provider's fresh state does. Template numbers may then begin anew.
   */
  readonly messages: Stream.Stream<TemplateMessage>
  /**
   * Says how much room the coinbase's outputs need: to all providers now, and to each one first thing after a reconnection.
   * The provider answers with a new future template and a SetNewPrevHash that names it; the templates that came before it are
   * made for the room before. Nothing is sent if the room is the same as before.
   */
  readonly constrain: (constraints: CoinbaseConstraints) => Effect.Effect<void>
  /**
   * Sends a solution. While the connection is down, a limited number of solutions is kept and sent after the reconnection;
   * beyond that the oldest are dropped with an error in the log.
   */
  readonly submit: (solution: TemplateDistribution.SubmitSolution) => Effect.Effect<void>
  /**
   * Asks the provider of a template for its transactions (7.4). Fails if the provider does not give them, or is lost before it
   * has answered. The bytes are not copied: they keep the provider's whole answer alive.
   */
  readonly transactions: (
    templateId: bigint
  ) => Effect.Effect<TemplateDistribution.RequestTransactionDataSuccess, TransactionDataError>
  /** The state of the connection now, and then each change of it. */
  readonly state: Stream.Stream<TemplateSourceState>
}

export class TemplateSource extends Context.Service<TemplateSource, TemplateSourceCalls>()(
  "sluice/template-provider/TemplateSource"
) {}

/** The transactions of a template are not to be had. */
export class TransactionDataError extends Schema.TaggedError<TransactionDataError>(
  "sluice/template-provider/TransactionDataError"
)("TransactionDataError", {
  templateId: Schema.BigInt,
  reason: Schema.Literals([
    /** The provider answered RequestTransactionData.Error; `detail` is its error code (7.6). */
    "refused",
    /** The connection to the template's provider ended, or there is none. */
    "disconnected",
    "no-answer",
    "too-many-requests"
  ]),
  detail: Schema.String
}) {
  override get message(): string {
    return `no transactions of template ${this.templateId}: ${this.reason}${this.detail === "" ? "" : ` (${this.detail})`}`
  }
}

/** The messages of a template provider that change the work. */
export type TemplateMessage = TemplateDistribution.NewTemplate | TemplateDistribution.SetNewPrevHash

/** `server` is the provider's address as people write it. */
export type TemplateSourceState =
  | { readonly _tag: "Connecting" }
  | { readonly _tag: "Connected"; readonly server: string }
  | { readonly _tag: "Disconnected"; readonly server: string; readonly reason: string }
