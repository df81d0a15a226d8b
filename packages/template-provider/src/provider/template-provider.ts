/**
 * A Template Distribution server over a Bitcoin node (specification, section 7): the shell around `TemplateMachine`. A few
 * fibers watch the node, and each client has one that reads and one that writes. While the node is away the clients stay.
 */
import { NodeNotifications, NodeRpc } from "@sluice/node"
import { type Endpoint, makeNotices, TemplateListener } from "@sluice/transport"
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
  /** Satoshis of fees that a block has to gain for a new template; 1,000. */
  readonly feeDelta?: bigint
  /** How often the node is asked for better fees, and the least time between two templates of a tip; 30 seconds. */
  readonly interval?: Duration.Input
  /** After this time a template whose transactions have changed is replaced, whatever its fees; 5 minutes. */
  readonly renewAfter?: Duration.Input
  /**
   * Whether each client holds a template without transactions for the block after the next, to work on from the moment
   * that block is announced until the node's template for it is there; true.
   */
  readonly emptyTemplates?: boolean
  /** The chain that the node has to be on, as Bitcoin Core names it (`main`, `regtest`, ...); any unless told. */
  readonly chain?: string | undefined
  /**
   * How old the node's last answer may get, or how long it may be behind the headers that it knows, before clients are
   * sent away to other providers; 10 minutes. After a fifth of it there is a warning.
   */
  readonly maxTemplateAge?: Duration.Input
  /** Where blocks are kept in files while no node is there to take them; without it only in memory. */
  readonly blockDirectory?: string | undefined
  /** How long a client may take to send its first message after the setup; 10 seconds. */
  readonly constraintsTimeout?: Duration.Input
  /** Answers of the node that are kept for late solutions and requests, 100, and about how many bytes, 256 MiB. */
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
    /** What happens from the moment of subscription on. */
    readonly events: Stream.Stream<TemplateProviderEvent>
    readonly stats: Effect.Effect<TemplateProviderStats>
  }
>()("sluice/template-provider/TemplateProvider") {
  /** Serves as long as the layer lives. It needs no node to start: it waits for one. */
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
  const notices = yield* makeNotices()
  const pubsub = yield* Effect.acquireRelease(PubSub.sliding<TemplateProviderEvent>(EVENT_BUFFER), PubSub.shutdown)
  const emit = (event: TemplateProviderEvent): void => {
    stats.count(event)
    // Not `publishUnsafe`: it drops the newest event where this lets the oldest go. A sliding PubSub never waits.
    Effect.runSync(PubSub.publish(pubsub, event))
  }

  const watch = yield* watchNode({
    rpc,
    notifications,
    machine,
    emit,
    notices,
    intervalMs: interval,
    check: makeNodeCheck({ rpc, notifications, chain: options.chain, onChain: (chain) => machine.setChain(chain) })
  })
  const lists = yield* makeTransactionLists(watch.quiet, notices)
  const { health, illness } = yield* watchHealth({
    rpc,
    answeredAt: watch.answeredAt,
    maxAgeMs: Duration.toMillis(options.maxTemplateAge ?? templateProviderDefaults.maxTemplateAge),
    notices,
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
        notices,
        illness,
        constraintsTimeoutMs: Duration.toMillis(options.constraintsTimeout ?? "10 seconds")
      })
    )
    .pipe(
      Effect.catch((error) => Effect.logError(`The template provider serves no longer: ${error.message}`)),
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

/** Numbers of templates begin at the time of the start, so that they grow from one start to the next. */
const TEMPLATES_PER_MILLISECOND = 1_000n
const EVENT_BUFFER = 1_024
