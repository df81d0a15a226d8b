/** The interface of the development node, which `dev-node.ts` implements and its servers call. */
import type { BlockDecodeError } from "@sluice/bitcoin"
import type { BlockTemplate } from "@sluice/node"
import type { Effect, PubSub, Scope, Stream } from "effect"
import type { BlockVerdict } from "./chain/block-rules.ts"
import type { DevelopmentChain, DevNodeEvent } from "./chain/development-chain.ts"
import type { MempoolVerdict } from "./chain/mempool.ts"
import type { JsonRpcError } from "./rpc/json-rpc-error.ts"

/** The tip of the best branch. Hash in display order, times in seconds. */
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

/** The operations of `DevNode`. */
export interface DevNodeCalls {
  /** Submits a serialized block. Gives `null` if it is the new tip, or else the reason. */
  readonly submitBlock: (block: Uint8Array) => Effect.Effect<BlockVerdict | null, BlockDecodeError>
  /** Gives the verdict of `submitBlock` as if the block's hash met the target. */
  readonly proposeBlock: (block: Uint8Array) => Effect.Effect<BlockVerdict | null, BlockDecodeError>
  /**
   * `getblocktemplate`. With the `longPollId` of an earlier template, waits until the tip changes, or until the mempool has
   * changed and the first check is due. Fails with code -8 for an id that does not begin with a hash.
   */
  readonly getBlockTemplate: (request?: {
    readonly longPollId?: string | undefined
  }) => Effect.Effect<BlockTemplate, JsonRpcError>
  /**
   * Adds a serialized transaction with a declared fee in satoshis. Gives `null`, or the reason for the refusal. Other nodes accept
   * it in a block only if it spends what the nodes can check, as made-up transactions do.
   */
  readonly addTransaction: (
    transaction: Uint8Array,
    fee: bigint
  ) => Effect.Effect<MempoolVerdict | null, BlockDecodeError>
  /**
   * Adds this many made-up transactions now, with witness unless told; fewer if the mempool becomes full. Gives their txids
   * (display order). No other node has them before a block.
   */
  readonly addMadeUpTransactions: (
    count: number,
    options?: { readonly witness?: boolean }
  ) => Effect.Effect<ReadonlyArray<string>>
  readonly tip: Effect.Effect<DevNodeTip>
  /**
   * Events from the moment of subscription on, for any number of subscribers. A subscriber that falls 4,096 events behind
   * loses the oldest.
   */
  readonly events: Stream.Stream<DevNodeEvent>
  /** As `events`; subscribes before the effect returns. */
  readonly subscribe: Effect.Effect<PubSub.Subscription<DevNodeEvent>, never, Scope.Scope>
  /** When the node started, in milliseconds since 1970. */
  readonly startedAt: number
  /** Chain and mempool, for reading, and the node's condition, which a test may set. */
  readonly state: DevelopmentChain
  /** Lists published topics in `getzmqnotifications` while the Scope is open. */
  readonly advertise: (notifications: ReadonlyArray<ZmqNotification>) => Effect.Effect<void, never, Scope.Scope>
  readonly advertised: Effect.Effect<ReadonlyArray<ZmqNotification>>
}
