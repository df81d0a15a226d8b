/**
 * A Template Distribution server over a Bitcoin node (specification, section 7): the shell around `TemplateMachine`. One
 * fiber asks the node for templates, one long-polls it, one listens to its announcements, and each client has one that
 * reads and one that writes. While the node is away the clients stay.
 */
import {
  hashToDisplay,
  NodeBadAnswer,
  NodeNotifications,
  NodeRpc,
  NodeRpcError,
  type NodeNotification
} from "@sluice/bitcoin"
import { type Endpoint, TemplateListener } from "@sluice/transport"
import { Clock, Context, Duration, Effect, Latch, Layer, PubSub, Queue, Stream } from "effect"
import { serveClient } from "./client-session.ts"
import { Outbox } from "./outbox.ts"
import { ProviderStats } from "./provider-stats.ts"
import type { TemplateProviderEvent, TemplateProviderStats } from "./provider-event.ts"
import { makeSubmit } from "./submit-block.ts"
import { type Change, TemplateMachine } from "./template-machine.ts"

export interface TemplateProviderOptions {
  /** Satoshis of fees that a block has to gain for a new template; 1,000. */
  readonly feeDelta?: bigint
  /** How often the node is asked for better fees, and the least time between two templates of a tip; 30 seconds. */
  readonly interval?: Duration.Input
  /** After this time a template whose transactions have changed is replaced, whatever its fees; 5 minutes. */
  readonly renewAfter?: Duration.Input
  /** How long a client may take to send its first message after the setup; 10 seconds. */
  readonly constraintsTimeout?: Duration.Input
  /** Answers of the node that are kept for late solutions and requests, 100, and about how many bytes, 256 MiB. */
  readonly maxRetained?: number
  readonly maxRetainedBytes?: number
}

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
  const interval = Duration.toMillis(options.interval ?? "30 seconds")
  const machine = new TemplateMachine<Outbox>({
    firstTemplateId: BigInt(clock.currentTimeMillisUnsafe()) * TEMPLATES_PER_MILLISECOND,
    feeDelta: options.feeDelta ?? 1_000n,
    intervalMs: interval,
    renewAfterMs: Duration.toMillis(options.renewAfter ?? "5 minutes"),
    maxRetained: options.maxRetained ?? 100,
    maxRetainedBytes: options.maxRetainedBytes ?? 256 * 1024 * 1024
  })
  const stats = new ProviderStats()
  const pubsub = yield* Effect.acquireRelease(PubSub.sliding<TemplateProviderEvent>(EVENT_BUFFER), PubSub.shutdown)
  const emit = (event: TemplateProviderEvent): void => {
    stats.count(event)
    PubSub.publishUnsafe(pubsub, event)
  }

  /** Asks the node at once; any number of wakes before it does are one. */
  const wakes = yield* Queue.sliding<void>(1)
  const wake = (): boolean => Queue.offerUnsafe(wakes, undefined)
  const reachable = yield* Latch.make(false)
  /** A block that the node has announced and that no template builds on yet. */
  let announced: { readonly hash: string; readonly at: bigint } | undefined
  let longPollId: string | undefined

  /** One question to the node, and its answer on the way to the clients. */
  const ask = Effect.fn("TemplateProvider.ask")(function* (poll?: string) {
    const request = machine.beginRequest()
    const source = yield* rpc.getBlockTemplate(poll === undefined ? {} : { longPollId: poll })
    const { change, deliveries } = yield* Effect.try({
      try: () => machine.onAnswer(source, request, clock.currentTimeMillisUnsafe()),
      catch: unreadable
    })
    longPollId = source.longpollid
    if (change === "outdated") wake()
    if (change === "tip" || change === "fees") {
      const isTip = change === "tip"
      const announcedAt = isTip ? announced?.at : undefined
      for (const { client, frames } of deliveries) {
        if (isTip) client.putTip(frames, announcedAt)
        else client.putActive(frames)
      }
      const { height, source: template, value } = machine.current!
      const transactions = template.transactions.length
      emit({ _tag: "NewTemplate", cause: change, height, transactions, value, clients: deliveries.length })
      yield* Effect.logDebug("A new template", { cause: change, height, transactions, clients: deliveries.length })
    }
    if (announced?.hash === source.previousblockhash || change === "tip") announced = undefined
    return change
  })

  /** Until something wakes us, or `ms` have passed. */
  const rest = (ms: number) => Effect.timeoutOption(Queue.take(wakes), ms)

  const asking = Effect.gen(function* () {
    let delay = FIRST_RETRY_MS
    let isDown = false
    let tries = 0
    while (true) {
      const failure = yield* ask().pipe(
        Effect.as(undefined),
        Effect.catch((error) => Effect.succeed(error))
      )
      if (failure === undefined) {
        if (!Latch.isOpen(reachable)) {
          yield* Effect.logInfo(isDown ? "The node answers again" : "The node answers", {
            height: machine.current!.height
          })
          emit({ _tag: "NodeReachable", height: machine.current!.height })
          yield* reachable.open
        }
        isDown = false
        delay = FIRST_RETRY_MS
        // A node may announce a block a moment before it builds on it.
        tries = announced === undefined ? 0 : tries + 1
        if (tries > MAX_CATCH_UP_TRIES) announced = undefined
        yield* rest(announced === undefined ? interval : FIRST_RETRY_MS)
      } else {
        isDown = true
        yield* reachable.close
        yield* Effect.logWarning(`${failure.message}. Trying again in ${delay / 1000} s`)
        emit({ _tag: "NodeUnavailable", message: failure.message })
        yield* rest(delay)
        delay = Math.min(delay * 2, MAX_RETRY_MS)
      }
    }
  })

  /** The same as announcements do, for a node without ZMQ or when they are lost. */
  const longPolling = Effect.gen(function* () {
    while (true) {
      yield* reachable.await
      if (longPollId === undefined) return
      const before = clock.currentTimeMillisUnsafe()
      const change: Change = yield* ask(longPollId).pipe(
        Effect.catch(({ reason }) => {
          // What ended it shows at once whether the node is still there; that nothing happened for an hour does not.
          if (reason._tag !== "NodeTimeout") wake()
          return Effect.succeed("none" as const)
        })
      )
      // A node that does not wait must not keep us busy.
      const took = clock.currentTimeMillisUnsafe() - before
      if (change !== "tip" && took < SHORTEST_LONG_POLL_MS) yield* Effect.sleep(SHORTEST_LONG_POLL_MS - took)
    }
  })

  const onNotification = (notification: NodeNotification): void => {
    switch (notification._tag) {
      case "NewBlock": {
        const hash = hashToDisplay(notification.hash)
        if (machine.current?.source.previousblockhash === hash) return
        announced = { hash, at: clock.currentTimeNanosUnsafe() }
        wake()
        return
      }
      case "BlockDisconnected":
      case "Missed":
      case "Connected":
        wake()
    }
  }

  const submit = yield* makeSubmit(rpc, (event) => {
    emit(event)
    wake()
  })

  yield* asking.pipe(Effect.forkScoped)
  yield* longPolling.pipe(Effect.forkScoped)
  yield* notifications.events.pipe(
    Stream.runForEach((notification) => Effect.sync(() => onNotification(notification))),
    Effect.forkScoped
  )
  yield* listener
    .run((connection) =>
      serveClient(connection, {
        machine,
        emit,
        submit,
        stats,
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
        isNodeReachable: Latch.isOpen(reachable),
        height: machine.current?.height ?? 0
      })
    )
  })
})

/** An answer that has the form of a template and makes no sense. */
const unreadable = (error: unknown): NodeRpcError =>
  new NodeRpcError({
    node: "the node",
    method: "getblocktemplate",
    reason: new NodeBadAnswer({ detail: error instanceof Error ? error.message : String(error) })
  })

/** Numbers of templates begin at the time of the start, so that they grow from one start to the next. */
const TEMPLATES_PER_MILLISECOND = 1_000n
const EVENT_BUFFER = 1_024
const FIRST_RETRY_MS = 250
const MAX_RETRY_MS = 5_000
const MAX_CATCH_UP_TRIES = 8
const SHORTEST_LONG_POLL_MS = 1_000
