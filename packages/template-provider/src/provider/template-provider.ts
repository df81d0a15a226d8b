/**
 * A Template Distribution server over a Bitcoin node (specification, section 7): the shell around `TemplateMachine`. A few
 * fibers watch the node, and each client has one that reads and one that writes. Clients stay connected while the node is away.
 */
import { NodeNotifications, NodeRpc } from "@sluice/node"
import { type Endpoint, makeThrottledLog, TemplateListener } from "@sluice/transport"
import { Clock, Context, Duration, Effect, Layer, PubSub, Stream } from "effect"
import { serveClient } from "./clients/client-session.ts"
import { makeNodeCheck } from "./node/node-check.ts"
import { watchHealth } from "./node/node-health.ts"
import { watchNode } from "./node/node-watch.ts"
import type { ClientQueue } from "./clients/client-queue.ts"
import { ProviderStats } from "./provider-stats.ts"
import { ACCEPTED, type TemplateProviderEvent, type TemplateProviderStats } from "./provider-event.ts"
import { makeSubmit } from "./blocks/submit-block.ts"
import { TemplateMachine } from "./templates/template-machine.ts"
import { makeTransactionLists } from "./clients/transaction-lists.ts"

export interface TemplateProviderOptions {
  /** A new template is sent when the block's fees have grown by more than this many satoshis; 1,000. */
  readonly feeDelta?: bigint
  /** How often the node is asked for better fees, and the shortest time between two templates of a tip; 30 seconds. */
  readonly interval?: Duration.Input
  /** After this time a template whose transactions have changed is replaced, whatever its fees; 5 minutes. */
  readonly renewAfter?: Duration.Input
  /**
   * Whether each client holds a template without transactions for the height after the current one. It is worked on from the
   * moment a block is announced until the node's template behind that block comes; true.
   */
  readonly emptyTemplates?: boolean
  /** The chain that the node has to be on, as Bitcoin Core names it (`main`, `regtest`, ...); any chain by default. */
  readonly chain?: string | undefined
  /**
   * How old the node's last answer may get, or how long the node may be behind the headers that it knows, before clients are
   * disconnected, so that they go to other providers; 10 minutes. After a fifth of it there is a warning.
   */
  readonly maxTemplateAge?: Duration.Input
  /** The directory that keeps blocks in files while no node is reachable; by default they are only in memory. */
  readonly blockDirectory?: string | undefined
  /** How long a client may take to send its first message after the setup; 10 seconds. */
  readonly constraintsTimeout?: Duration.Input
  /** How many answers of the node are kept for late solutions and requests, 100, and about how many bytes of them, 256 MiB. */
  readonly maxRetained?: number
  readonly maxRetainedBytes?: number
}

/** The defaults of options that operators set. */
export const templateProviderDefaults = {
  feeDelta: 1_000n,
  interval: Duration.seconds(30),
  maxTemplateAge: Duration.minutes(10)
} as const

export class TemplateProvider extends Context.Service<
  TemplateProvider,
  {
    readonly address: Endpoint
    /** Events from the moment of subscription on. A subscriber that is far behind misses the oldest. */
    readonly events: Stream.Stream<TemplateProviderEvent>
    readonly stats: Effect.Effect<TemplateProviderStats>
  }
>()("sluice/template-provider/TemplateProvider") {
  /** Serves as long as the layer lives. It starts without a node and waits for one. */
  static readonly layer = (
    options: TemplateProviderOptions = {}
  ): Layer.Layer<TemplateProvider, never, NodeRpc | NodeNotifications | TemplateListener> =>
    Layer.effect(this, make(options))
}

const make = Effect.fnUntraced(function* (options: TemplateProviderOptions) {
  const rpc = yield* NodeRpc
  const notifications = yield* NodeNotifications
  const listener = yield* TemplateListener
  const clock = yield* Clock.Clock
  const interval = Duration.toMillis(options.interval ?? templateProviderDefaults.interval)
  const machine = new TemplateMachine<ClientQueue>({
    firstTemplateId: BigInt(clock.currentTimeMillisUnsafe()) * TEMPLATES_PER_MILLISECOND,
    feeDelta: options.feeDelta ?? templateProviderDefaults.feeDelta,
    intervalMs: interval,
    renewAfterMs: Duration.toMillis(options.renewAfter ?? "5 minutes"),
    emptyTemplates: options.emptyTemplates ?? true,
    maxRetained: options.maxRetained ?? 100,
    maxRetainedBytes: options.maxRetainedBytes ?? 256 * 1024 * 1024
  })
  const stats = new ProviderStats()
  const throttled = yield* makeThrottledLog()
  const pubsub = yield* Effect.acquireRelease(PubSub.sliding<TemplateProviderEvent>(EVENT_BUFFER), PubSub.shutdown)
  const emit = (event: TemplateProviderEvent): void => {
    stats.count(event)
    // Not `publishUnsafe`, which drops the newest event. This drops the oldest, and a sliding PubSub never waits.
    Effect.runSync(PubSub.publish(pubsub, event))
  }

  const watch = yield* watchNode({
    rpc,
    notifications,
    machine,
    emit,
    throttled,
    intervalMs: interval,
    check: makeNodeCheck({ rpc, notifications, chain: options.chain, onChain: (chain) => machine.setChain(chain) })
  })
  const lists = yield* makeTransactionLists(watch.quiet, throttled)
  const { health, illness } = yield* watchHealth({
    rpc,
    answeredAt: watch.answeredAt,
    maxAgeMs: Duration.toMillis(options.maxTemplateAge ?? templateProviderDefaults.maxTemplateAge),
    throttled,
    emit
  })

  const submit = yield* makeSubmit({
    rpc,
    directory: options.blockDirectory,
    onVerdict: (event) => {
      emit(event)
      // Faster than the node's announcement, which then changes nothing.
      return event.verdict === ACCEPTED ? watch.follow(event.hash) : watch.wake
    }
  })

  yield* listener
    .run((connection) =>
      serveClient(connection, {
        machine,
        emit,
        submit,
        lists,
        stats,
        throttled,
        illness,
        constraintsTimeoutMs: Duration.toMillis(options.constraintsTimeout ?? "10 seconds")
      })
    )
    .pipe(
      Effect.catch((error) => Effect.logError(`The template provider has stopped serving: ${error.message}`)),
      Effect.forkScoped
    )

  return TemplateProvider.of({
    address: listener.address,
    events: Stream.fromPubSub(pubsub),
    stats: Effect.sync(() =>
      stats.snapshot({
        clients: machine.clientCount,
        isNodeReachable: watch.isReachable(),
        health: health(),
        height: machine.current?.height ?? 0
      })
    )
  })
})

/** Template numbers begin at the time of the start, so that they grow from one run to the next. */
const TEMPLATES_PER_MILLISECOND = 1_000n
const EVENT_BUFFER = 1_024
