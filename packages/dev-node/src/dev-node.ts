/**
 * The development node as a service: the pure chain and mempool of `development-chain.ts`, with the clock, made-up transactions,
 * long polling and a stream of events. `JsonRpcServer` and `ZmqPublisher` give it Bitcoin Core's interface over sockets;
 * `nodeRpc` and `nodeNotifications` give the same services within one process.
 */
import { Target } from "@sluice/core"
import {
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Layer,
  Option,
  PubSub,
  Random,
  Schedule,
  Schema,
  Stream
} from "effect"
import { assembleTemplate, RESERVED_WEIGHT } from "./chain/assemble-template.ts"
import { type BlockDecodeError } from "@sluice/bitcoin"
import { NodeNotifications, NodeRpc } from "@sluice/node"
import type { DevNodeCalls, ZmqNotification } from "./dev-node-calls.ts"
import { makeNodeNotifications, makeNodeRpc } from "./dev-node-in-memory.ts"
import { DevelopmentChain, type DevNodeEvent } from "./chain/development-chain.ts"
import type { JsonRpcError } from "./rpc/json-rpc-error.ts"
import { parseHash } from "./rpc/rpc-parameters.ts"

export interface DevNodeOptions {
  /** The compact target of all blocks; with retargeting, that of the first blocks and the easiest. Default `DEFAULT_BITS`. */
  readonly bits?: number | undefined
  /** Blocks after which the difficulty is adjusted (Core: 2,016). 0 means never. Default 0. */
  readonly retargetInterval?: number | undefined
  /** Seconds a block that an adjustment aims at. Default 600. */
  readonly targetSpacing?: number | undefined
  /** Made-up transactions that enter the mempool each second, from 0 to 1000. Default 2. */
  readonly transactionsPerSecond?: number | undefined
  /** The most waiting transactions. The node makes up none while the mempool is full. Default 1,000. */
  readonly maxMempoolTransactions?: number | undefined
  /** How many blocks below the tip keep their transactions, which is also the deepest possible reorganization. Default 288. */
  readonly keepBlocks?: number | undefined
  /** The most blocks on side branches. Default 100. */
  readonly maxSideBlocks?: number | undefined
  /** Blocks after which the subsidy of 50 coins halves. Default 210,000. */
  readonly halvingInterval?: number | undefined
  /** Time of the first block, in seconds since 1970. The node's clock never shows less. */
  readonly genesisTime?: number | undefined
  /** A long poll answers a new tip at once, and a changed mempool only after this time. Default 5 seconds. */
  readonly longPollFirstCheck?: Duration.Input | undefined
  /** The interval at which a long poll checks the mempool after that. Default 1 second. */
  readonly longPollNextChecks?: Duration.Input | undefined
}

/** About 4.2 million hashes a block: some seconds for two software threads. */
export const DEFAULT_BITS = 0x1e03ffff

/** An option of the development node is out of range. */
export class DevNodeOptionError extends Schema.TaggedError<DevNodeOptionError>("sluice/dev-node/DevNodeOptionError")(
  "DevNodeOptionError",
  { option: Schema.String, message: Schema.String }
) {}

export class DevNode extends Context.Service<DevNode, DevNodeCalls>()("sluice/dev-node/DevNode") {
  /** A development node with a new chain, which ends with the layer. */
  static readonly layer = (options: DevNodeOptions = {}): Layer.Layer<DevNode, DevNodeOptionError> =>
    Layer.effect(this, make(options))

  /** `NodeRpc` on the node, without a socket. */
  static readonly nodeRpc: Layer.Layer<NodeRpc, never, DevNode> = Layer.effect(
    NodeRpc,
    Effect.map(DevNode, makeNodeRpc)
  )

  /** `NodeNotifications` of the node, without a socket. */
  static readonly nodeNotifications: Layer.Layer<NodeNotifications, never, DevNode> = Layer.effect(
    NodeNotifications,
    Effect.map(DevNode, makeNodeNotifications)
  )

  /** A development node with the services that a template provider needs. */
  static readonly layerInMemory = (
    options: DevNodeOptions = {}
  ): Layer.Layer<DevNode | NodeRpc | NodeNotifications, DevNodeOptionError> =>
    Layer.mergeAll(this.nodeRpc, this.nodeNotifications).pipe(Layer.provideMerge(this.layer(options)))
}

