/**
 * What a template provider does with its node: asks it for templates at intervals, and whenever something tells that there
 * may be a better one; long polls it as long as its announcements have not proved themselves; and turns an announced block
 * into SetNewPrevHash from the block's header alone.
 *
 * The header comes from `getblockheader`, one short call, or from the topic `rawblock`, which needs none, whichever is
 * there first. Where that was the raw block of late, the call is made when it does not come at once: to make one takes longer
 * than to wait for another message. The node is not asked for a template before: that takes its main lock for a long time,
 * and so does the end of a long poll, which is why there is none beside announcements that arrive.
 */
import { bitsHex, hashToDisplay, parseHeader } from "@sluice/bitcoin"
import {
  NodeBadAnswer,
  type NodeNotification,
  type NodeNotificationsStream,
  type NodeRpcCalls,
  NodeRpcError
} from "@sluice/node"
import type { Notices } from "@sluice/transport"
import { Clock, Effect, Latch, Option, Queue, Scope, Stream } from "effect"
import { explainFailure, tellUnconnected } from "./node-check.ts"
import type { Outbox } from "./outbox.ts"
import type { TemplateProviderEvent } from "./provider-event.ts"
import { RecentTimes } from "./recent-times.ts"
import type { NextBlockHeader } from "./next-block.ts"
import type { Answered, Change, TemplateMachine } from "./template-machine.ts"

export interface NodeWatchOptions {
  readonly rpc: NodeRpcCalls
  readonly notifications: NodeNotificationsStream
  readonly machine: TemplateMachine<Outbox>
  readonly emit: (event: TemplateProviderEvent) => void
  /** For failures that may come again and again. */
  readonly notices: Notices
  /** How often the node is asked without a reason. */
  readonly intervalMs: number
  /** Done before the first question, and again whenever the node was away. */
  readonly check: Effect.Effect<void, NodeRpcError>
}

export interface NodeWatch {
  /** Asks the node at once. */
  readonly wake: () => void
  /** A block is the node's tip, or may be; hash in display order. */
  readonly follow: (hash: string) => void
  /**
   * Waits until the templates behind a block that the node has announced are with the clients; not for ever, as the node may
   * be away meanwhile.
   */
  readonly quiet: Effect.Effect<void>
  readonly isReachable: () => boolean
  /** Milliseconds, when the node last answered with a template. */
  readonly answeredAt: () => number | undefined
}

