/**
 * Where templates come from, as a pool sees it: the messages of one template provider (specification, section 7) as a
 * service. `TemplateClient.layer` takes them from providers over connections, `TemplateSourceMemory.layer` from a test.
 */
import type { TemplateDistribution } from "@sluice/protocol"
import { Context, type Effect, type Stream } from "effect"
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
  /** The state of the connection now, and then each change of it. */
  readonly state: Stream.Stream<TemplateSourceState>
}

export class TemplateSource extends Context.Service<TemplateSource, TemplateSourceCalls>()(
  "sluice/template-provider/TemplateSource"
) {}

/** The messages of a template provider that change the work. */
export type TemplateMessage = TemplateDistribution.NewTemplate | TemplateDistribution.SetNewPrevHash

/** `server` is the provider's address as people write it. */
export type TemplateSourceState =
  | { readonly _tag: "Connecting" }
  | { readonly _tag: "Connected"; readonly server: string }
  | { readonly _tag: "Disconnected"; readonly server: string; readonly reason: string }
