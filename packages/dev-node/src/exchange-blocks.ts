/** Two development nodes in one process as peers: each gets the other's blocks, and no transactions that wait. */
import { Effect, Stream } from "effect"
import type { Scope } from "effect"
import type { DevNodeCalls } from "./dev-node-calls.ts"
import { DevNodeOptionError } from "./dev-node.ts"

/**
 * Gives each node the blocks that the other has, and then every block that the other accepts, for as long as the Scope is open. The
 * mempools stay apart. Fails if the nodes' chains begin with different blocks.
 */
export const exchangeBlocks = Effect.fn("DevNode.exchangeBlocks")(function* (
  one: DevNodeCalls,
  other: DevNodeCalls
): Effect.fn.Return<void, DevNodeOptionError, Scope.Scope> {
  const [first, second] = [one, other].map(({ state }) => state.chain.genesis.id)
  if (first !== second) {
    const message = `two nodes exchange blocks only with the same bits and genesisTime; the first blocks are ${first} and ${second}`
    return yield* new DevNodeOptionError({ option: "genesisTime", message })
  }
  const tips = [yield* one.tip, yield* other.tip] as const
  yield* follow(one, other, tips[0].hash)
  yield* follow(other, one, tips[1].hash)
})

/** Gives the block and those before it, then each that is accepted from now on. */
const follow = Effect.fnUntraced(function* (from: DevNodeCalls, to: DevNodeCalls, tip: string) {
  const subscription = yield* from.subscribe
  yield* give(from, to, tip)
  yield* Stream.fromSubscription(subscription).pipe(
    Stream.runForEach((event) => (event._tag === "BlockAccepted" ? give(from, to, event.hash) : Effect.void)),
    Effect.forkScoped
  )
})

/** Submits a block, after those before it that the other node does not have. */
const give = (from: DevNodeCalls, to: DevNodeCalls, hash: string): Effect.Effect<void> => {
  const blocks: Array<Uint8Array> = []
  for (
    let at = from.state.chain.get(hash);
    at !== undefined && to.state.chain.get(at.id) === undefined;
    at = at.parent
  ) {
    // A block deeper than `keepBlocks` has only its header: the other node stays behind.
    if (at.block === undefined) break
    blocks.unshift(at.block.bytes)
  }
  return Effect.forEach(blocks, (block) => Effect.orDie(to.submitBlock(block)), { discard: true })
}
