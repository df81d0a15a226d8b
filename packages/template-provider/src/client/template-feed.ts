/** Drives `TemplateSourceMemory.layer` in a test: what the provider sends, and what was sent to it. */
import type { TemplateDistribution } from "@sluice/protocol"
import { Context, type Effect, type Queue } from "effect"
import type { CoinbaseConstraints } from "../coinbase-constraints.ts"
import type { TemplateProtocolError } from "../protocol-error.ts"
import type { TemplateMessage, TemplateSourceState } from "./template-source.ts"

export class TemplateFeed extends Context.Service<
  TemplateFeed,
  {
    /** Gives these messages to all subscribers, as a provider would send them. Fails if a provider may not send them. */
    readonly publish: (messages: ReadonlyArray<TemplateMessage>) => Effect.Effect<void, TemplateProtocolError>
    /** The solutions that were submitted, in order. */
    readonly solutions: Queue.Dequeue<TemplateDistribution.SubmitSolution>
    /** The constraints that were set, in order. */
    readonly constraints: Queue.Dequeue<CoinbaseConstraints>
    /** Says which transactions a template has; none by default. `undefined` refuses a request for them. */
    readonly setTransactions: (
      lists: (templateId: bigint) => ReadonlyArray<Uint8Array> | undefined
    ) => Effect.Effect<void>
    /** `Connected` begins another connection, whose template ids may be those of the one before. */
    readonly setState: (state: TemplateSourceState) => Effect.Effect<void>
  }
>()("sluice/template-provider/TemplateFeed") {}
