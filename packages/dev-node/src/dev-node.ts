/**
 * The development node as a service: the pure chain and mempool of `development-chain.ts`, with the clock, a trickle of
 * made-up transactions, long polling and a stream of events. `JsonRpcServer` and `ZmqPublisher` show it to the outside as
 * Bitcoin Core shows itself; in one process `nodeRpc` and `nodeNotifications` give the same services without sockets.
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
  /** The compact target of every block, or of the first ones and the easiest; `DEFAULT_BITS` unless told. */
  readonly bits?: number | undefined
  /** Blocks after which the difficulty is adjusted, as Core does after 2,016; 0, which is never, unless told. */
  readonly retargetInterval?: number | undefined
  /** Seconds that a block should take, which an adjustment aims at; 600 unless told. */
  readonly targetSpacing?: number | undefined
  /** Made-up transactions that enter the mempool each second, from 0 (none) to 1000; 2 unless told. */
  readonly transactionsPerSecond?: number | undefined
  /** Most transactions that wait; the trickle stops while there are so many. 1,000 unless told. */
  readonly maxMempoolTransactions?: number | undefined
  /** Blocks below the tip that keep their transactions, and the deepest fork that is followed; 288 unless told. */
  readonly keepBlocks?: number | undefined
  /** Most blocks on side branches; 100 unless told. */
  readonly maxSideBlocks?: number | undefined
  /** Blocks after which the subsidy of 50 coins halves; 210,000 unless told. */
  readonly halvingInterval?: number | undefined
  /** Time of the first block, in seconds since 1970, and the least that the node's clock shows. */
  readonly genesisTime?: number | undefined
  /** A long poll answers on a new tip at once; for a changed mempool only after this time. 5 seconds unless told. */
  readonly longPollFirstCheck?: Duration.Input | undefined
  /** And then looks again each time this has passed; 1 second unless told. */
  readonly longPollNextChecks?: Duration.Input | undefined
}

/** About 4.2 million hashes a block: some seconds for two threads of software. */
export const DEFAULT_BITS = 0x1e03ffff

/** An option of the development node is out of range. */
export class DevNodeOptionError extends Schema.TaggedError<DevNodeOptionError>("sluice/dev-node/DevNodeOptionError")(
  "DevNodeOptionError",
  { option: Schema.String, message: Schema.String }
) {}

export class DevNode extends Context.Service<DevNode, DevNodeCalls>()("sluice/dev-node/DevNode") {
  /** A development node with a chain of its own, which ends with the layer. */
  static readonly layer = (options: DevNodeOptions = {}): Layer.Layer<DevNode, DevNodeOptionError> =>
    Layer.effect(this, make(options))

  /** The node's calls without a socket. */
  static readonly nodeRpc: Layer.Layer<NodeRpc, never, DevNode> = Layer.effect(
    NodeRpc,
    Effect.map(DevNode, makeNodeRpc)
  )

  /** The node's announcements without a socket. */
  static readonly nodeNotifications: Layer.Layer<NodeNotifications, never, DevNode> = Layer.effect(
    NodeNotifications,
    Effect.map(DevNode, makeNodeNotifications)
  )

  /** A development node and, over it, what a template provider asks of any node. */
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
    // Not `publishUnsafe`: it drops the newest event where this lets the oldest go. A sliding PubSub never waits.
    Effect.runSync(PubSub.publishAll(events, happened))
    if (happened.some(({ _tag }) => _tag === "TipChanged")) {
      Deferred.doneUnsafe(tipChange, Effect.void)
      tipChange = Deferred.makeUnsafe<void>()
    }
  }

  /** One synchronous step of the pure chain at the present time; what it throws is a `BlockDecodeError`. */
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

  const addMadeUpTransactions = (count: number) =>
    Clock.clockWith((clock) =>
      Effect.sync(() => {
        const now = Math.floor(clock.currentTimeMillisUnsafe() / 1000)
        const txids: Array<string> = []
        for (let i = 0; i < count; i++) {
          const added = state.addMadeUp(() => random.nextDoubleUnsafe(), now)
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
      // Taken before the look at the tip, so that no change falls between the two.
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

/** Events that wait for one subscriber. */
const EVENT_BACKLOG = 4096

/** 14 November 2023, a round number. */
const GENESIS_TIME = 1_700_000_000

/** Most hashes of refused blocks that are remembered. */
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
    // One block is no period: its time would be its own beginning and end.
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

/** Bitcoin Core's form: the tip's hash in display order, then its count of mempool changes. */
const parseLongPollId = (
  id: string
): Effect.Effect<{ readonly hash: string; readonly updates: number }, JsonRpcError> =>
  Effect.map(parseHash(id.slice(0, 64), "longpollid"), (hash) => ({
    hash,
    updates: Number.parseInt(id.slice(64), 10) || 0
  }))
