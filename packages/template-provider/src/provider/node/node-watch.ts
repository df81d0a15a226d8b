/**
 * Watches a template provider's node: the shell around `TipTracker`. One fiber asks the node for templates, at intervals and
 * when the tracker says so; one long polls it until its announcements have proved themselves; one gets headers; one listens to
 * the announcements.
 *
 * The node is not asked for a template before the header of an announced block is there: to make one holds the node's main
 * lock for a long time. So does the end of a long poll, which is why none runs while announcements arrive.
 */
import { NodeBadAnswer, type NodeNotificationsStream, type NodeRpcCalls, NodeRpcError } from "@sluice/node"
import type { ThrottledLog } from "@sluice/transport"
import { Clock, Effect, Latch, Option, Queue, Result, Scope, Stream } from "effect"
import type { ClientQueue } from "../clients/client-queue.ts"
import type { TemplateProviderEvent } from "../provider-event.ts"
import type { Answered, TemplateMachine } from "../templates/template-machine.ts"
import { explainFailure, warnUnconnected } from "./node-check.ts"
import { RecentTimes } from "./recent-times.ts"
import { FIRST_RETRY_MS, Retries } from "./retries.ts"
import { LATE_MS, type TipAction, TipTracker } from "./tip-tracker.ts"

export interface NodeWatchOptions {
  readonly rpc: NodeRpcCalls
  readonly notifications: NodeNotificationsStream
  readonly machine: TemplateMachine<ClientQueue>
  readonly emit: (event: TemplateProviderEvent) => void
  /** For failures that may come again and again. */
  readonly throttled: ThrottledLog
  /** How often the node is asked without a reason. */
  readonly intervalMs: number
  /** Runs before the first question, and again whenever the node was away. */
  readonly check: Effect.Effect<void, NodeRpcError>
}

export interface NodeWatch {
  /** Asks the node at once. */
  readonly wake: Effect.Effect<void>
  /** Follows a block that is the node's tip, or may be; hash in display order. */
  readonly follow: (hash: string) => Effect.Effect<void>
  /**
   * Waits until the clients have the templates behind a block that the node has announced; for a limited time, because the
   * node may be away meanwhile.
   */
  readonly quiet: Effect.Effect<void>
  readonly isReachable: () => boolean
  /** Milliseconds, when the node last answered with a template. */
  readonly answeredAt: () => number | undefined
}