const make = Effect.fnUntraced(function* (options: DevNodeOptions) {
  const { firstCheck, nextChecks, transactionsPerSecond, ...settings } = yield* checkOptions(options)
  const state = new DevelopmentChain(settings)
  const random = yield* Random.Random
  const startedAt = yield* Clock.currentTimeMillis
  const events = yield* Effect.acquireRelease(
    PubSub.sliding<DevNodeEvent>({ capacity: EVENT_BACKLOG }),
    PubSub.shutdown
  )
  const notifications = new Set<ReadonlyArray<ZmqNotification>>()
  let tipChange = Deferred.makeUnsafe<void>()

  const publish = (happened: ReadonlyArray<DevNodeEvent>): void => {
    // Not `publishUnsafe`, which drops the newest event when full; this drops the oldest. A sliding PubSub never waits.
    Effect.runSync(PubSub.publishAll(events, happened))
    if (happened.some(({ _tag }) => _tag === "TipChanged")) {
      Deferred.doneUnsafe(tipChange, Effect.void)
      tipChange = Deferred.makeUnsafe<void>()
    }
  }

  /** Runs a step of the pure chain at the current time. The step throws only `BlockDecodeError`. */
  const step = <A>(f: (now: number) => A): Effect.Effect<A, BlockDecodeError> =>
    Clock.clockWith((clock) =>
      Effect.try({
        try: () => f(Math.floor(clock.currentTimeMillisUnsafe() / 1000)),
        catch: (error) => error as BlockDecodeError
      })
    )

  const submitBlock = Effect.fn("DevNode.submitBlock")((block: Uint8Array) =>
    step((now) => {
      const outcome = state.submit(block, now)
      publish(outcome.events)
      return outcome.verdict
    })
  )

  const addTransaction = (transaction: Uint8Array, fee: bigint) =>
    step((now) => {
      const added = state.add(transaction, fee, now)
      if (typeof added === "string") return added
      publish([added])
      return null
    })

  const addMadeUpTransactions: DevNodeCalls["addMadeUpTransactions"] = (count, madeUp = {}) =>
    Clock.clockWith((clock) =>
      Effect.sync(() => {
        const now = Math.floor(clock.currentTimeMillisUnsafe() / 1000)
        const txids: Array<string> = []
        for (let i = 0; i < count; i++) {
          const added = state.addMadeUp(() => random.nextDoubleUnsafe(), now, madeUp.witness)
          if (added?._tag !== "TransactionAdded") break
          publish([added])
          txids.push(added.txid)
        }
        return txids
      })
    )

  const waitForChange = Effect.fnUntraced(function* (hash: string, updates: number) {
    let wait = firstCheck
    for (;;) {
      // Taken before the check of the tip, so that no change is missed in between.
      const change = tipChange
      if (state.chain.tip.id !== hash) return
      const changed = yield* Effect.timeoutOption(Deferred.await(change), wait)
      if (Option.isSome(changed) || state.mempool.updates !== updates) return
      wait = nextChecks
    }
  })

  const getBlockTemplate = Effect.fn("DevNode.getBlockTemplate")(function* (request?: {
    readonly longPollId?: string | undefined
  }) {
    if (request?.longPollId !== undefined) {
      const { hash, updates } = yield* parseLongPollId(request.longPollId)
      yield* waitForChange(hash, updates)
    }
    return yield* Clock.clockWith((clock) =>
      Effect.sync(() => {
        const template = assembleTemplate(state, Math.floor(clock.currentTimeMillisUnsafe() / 1000))
        const { transactions } = template
        const weight = transactions.reduce((total, each) => total + each.weight, RESERVED_WEIGHT)
        state.lastTemplate = { weight, transactions: transactions.length }
        return template
      })
    )
  })

  if (transactionsPerSecond > 0) {
    yield* addMadeUpTransactions(1).pipe(
      Effect.repeat(Schedule.spaced(Duration.millis(1000 / transactionsPerSecond))),
      Effect.forkScoped
    )
  }

  return DevNode.of({
    submitBlock,
    proposeBlock: (block) => step((now) => state.propose(block, now)),
    getBlockTemplate,
    addTransaction,
    addMadeUpTransactions,
    tip: Effect.sync(() => {
      const { header, height, id, medianTimePast } = state.chain.tip
      return { hash: id, height, time: header.time, medianTimePast }
    }),
    events: Stream.fromPubSub(events),
    subscribe: PubSub.subscribe(events),
    startedAt,
    state,
    advertise: (topics) =>
      Effect.acquireRelease(
        Effect.sync(() => notifications.add(topics)),
        () => Effect.sync(() => notifications.delete(topics))
      ),
    advertised: Effect.sync(() => [...notifications].flat())
  })
})

