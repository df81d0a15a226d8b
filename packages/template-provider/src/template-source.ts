/**
 * Where templates come from, as a pool sees it: the messages of one template provider (specification, section 7) as a
 * service. `TemplateClient.layer` takes them from a provider over a connection; `TemplateSource.layerMemory` is driven
 * by a test.
 */
import type { TemplateDistribution } from "@sluice/protocol"
import { Context, Effect, Layer, type Stream } from "effect"
import { makeMemory, TemplateFeed } from "./template-source-memory.ts"

/** What `TemplateSource` offers. */
export interface TemplateSourceCalls {
  /**
   * NewTemplate and SetNewPrevHash in the order in which the provider sent them, in batches, without what makes no coinbase
   * or repeats the SetNewPrevHash in force. A SetNewPrevHash always names a future template that came since the one
   * before; where the provider's names another one, that template comes again in front of it. Each subscriber first
   * gets a replay of the current state in one batch: the templates that are still good, and the SetNewPrevHash in
   * force behind the template that it names. Nothing comes before the provider's first answer. It never ends and
   * never fails: while the connection is down nothing comes, and after a reconnection the provider's fresh state does.
   */
  readonly messages: Stream.Stream<TemplateMessage>
  /**
   * Sends a solution. While the connection is down it is kept and sent after the reconnection, for a limited number;
   * beyond that the oldest are dropped with an error in the log.
   */
  readonly submit: (solution: TemplateDistribution.SubmitSolution) => Effect.Effect<void>
  /** The state of the connection now, and then each change of it. */
  readonly state: Stream.Stream<TemplateSourceState>
}

export class TemplateSource extends Context.Service<TemplateSource, TemplateSourceCalls>()(
  "sluice/template-provider/TemplateSource"
) {
  /** A source without a provider, connected to `memory` from the start, and the feed that drives it. */
  static readonly layerMemory: Layer.Layer<TemplateSource | TemplateFeed> = Layer.effectContext(
    Effect.map(makeMemory, ({ feed, source }) => Context.make(this, source).pipe(Context.add(TemplateFeed, feed)))
  )
}

/** What a template provider tells about work. */
export type TemplateMessage = TemplateDistribution.NewTemplate | TemplateDistribution.SetNewPrevHash

export type TemplateSourceState =
  | { readonly _tag: "Connecting" }
  /** `server` is the provider's address as people write it. */
  | { readonly _tag: "Connected"; readonly server: string }
  | { readonly _tag: "Disconnected"; readonly server: string; readonly reason: string }