/** Watches the node in the background of the Scope. */
export const watchNode = Effect.fnUntraced(function* (options: NodeWatchOptions) {
  const { check, emit, intervalMs, machine, throttled, notifications, rpc } = options
  const { endpoints = [], isConnected } = notifications
  const clock = yield* Clock.Clock
  const scope = yield* Scope.Scope
  const tracker = new TipTracker(machine)
  /** Any number of wakes before the node is asked are one. */
  const wakes = yield* Queue.sliding<void>(1)
  /** Of several announced blocks only the last one can be the tip. */
  const headers = yield* Queue.sliding<{ readonly hash: string; readonly at: bigint }>(1)
  const reachable = yield* Latch.make(false)
  const quiet = yield* Latch.make(true)
  const heard = yield* Latch.make(false)
  const unheard = yield* Latch.make(true)
  const now = () => clock.currentTimeMillisUnsafe()

  /**
   * Carries out actions. It must be called in the same turn as the tracker, so that clients get messages in the order in which
   * they were made; the effect does only what may wait.
   */
  const perform = (actions: ReadonlyArray<TipAction<ClientQueue>>): Effect.Effect<void> => {
    const effects = actions.map(begin)
    setLatches()
    return Effect.all(effects, { discard: true })
  }

  const setLatches = (): void => {
    setOpen(quiet, tracker.isQuiet)
    setOpen(heard, tracker.isHeard)
    setOpen(unheard, !tracker.isHeard)
  }

  const begin = (action: TipAction<ClientQueue>): Effect.Effect<unknown> => {
    switch (action._tag) {
      case "Ask":
        Queue.offerUnsafe(wakes, undefined)
        return Effect.void
      case "Deliver":
        return deliver(action.answered, action.announcedAt)
      case "GetHeader":
        Queue.offerUnsafe(headers, action)
        return Effect.void
      case "ExpectAnnouncement":
        // Without endpoints nothing is announced.
        return endpoints.length === 0 ? Effect.void : Effect.forkIn(expectAnnouncement(action.hash), scope)
      case "WarnUnannounced":
        return Effect.logWarning(
          `The node did not announce block ${action.hash} at ${endpoints.join(", ")}: check zmqpubhashblock and ` +
            `zmqpubsequence in bitcoin.conf, and that the port can be reached. Until then blocks are noticed by long polling`
        )
      case "WarnHeader":
        return throttled.log("header", unusable(action.method, action.detail).message, "Warn")
    }
  }

  const deliver = ({ change, deliveries }: Answered<ClientQueue>, announcedAt: bigint | undefined) => {
    if (change !== "tip" && change !== "fees" && change !== "full") return Effect.void
    for (const { client, messages } of deliveries) {
      if (change === "tip") client.putTip(messages, announcedAt)
      else client.putActive(messages)
    }
    for (const { client } of deliveries) {
      const ahead = client.holdsAhead ? machine.ahead(client) : undefined
      if (ahead !== undefined) client.putAhead(ahead)
    }
    const { height, transactionCount: transactions, value } = machine.current!
    emit({ _tag: "NewTemplate", cause: change, height, transactions, value, clients: deliveries.length })
    return Effect.logDebug("A new template", { cause: change, height, transactions, clients: deliveries.length })
  }

  const expectAnnouncement = (hash: string) =>
    Effect.suspend(() => {
      const areConnected = endpoints.every((endpoint) => isConnected?.(endpoint) !== false)
      return perform(tracker.onAnnouncementDue(hash, areConnected))
    }).pipe(Effect.delay(LATE_MS))

  /** Asks the node for a template, and puts what follows from its answer on the way to the clients. */
  const ask = Effect.fn("TemplateProvider.ask")(function* (longPollId?: string) {
    const request = machine.beginRequest()
    const source = yield* rpc.getBlockTemplate(longPollId === undefined ? {} : { longPollId })
    const answered = tracker.onAnswer(source, request, now())
    if (Result.isFailure(answered)) return yield* unusable("getblocktemplate", answered.failure)
    const { actions, change } = answered.success
    yield* perform(actions)
    // Behind the clients' fibers, which are about to send.
    yield* Effect.yieldNow
    machine.compact()
    return change
  })

  /** Waits until something wakes us, or `ms` have passed. */
  const rest = (ms: number) => Effect.timeoutOption(Queue.take(wakes), ms)

  const onAnswered = Effect.fnUntraced(function* (isBack: boolean) {
    const { height } = machine.current!
    yield* Effect.logInfo(isBack ? "The node answers again" : "The node answers", { height })
    emit({ _tag: "NodeReachable", height })
    yield* reachable.open
  })

  const onFailed = Effect.fnUntraced(function* (error: NodeRpcError, retries: Retries) {
    yield* reachable.close
    tracker.onAway()
    const message = yield* explainFailure(rpc, error)
    const { delayMs, isLogged } = retries.failed(message, now())
    if (isLogged) yield* Effect.logWarning(`${message}. Trying again in ${delayMs / 1000} s`)
    emit({ _tag: "NodeUnavailable", message })
    yield* rest(delayMs)
  })

  const asking = Effect.gen(function* () {
    const retries = new Retries()
    let hasFailed = false
    while (true) {
      const checked = Latch.isOpen(reachable) ? Effect.void : check
      const outcome = yield* Effect.result(Effect.andThen(checked, ask()))
      if (Result.isFailure(outcome)) {
        hasFailed = true
        yield* onFailed(outcome.failure, retries)
        continue
      }
      if (!Latch.isOpen(reachable)) yield* onAnswered(hasFailed)
      hasFailed = false
      retries.succeeded()
      yield* lookBack
      const isBehind = tracker.isBehind(outcome.success)
      setLatches()
      yield* rest(isBehind ? FIRST_RETRY_MS : intervalMs)
    }
  })

  /** Does what announcements do, for a node without ZMQ or while they are lost. */
  const longPolling = Effect.gen(function* () {
    while (true) {
      yield* reachable.await
      yield* unheard.await
      const { longPollId } = tracker
      if (longPollId === undefined) return
      const before = now()
      const change = yield* ask(longPollId).pipe(
        Effect.catch(onLongPollFailed),
        Effect.raceFirst(Effect.as(heard.await, "none" as const))
      )
      // A node that does not wait must not keep us busy.
      const took = now() - before
      if (change !== "tip" && took < SHORTEST_LONG_POLL_MS) yield* Effect.sleep(SHORTEST_LONG_POLL_MS - took)
    }
  })

  const onLongPollFailed = ({ message, reason }: NodeRpcError) => {
    // The end of the connection shows at once whether the node is still there; an hour without news does not.
    if (reason._tag === "NodeTimeout") return Effect.as(Effect.logDebug(message), "none" as const)
    tracker.onAway()
    Queue.offerUnsafe(wakes, undefined)
    return Effect.as(throttled.log("long poll", `A long poll failed: ${message}`, "Warn"), "none" as const)
  }

  const lookBack = Effect.gen(function* () {
    const tip = tracker.lookBackFrom
    if (tip === undefined) return
    const found = yield* rpc.getBlockHeaders(tip, RecentTimes.span)
    tracker.onTimes(
      tip,
      found.map(({ time }) => time)
    )
  }).pipe(
    Effect.catch(({ message }) =>
      throttled.log("look back", `Each block costs one more call until its predecessors are known: ${message}`, "Warn")
    )
  )

  const gettingHeaders = Effect.gen(function* () {
    const block = yield* Queue.take(headers)
    if (tracker.headerDelayMs > 0) yield* Effect.sleep(tracker.headerDelayMs)
    if (!tracker.needsHeader(block.hash)) return
    const header = yield* rpc.getBlockHeader(block.hash).pipe(
      Effect.timeoutOption(HEADER_TIMEOUT_MS),
      // Some nodes announce a block before they have it. The template tells of it too.
      Effect.catch(({ message }) => Effect.as(throttled.log("no header", message, "Debug"), Option.none()))
    )
    yield* perform(tracker.onHeader(block, Option.getOrUndefined(header), now()))
  }).pipe(Effect.forever)

  yield* Effect.forkScoped(asking)
  yield* Effect.forkScoped(Effect.andThen(reachable.await, warnUnconnected(notifications)))
  yield* Effect.forkScoped(longPolling)
  yield* Effect.forkScoped(gettingHeaders)
  yield* notifications.events.pipe(
    Stream.runForEach((notification) =>
      Effect.suspend(() => perform(tracker.onNotification(notification, clock.currentTimeNanosUnsafe(), now())))
    ),
    Effect.forkScoped
  )
  const watch: NodeWatch = {
    wake: Effect.sync(() => void Queue.offerUnsafe(wakes, undefined)),
    follow: (hash) => Effect.suspend(() => perform(tracker.onBlock(hash, clock.currentTimeNanosUnsafe()))),
    quiet: Effect.suspend(() =>
      Latch.isOpen(quiet) ? Effect.void : Effect.asVoid(Effect.timeoutOption(quiet.await, MAX_QUIET_MS))
    ),
    isReachable: () => Latch.isOpen(reachable),
    answeredAt: () => tracker.answeredAt
  }
  return watch
})

const setOpen = (latch: Latch.Latch, isOpen: boolean): void => {
  if (isOpen) latch.openUnsafe()
  else latch.closeUnsafe()
}

/** An answer that has the right form, but that no template can be made of. */
const unusable = (method: string, detail: string): NodeRpcError =>
  new NodeRpcError({ node: "", method, reason: new NodeBadAnswer({ detail }) })

const MAX_QUIET_MS = 2_000
const SHORTEST_LONG_POLL_MS = 1_000
/** A template comes sooner than a header that takes longer. */
const HEADER_TIMEOUT_MS = 1_000
