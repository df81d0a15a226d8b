/** Blocks of declared jobs that workers find: the declarator, which has their transactions, is in the primary. */
import { type CustomBlock, DeclarationServer } from "@sluice/job-declaration"
import { Effect, FiberSet, Layer } from "effect"
import type { Link } from "./link.ts"
import type { Relay } from "./with-workers.ts"

/** Submits blocks in a worker. Completes with whether the declarator has the block's transactions. */
export const submitBlockBy =
  (link: Link) =>
  (block: CustomBlock): Effect.Effect<boolean> =>
    Effect.callback((resume) => link.submitBlock(block, (isKnown) => resume(Effect.succeed(isKnown))))

/** The primary's part: runs the declarator. */
export const relayBlocks = <E, R>(layer: Layer.Layer<DeclarationServer, E, R>) =>
  Effect.gen(function* () {
    const { submitFound } = yield* DeclarationServer
    const start = yield* FiberSet.makeRuntime<never, void>()
    const relay: Relay = {
      follow: () => Effect.void,
      receive: (worker, message) => {
        if (message._tag !== "DeclaredBlock") return
        const { block, id } = message
        start(Effect.map(submitFound(block), (isKnown) => worker.send({ _tag: "DeclaredBlockKnown", id, isKnown })))
      }
    }
    return relay
  }).pipe(Effect.provide(layer))
