/** Follows the pool's blocks on the chain of a node: confirms them, and takes back what was settled for those that were left. */
import { hashToDisplay } from "@sluice/bitcoin"
import { NodeRpc, type NodeRpcError } from "@sluice/node"
import { Clock, Effect } from "effect"
import { Ledger } from "./ledger.ts"
import { type LedgerError, ledgerError } from "./ledger-error.ts"
import { type BlockState, readBlocks, type StoredBlock } from "./store/books.ts"

/** A block with this many confirmations is final: its coinbase may be spent. */
export const MATURITY = 100
/** A block that is not on the best chain is left when the chain is this much higher. */
const ORPHAN_DEPTH = 6

export interface BlockChange {
  readonly block: StoredBlock
  readonly state: BlockState
}

/** Looks at all blocks that are not final once, and gives those whose state has changed. */
export const followBlocks: Effect.Effect<
  ReadonlyArray<BlockChange>,
  LedgerError | NodeRpcError,
  Ledger | NodeRpc
> = Effect.gen(function* () {
  const ledger = yield* Ledger
  const rpc = yield* NodeRpc
  const { books, transact } = ledger
  const { blocks: tip } = yield* rpc.getBlockchainInfo
  const blocks = yield* Effect.mapError(readBlocks(ledger.sql), ledgerError(ledger.name))
  const changes: Array<BlockChange> = []
  for (const block of blocks) {
    if (block.state === "confirmed" || (block.state === "orphaned" && tip >= block.height + MATURITY)) continue
    const confirmations = yield* rpc.getBlockHeader(hashToDisplay(block.hash)).pipe(
      Effect.map(({ confirmations }) => confirmations),
      // The node never had the block.
      Effect.catchIf(isNotFound, () => Effect.succeed(-1))
    )
    const state = stateOf(block, confirmations, tip)
    if (state === undefined) continue
    const at = yield* Clock.currentTimeMillis
    const isChanged = yield* transact(
      Effect.gen(function* () {
        // Another process may look at the same chain.
        if ((yield* books.stateOf(block.id)) !== block.state) return false
        if (state === "orphaned") yield* books.reverse(block.id, at, "the block is not on the best chain")
        if (state === "restored") yield* books.reverse(block.id, at, "the block is on the best chain again")
        yield* books.setState(block.id, state, at)
        return true
      })
    )
    if (isChanged) changes.push({ block, state })
  }
  return changes
})

/** The new state of a block; undefined if it stays as it is. */
const stateOf = (block: StoredBlock, confirmations: number, tip: number): BlockState | undefined => {
  if (block.state === "orphaned") return confirmations > 0 ? "restored" : undefined
  if (confirmations >= MATURITY) return "confirmed"
  return confirmations <= 0 && tip >= block.height + ORPHAN_DEPTH ? "orphaned" : undefined
}

const isNotFound = ({ reason }: NodeRpcError): boolean => reason._tag === "NodeRefused" && reason.code === NOT_FOUND

/** RPC_INVALID_ADDRESS_OR_KEY. */
const NOT_FOUND = -5