/** The most events that wait for one subscriber. */
const EVENT_BACKLOG = 4096

/** 14 November 2023, a round number. */
const GENESIS_TIME = 1_700_000_000

/** The most hashes of refused blocks to remember. */
const MAX_INVALID_BLOCKS = 1_000

const checkOptions = Effect.fnUntraced(function* (options: DevNodeOptions) {
  const inRange = Effect.fnUntraced(function* (
    option: keyof DevNodeOptions,
    value: number,
    least: number,
    most: number
  ) {
    if (value >= least && value <= most) return value
    const message = `${option} is a number from ${least} to ${most}; got ${value}`
    return yield* new DevNodeOptionError({ option, message })
  })
  const whole = Effect.fnUntraced(function* (option: keyof DevNodeOptions, value: number, least: number, most: number) {
    if (Number.isInteger(value)) return yield* inRange(option, value, least, most)
    return yield* new DevNodeOptionError({ option, message: `${option} is a whole number; got ${value}` })
  })
  const bits = yield* whole("bits", options.bits ?? DEFAULT_BITS, 0, 0xffffffff)
  if (!Target.nBitsToTarget(bits | 0, new Uint8Array(32), 0)) {
    return yield* new DevNodeOptionError({
      option: "bits",
      message:
        `bits is a compact target that is positive and below 2^256, for instance 1e03ffff; ` +
        `got ${bits.toString(16).padStart(8, "0")}`
    })
  }
  const checkRetargeting = Effect.gen(function* () {
    // A period of one block has no length: the block would be both its beginning and its end.
    const interval = yield* whole("retargetInterval", options.retargetInterval ?? 0, 0, 1_000_000)
    if (interval === 1) yield* inRange("retargetInterval", interval, 2, 1_000_000)
    const spacing = yield* whole("targetSpacing", options.targetSpacing ?? 600, 1, 1_000_000)
    return interval === 0 ? undefined : { interval, spacing }
  })
  return {
    bits,
    retargeting: yield* checkRetargeting,
    genesisTime: yield* whole("genesisTime", options.genesisTime ?? GENESIS_TIME, 0, 0xffffffff),
    halvingInterval: yield* whole("halvingInterval", options.halvingInterval ?? 210_000, 1, 0x7fffffff),
    keepBlocks: yield* whole("keepBlocks", options.keepBlocks ?? 288, 1, 1_000_000),
    maxSideBlocks: yield* whole("maxSideBlocks", options.maxSideBlocks ?? 100, 1, 10_000),
    maxInvalidBlocks: MAX_INVALID_BLOCKS,
    maxTransactions: yield* whole("maxMempoolTransactions", options.maxMempoolTransactions ?? 1_000, 0, 100_000),
    transactionsPerSecond: yield* inRange("transactionsPerSecond", options.transactionsPerSecond ?? 2, 0, 1_000),
    firstCheck: Duration.fromInputUnsafe(options.longPollFirstCheck ?? "5 seconds"),
    nextChecks: Duration.fromInputUnsafe(options.longPollNextChecks ?? "1 second")
  }
})

/** Parses Bitcoin Core's form: the tip's hash in display order, then the count of mempool changes. */
const parseLongPollId = (
  id: string
): Effect.Effect<{ readonly hash: string; readonly updates: number }, JsonRpcError> =>
  Effect.map(parseHash(id.slice(0, 64), "longpollid"), (hash) => ({
    hash,
    updates: Number.parseInt(id.slice(64), 10) || 0
  }))
