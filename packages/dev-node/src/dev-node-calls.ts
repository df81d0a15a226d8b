/** The interface of the development node, which `dev-node.ts` implements and its servers call. */
import type { BlockDecodeError } from "@sluice/bitcoin"
import type { BlockTemplate } from "@sluice/node"
import type { Effect, PubSub, Scope, Stream } from "effect"
import type { BlockVerdict } from "./chain/block-rules.ts"
import type { DevelopmentChain, DevNodeEvent } from "./chain/development-chain.ts"
import type { MempoolVerdict } from "./chain/mempool.ts"
import type { JsonRpcError } from "./rpc/json-rpc-error.ts"

/** The end of the best branch. Hash in display order, times in seconds. */
export interface DevNodeTip {
  readonly hash: string
  readonly height: number
  readonly time: number
  readonly medianTimePast: number
}

/** A ZMQ topic that the node publishes, as `getzmqnotifications` shows it. */
export interface ZmqNotification {
  readonly type: string
  readonly address: string
  readonly hwm: number
}

/** What `DevNode` offers. */
export interface DevNodeCalls {
  /** Submits a serialized block: `null` for the new tip, or the reason why it is not. */
  readonly submitBlock: (block: Uint8Array) => Effect.Effect<BlockVerdict | null, BlockDecodeError>
  /** What `submitBlock` would say if the block's hash met the target. */
  readonly proposeBlock: (block: Uint8Array) => Effect.Effect<BlockVerdict | null, BlockDecodeError>
  /**
   * `getblocktemplate`. With `longPollId` (of an earlier template) it waits until the tip is another, or the mempool has
   * changed and the first check is due. Fails with code -8 for an id that begins with no hash.
   */
  readonly getBlockTemplate: (request?: {
    readonly longPollId?: string | undefined
  }) => Effect.Effect<BlockTemplate, JsonRpcError>
  /** Adds a serialized transaction that is declared to pay `fee` satoshis: `null`, or the reason why it is refused. */
  readonly addTransaction: (
    transaction: Uint8Array,
    fee: bigint
  ) => Effect.Effect<MempoolVerdict | null, BlockDecodeError>
  /** Makes up so many transactions now, as the trickle does; fewer when the mempool gets full. Gives their txids. */
  readonly addMadeUpTransactions: (count: number) => Effect.Effect<ReadonlyArray<string>>
  readonly tip: Effect.Effect<DevNodeTip>
  /**
   * What happens from the moment of subscription on, to any number of subscribers. One that falls 4,096 events behind
   * loses the oldest.
   */
  readonly events: Stream.Stream<DevNodeEvent>
  /** The same, with the subscription made before the effect returns. */
  readonly subscribe: Effect.Effect<PubSub.Subscription<DevNodeEvent>, never, Scope.Scope>
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** Chain and mempool, to read; and its condition, which a test may set. */
  readonly state: DevelopmentChain
  /** Tells `getzmqnotifications` of topics that are published, for as long as the scope is open. */
  readonly advertise: (notifications: ReadonlyArray<ZmqNotification>) => Effect.Effect<void, never, Scope.Scope>
  readonly advertised: Effect.Effect<ReadonlyArray<ZmqNotification>>
}