/** Watches the node in the background of the Scope. */
export const watchNode = Effect.fnUntraced(function* (options: NodeWatchOptions) {
  const { check, emit, intervalMs, machine, notices, notifications, rpc } = options
  const clock = yield* Clock.Clock

  /** Any number of wakes before the node is asked are one. */
  const wakes = yield* Queue.sliding<void>(1)
  const wake = (): void => void Queue.offerUnsafe(wakes, undefined)
  const reachable = yield* Latch.make(false)
  let answeredAt: number | undefined
  /** A block that the node has announced and that no answer builds on yet. */
  let announced: { readonly hash: string; readonly at: bigint } | undefined
  /** Open while there is none. */
  const quiet = yield* Latch.make(true)
  const setAnnounced = (block: typeof announced): void => {
    announced = block
    if (block === undefined) quiet.openUnsafe()
    else quiet.closeUnsafe()
  }
  let longPollId: string | undefined

  /** Whether the node publishes whole blocks, which begin with their header. */
  let hasRawBlocks = false
  /** Whether the last header that was needed came with its whole block before the node had answered a call for it. */
  let isRawFirst = false

  /** Whether blocks are announced to us: then long polls would only be in the way. */
  const heard = yield* Latch.make(false)
  const unheard = yield* Latch.make(true)
  /** Whether blocks were taken back, or the node was away, since the last tip: the next one may be older, and not announced. */
  let hasMovedBack = false
  /** Whether a missing announcement was told since the last one. */
  let hasMissed = false
  const setHeard = (isHeard: boolean): void => {
    if (isHeard) {
      hasMissed = false
      unheard.closeUnsafe()
    } else heard.closeUnsafe()
    ;(isHeard ? heard : unheard).openUnsafe()
  }

  const { endpoints = [], isConnected } = notifications
  const scope = yield* Scope.Scope

  const deliver = ({ change, deliveries }: Answered<Outbox>, announcedAt: bigint | undefined) => {
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

  /** A block came without announcement. Where there is ZMQ, that is worth a line, unless the announcement was only late. */
  const missAnnouncement = (hash: string) =>
    Effect.sleep(LATE_MS).pipe(
      Effect.andThen(
        Effect.suspend(() => {
          if (Latch.isOpen(heard) || endpoints.length === 0 || hasMissed) return Effect.void
          // A node that has just started again: the connection comes back by itself, a few seconds after.
          if (endpoints.some((endpoint) => isConnected?.(endpoint) === false)) return Effect.void
          hasMissed = true
          return Effect.logWarning(
            `The node did not announce block ${hash} at ${endpoints.join(", ")}: check zmqpubhashblock and ` +
              `zmqpubsequence in bitcoin.conf, and that the port can be reached. Until then blocks are noticed by long polling`
          )
        })
      )
    )

  /** One question to the node, and its answer on the way to the clients. */
  const ask = Effect.fn("TemplateProvider.ask")(function* (poll?: string) {
    const isFirst = machine.current === undefined
    const request = machine.beginRequest()
    const source = yield* rpc.getBlockTemplate(poll === undefined ? {} : { longPollId: poll })
    const answered = yield* Effect.try({
      try: () => machine.onAnswer(source, request, clock.currentTimeMillisUnsafe()),
      catch: unreadable("getblocktemplate")
    })
    const { change } = answered
    answeredAt = clock.currentTimeMillisUnsafe()
    longPollId = source.longpollid
    const isAnnounced = announced?.hash === source.previousblockhash
    const announcedAt = isAnnounced ? announced?.at : undefined
    if (change === "outdated") wake()
    // Found without an announcement: it may come in a moment, and then they are heard again.
    if (change === "tip" && !isAnnounced) {
      setHeard(false)
      if (!isFirst && !hasMovedBack) yield* Effect.forkIn(missAnnouncement(source.previousblockhash), scope)
    }
    if (change === "tip") hasMovedBack = false
    const delivery = deliver(answered, announcedAt)
    if (isAnnounced || change === "tip") setAnnounced(undefined)
    yield* delivery
    // Behind the clients' fibers, which are about to send.
    yield* Effect.yieldNow
    machine.settle()
    return change
  })

  /** Until something wakes us, or `ms` have passed. */
  const rest = (ms: number) => Effect.timeoutOption(Queue.take(wakes), ms)

  const asking = Effect.gen(function* () {
    let delay = FIRST_RETRY_MS
    let isDown = false
    let tries = 0
    let told = { message: "", at: 0 }
    while (true) {
      const checked = Latch.isOpen(reachable) ? Effect.void : check
      const outcome = yield* checked.pipe(
        Effect.andThen(ask()),
        Effect.catch((error) => Effect.succeed(error))
      )
      if (typeof outcome === "string") {
        if (!Latch.isOpen(reachable)) {
          const { height } = machine.current!
          yield* Effect.logInfo(isDown ? "The node answers again" : "The node answers", { height })
          emit({ _tag: "NodeReachable", height })
          yield* reachable.open
        }
        isDown = false
        delay = FIRST_RETRY_MS
        // A node may announce a block a moment before it builds on it.
        tries = announced === undefined ? 0 : tries + 1
        if (tries > MAX_CATCH_UP_TRIES) setAnnounced(undefined)
        yield* lookBack
        yield* rest(announced === undefined && outcome !== "behind" ? intervalMs : FIRST_RETRY_MS)
      } else {
        isDown = true
        yield* reachable.close
        machine.onAway()
        const message = yield* explainFailure(rpc, outcome)
        const now = clock.currentTimeMillisUnsafe()
        if (delay < MAX_RETRY_MS || message !== told.message || now - told.at >= TELL_AGAIN_MS) {
          told = { message, at: now }
          yield* Effect.logWarning(`${message}. Trying again in ${delay / 1000} s`)
        }
        emit({ _tag: "NodeUnavailable", message })
        yield* rest(delay)
        delay = Math.min(delay * 2, MAX_RETRY_MS)
      }
    }
  })

  /** The same as announcements do, for a node without ZMQ or when they are lost. */
  const longPolling = Effect.gen(function* () {
    while (true) {
      yield* reachable.await
      yield* unheard.await
      if (longPollId === undefined) return
      const before = clock.currentTimeMillisUnsafe()
      const change: Change = yield* ask(longPollId).pipe(
        Effect.catch(({ message, reason }) => {
          // What ended it shows at once whether the node is still there; that nothing happened for an hour does not.
          if (reason._tag === "NodeTimeout") return Effect.as(Effect.logDebug(message), "none" as const)
          machine.onAway()
          wake()
          return Effect.as(notices.note("long poll", `A long poll failed: ${message}`, "Warn"), "none" as const)
        }),
        Effect.raceFirst(Effect.as(heard.await, "none" as const))
      )
      // A node that does not wait must not keep us busy.
      const took = clock.currentTimeMillisUnsafe() - before
      if (change !== "tip" && took < SHORTEST_LONG_POLL_MS) yield* Effect.sleep(SHORTEST_LONG_POLL_MS - took)
    }
  })

  const recent = new RecentTimes()

  /** So that the next header alone tells the median time past. */
  const lookBack = Effect.gen(function* () {
    const tip = machine.current?.source.previousblockhash
    if (tip === undefined || tip === recent.tip || !machine.isReady || !hasRawBlocks) return
    const headers = yield* rpc.getBlockHeaders(tip, RecentTimes.span)
    recent.extend(
      undefined,
      tip,
      headers.map(({ time }) => time)
    )
  }).pipe(
    Effect.catch(({ message }) =>
      notices.note("look back", `Blocks are followed by one call more each: ${message}`, "Warn")
    )
  )

  /** What the machine makes of a header; nothing, and a line in the log, where nothing can be worked on behind it. */
  const onHeader = (header: NextBlockHeader, method: string): Effect.Effect<Answered<Outbox>> =>
    Effect.try({
      try: () => machine.onHeader(header, clock.currentTimeMillisUnsafe()),
      catch: unreadable(method)
    }).pipe(
      Effect.catch(({ message }) =>
        Effect.as(notices.note("header", message, "Warn"), { change: "none", deliveries: [] } as const)
      )
    )

  /** The announced header itself, where it is known what it stands on. True if that is all that was needed. */
  const followHeader = Effect.fnUntraced(function* (hash: string, header: Uint8Array) {
    hasRawBlocks = true
    const { bits, previousHash, time } = parseHeader(header)
    const previousblockhash = hashToDisplay(previousHash)
    const mediantime = recent.medianBehind(previousblockhash, time)
    const height = machine.current?.height
    if (mediantime === undefined || height === undefined || !machine.isReady) return false
    const info = { hash, previousblockhash, height, bits: bitsHex(bits), mediantime, confirmations: 1 }
    const answered = yield* onHeader(info, "rawblock")
    if (answered.change !== "tip") return false
    recent.extend(previousblockhash, hash, [time])
    isRawFirst = true
    const at = announced?.hash === hash ? announced.at : clock.currentTimeNanosUnsafe()
    setAnnounced({ hash, at })
    yield* deliver(answered, at)
    wake()
    return true
  })

  /** Of several blocks only the last one can be the tip. */
  const blocks = yield* Queue.sliding<{ readonly hash: string; readonly at: bigint }>(1)

  /** SetNewPrevHash from an announcement and the header, and then the transactions. */
  const following = Effect.gen(function* () {
    const { at, hash } = yield* Queue.take(blocks)
    if (isRawFirst) yield* Effect.sleep(RAW_BLOCK_MS)
    if (machine.current?.source.previousblockhash === hash) return
    isRawFirst = false
    const header = yield* rpc.getBlockHeader(hash).pipe(
      Effect.timeoutOption(HEADER_TIMEOUT_MS),
      // Some nodes announce a block before they have it, and the template tells of it too.
      Effect.catch(({ message }) => Effect.as(notices.note("no header", message, "Debug"), Option.none()))
    )
    // The whole block may have come meanwhile: then a template is asked for already.
    if (machine.current?.source.previousblockhash === hash) return
    if (Option.isSome(header)) {
      yield* deliver(yield* onHeader(header.value, "getblockheader"), at)
      const { previousblockhash, time } = header.value
      if (previousblockhash !== undefined && previousblockhash === recent.tip) {
        recent.extend(previousblockhash, hash, [time])
      }
    }
    wake()
  }).pipe(Effect.forever)

  const follow = (hash: string): void => {
    if (machine.current?.source.previousblockhash === hash || announced?.hash === hash) return
    const block = { hash, at: clock.currentTimeNanosUnsafe() }
    setAnnounced(block)
    if (machine.isReady) Queue.offerUnsafe(blocks, block)
    else wake()
  }

  const onNotification = (notification: NodeNotification): Effect.Effect<unknown> | void => {
    switch (notification._tag) {
      // The node connects blocks before it announces the last one as its tip; while it is far behind, only the former.
      case "BlockConnected":
        if (!machine.isReady) return
        setHeard(true)
        return follow(hashToDisplay(notification.hash))
      case "NewBlock": {
        setHeard(true)
        const hash = hashToDisplay(notification.hash)
        const { header } = notification
        if (header === undefined) return follow(hash)
        return Effect.map(followHeader(hash, header), (isFollowed) => isFollowed || follow(hash))
      }
      case "Disconnected":
      case "Missed":
        setHeard(false)
        return wake()
      // Perhaps it has started again so quickly that no call found it away.
      case "Connected":
        machine.onAway()
        hasMovedBack = true
        return wake()
      case "BlockDisconnected":
        hasMovedBack = true
        return wake()
    }
  }

  yield* Effect.forkScoped(asking)
  yield* Effect.forkScoped(Effect.andThen(reachable.await, tellUnconnected(notifications)))
  yield* Effect.forkScoped(longPolling)
  yield* Effect.forkScoped(following)
  yield* notifications.events.pipe(
    Stream.runForEach((notification) => Effect.suspend(() => onNotification(notification) ?? Effect.void)),
    Effect.forkScoped
  )
  const watch: NodeWatch = {
    wake,
    follow,
    quiet: Effect.suspend(() =>
      Latch.isOpen(quiet) ? Effect.void : Effect.asVoid(Effect.timeoutOption(quiet.await, MAX_QUIET_MS))
    ),
    isReachable: () => Latch.isOpen(reachable),
    answeredAt: () => answeredAt
  }
  return watch
})

/** An answer that has the right form and makes no sense. */
const unreadable =
  (method: string) =>
  (error: unknown): NodeRpcError =>
    new NodeRpcError({
      node: "",
      method,
      reason: new NodeBadAnswer({ detail: error instanceof Error ? error.message : String(error) })
    })

const FIRST_RETRY_MS = 250
const MAX_RETRY_MS = 5_000
/** A failure that stays the same is logged this often. */
const TELL_AGAIN_MS = 60_000
const MAX_CATCH_UP_TRIES = 8
const MAX_QUIET_MS = 2_000
const SHORTEST_LONG_POLL_MS = 1_000
/** An announcement that comes later than this does not come. */
const LATE_MS = 5_000
/** From the first word of a block to the block itself, where that comes sooner than the answer to a call. */
const RAW_BLOCK_MS = 2
/** A header that takes longer does not come faster than a template. */
const HEADER_TIMEOUT_MS = 1_000
