/**
 * Drives a server with share sinks through random sequences of reads, commits, failures, new work, ends of connections and time, until it
 * stops or all is recorded. The sinks keep books of each share: a share is acknowledged once, in order, after it is recorded; statistics
 * count what is recorded; no answer and no new block waits for ever.
 *
 * `SLUICE_SEQUENCES` sets the number of sequences. `npm run soak` runs 10,000.
 */
import { assert, describe, it } from "@effect/vitest"
import { Pool, type PoolOptions } from "@sluice/pool"
import { GROUP_CHANNEL_ID, type ShareAccepted, u256FromBytes } from "@sluice/channels"
import { Mining } from "@sluice/protocol"
import { HASH_RATE, Miner, openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import { options, PoolAddress, poolStats, publish } from "@sluice/testing/pool-worlds"
import { ANY_TARGET, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { TemplateSourceMemory } from "@sluice/template-provider"
import { Memory, MiningListener, Plain, Setup } from "@sluice/transport"
import { Context, Effect, Exit, Fiber, Layer, Logger, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import type { MiningConnection } from "../src/connections/downstream.ts"
import { type MiningServerEvent, Recording, type ShareSink, ShareSinkError } from "../src/index.ts"

const SEQUENCES = Number(process.env["SLUICE_SEQUENCES"] ?? 300)
/** The server looks every half second which connections have waited for a second. */
const LONGEST_WAIT_MS = 1_500
const TO_FULL_DISK = new ShareSinkError({ message: "the disk is full" })

const kinds = [
  ...(["share", "share", "share", "share", "share", "shares", "bad share", "mixed", "many", "easy block"] as const),
  ...(["template", "block", "open", "open standard", "close"] as const),
  ...(["close by server", "refused action", "group", "update", "disconnect"] as const),
  ...(["commit", "commit", "commit", "commit", "cut", "fail", "overtake", "at once", "refuse"] as const),
  ...(["time", "time", "long time", "longer time"] as const)
]

/** Everything that must have happened in many sequences. */
const EVERYTHING =
  "together|late|failed|overtaken|stopped|grown|evicted|ended with open shares|standard share|group".split("|")
const seen = new Set<string>()

interface Share {
  readonly sequenceNumber: number
  state: "open" | "recorded" | "failed"
}

/** A sink whose shares go into one commit until it is cut. */
class Books implements ShareSink {
  /** The accepted shares by connection and channel, in order. */
  readonly shares = new Map<string, Array<Share>>()
  /** The commits that have not ended, the oldest first. */
  readonly commits: Array<{ readonly recording: Recording; readonly shares: Array<Share> }> = []
  /** What happens to the next shares in place of a commit. */
  next: "commit" | "at once" | "refuse" = "commit"
  readonly #failed = new Set<number>()
  readonly #connections = new Map<Recording, Set<number>>()
  /** Whether a commit ended before an older one. */
  isOvertaken = false
  #isCut = true

  readonly record = (accepted: ReadonlyArray<ShareAccepted>) =>
    Effect.callback<void, ShareSinkError>((resume) =>
      this.recordLater(accepted).onEnd((failure) => resume(failure === undefined ? Effect.void : Effect.fail(failure)))
    )

  readonly recordLater = (accepted: ReadonlyArray<ShareAccepted>): Recording => {
    const added = accepted.map(({ channel, sequenceNumber }) => {
      const share: Share = { sequenceNumber, state: "open" }
      this.of(channel.connectionId, channel.channelId).push(share)
      return share
    })
    const { connectionId } = accepted[0]!.channel
    const next = this.next
    this.next = "commit"
    if (next === "at once") {
      for (const share of added) share.state = "recorded"
      return Recording.done
    }
    if (next === "refuse") {
      for (const share of added) share.state = "failed"
      this.#failed.add(connectionId)
      return Recording.failed(TO_FULL_DISK)
    }
    if (this.#isCut || this.commits.length === 0) this.commits.push({ recording: new Recording(), shares: [] })
    this.#isCut = false
    const { recording, shares } = this.commits.at(-1)!
    if (shares.length > 0) seen.add("together")
    shares.push(...added)
    this.#connections.set(recording, (this.#connections.get(recording) ?? new Set()).add(connectionId))
    return recording
  }

  of(connectionId: number, channelId: number): Array<Share> {
    const key = `${connectionId} ${channelId}`
    const known = this.shares.get(key) ?? []
    this.shares.set(key, known)
    return known
  }

  cut(): void {
    this.#isCut = true
  }

  end(index: number, failure?: ShareSinkError): void {
    const [commit] = this.commits.splice(index, 1)
    if (commit === undefined) return
    if (index === this.commits.length) this.#isCut = true
    for (const share of commit.shares) share.state = failure === undefined ? "recorded" : "failed"
    if (failure !== undefined) for (const id of this.#connections.get(commit.recording)!) this.#failed.add(id)
    commit.recording.end(failure)
  }

  hasFailed(connectionId: number): boolean {
    return this.#failed.has(connectionId)
  }

  get recorded(): number {
    return [...this.shares.values()].flat().filter(({ state }) => state === "recorded").length
  }
}

/** A sink before the books, which get the shares when it is opened. */
class Gate implements ShareSink {
  #recording = Recording.done
  readonly record = () => Effect.die("the server prefers recordLater")
  readonly recordLater = (): Recording => {
    if (this.#recording.isEnded) this.#recording = new Recording()
    return this.#recording
  }

  get isOpen(): boolean {
    return this.#recording.isEnded
  }

  open(): void {
    this.#recording.end()
  }
}

const SINKS = {
  one: (books: Books) => [books],
  two: (books: Books, gate: Gate) => [gate, books],
  "one that the server waits for": ({ record }: Books) => [{ record }]
}

/** Answers the reads of a connection outside of its fiber, and writes at once, as TCP does. */
const withoutFiber = (connection: MiningConnection): MiningConnection => ({
  ...connection,
  each: (receiver) =>
    Effect.gen(function* () {
      const pull = yield* Stream.toPull(connection.receive)
      const next = Effect.forkChild(
        Effect.map(pull, (messages) => receiver.take(messages)),
        { startImmediately: true }
      )
      const read = Effect.flatMap(Effect.flatMap(next, Fiber.join), (rest) => rest ?? Effect.void)
      return yield* Effect.forever(read)
    }).pipe(
      Effect.scoped,
      Effect.catchTag("Done", () => Effect.never)
    ),
  sendNow: (messages) => Exit.isSuccess(Effect.runSyncExit(connection.send(messages)))
})

const LISTENERS = {
  "in fibers": Setup.server(MiningListener),
  "outside of fibers": Layer.effect(
    MiningListener,
    Effect.map(MiningListener, (listener) =>
      MiningListener.of({
        ...listener,
        run: (handler, setup) =>
          listener.run((connection, accepted) => handler(withoutFiber(connection), accepted), setup)
      })
    )
  ).pipe(Layer.provide(Setup.server(MiningListener)))
}

const worldOf = (listener: keyof typeof LISTENERS, fields: Partial<PoolOptions>) =>
  Pool.layer(options(fields)).pipe(
    Layer.provideMerge(TemplateSourceMemory.layer),
    Layer.provide(LISTENERS[listener]),
    Layer.provide(Plain.listener),
    Layer.provideMerge(Plain.dialer),
    Layer.provideMerge(Layer.succeed(PoolAddress, { ...Memory.ADDRESS, security: { _tag: "plain" } })),
    Layer.provide(Memory.network()),
    Layer.provide(Logger.layer([]))
  )

/** A miner with some channels, and what it has heard. */
class Peer {
  readonly id: number
  readonly client: TestClient
  readonly scope: Scope.Closeable
  readonly miners: Array<Miner> = []
  /** By channel, where it is not the first group. */
  readonly #groups = new Map<number, number>()
  readonly #acknowledged = new Map<number, number>()
  prevHash = 0
  /** Shares, good and bad ones. A good one may be stale. */
  sent = 0
  answers = 0
  asked = 0
  opened = 0
  hasEnded = false

  constructor(id: number, client: TestClient, scope: Scope.Closeable) {
    this.id = id
    this.client = client
    this.scope = scope
  }

  /** Hears all that has come. `commit` is the books' state now. */
  hear(message: Mining.ToClient, books: Books): void {
    switch (message._tag) {
      case "SubmitShares.Success": {
        const { channelId, lastSequenceNumber, newSubmitsAcceptedCount } = message
        const from = this.#acknowledged.get(channelId) ?? 0
        const shares = books.of(this.id, channelId).slice(from, from + newSubmitsAcceptedCount)
        assert.deepStrictEqual(
          shares.map(({ state }) => state),
          shares.map(() => "recorded"),
          "a share is acknowledged that is not recorded"
        )
        assert.strictEqual(shares.length, newSubmitsAcceptedCount, "shares are acknowledged that nobody accepted")
        assert.strictEqual(shares.at(-1)!.sequenceNumber, lastSequenceNumber, "shares are acknowledged out of order")
        if (newSubmitsAcceptedCount > 1) seen.add("grown")
        this.#acknowledged.set(channelId, from + newSubmitsAcceptedCount)
        this.answers += newSubmitsAcceptedCount
        return
      }
      case "SubmitShares.Error":
        this.answers++
        return
      case "SetNewPrevHash":
        this.prevHash = message.prevHash[0]!
        for (const miner of this.#addressed(message)) miner.receive(message)
        return
      case "NewExtendedMiningJob":
      case "NewMiningJob":
        for (const miner of this.#addressed(message)) miner.receive(message)
        return
      case "SetTarget":
        for (const miner of this.#addressed(message)) miner.target = u256FromBytes(message.maximumTarget)
        return
      case "SetGroupChannel":
        seen.add("group")
        for (const channelId of message.channelIds) this.#groups.set(channelId, message.groupChannelId)
        return
      case "OpenMiningChannel.Error":
        this.opened++
        return
      case "OpenExtendedMiningChannel.Success":
      case "OpenStandardMiningChannel.Success":
        this.opened++
        this.miners.push(new Miner(message))
        return
      case "CloseChannel": {
        const index = this.miners.findIndex(({ channelId }) => channelId === message.channelId)
        if (index >= 0) this.miners.splice(index, 1)
      }
    }
  }

  #addressed({ channelId }: { readonly channelId: number }): ReadonlyArray<Miner> {
    return this.miners.filter(
      (miner) => channelId === miner.channelId || channelId === (this.#groups.get(miner.channelId) ?? GROUP_CHANNEL_ID)
    )
  }

  /** How many shares of the connection are recorded and not acknowledged. */
  unanswered(books: Books): number {
    let count = 0
    for (const [key, shares] of books.shares) {
      const [connectionId, channelId] = key.split(" ").map(Number)
      if (connectionId === this.id) count += shares.length - (this.#acknowledged.get(channelId!) ?? 0)
    }
    return count
  }
}

const settle = TestClock.adjust(1)

const session = (
  sinks: keyof typeof SINKS,
  listener: keyof typeof LISTENERS,
  withinMs: number,
  steps: ReadonlyArray<number>,
  end: "stop" | "quiet"
) =>
  Effect.gen(function* () {
    const books = new Books()
    const gate = new Gate()
    const scope = yield* Scope.make()
    const clients = yield* Effect.scope
    const world = worldOf(listener, {
      shareSinks: SINKS[sinks](books, gate),
      acknowledgeWithin: withinMs,
      policy: { minHashRate: 1, maxSharesPerSecond: 10_000 }
    })
    const context = yield* Layer.buildWithScope(world, scope)
    const { closeChannel, events, setGroup } = Context.get(context, Pool)
    const told: Array<MiningServerEvent> = []
    yield* Effect.forkIn(
      Stream.runForEach(events, (event) => Effect.sync(() => told.push(event))),
      scope
    )
    const peers: Array<Peer> = []
    let connections = 0
    let block = 1
    let templates = 1
    let blockAt = 0
    let now = 0
    let longestOpen = 0
    let openFor = 0
    /** When a share was last on its way or in a sink. */
    let busyAt = 0

    const live = () => peers.filter(({ hasEnded }) => !hasEnded)
    const hearAll = Effect.gen(function* () {
      for (const peer of live()) {
        while ((yield* peer.client.waiting) > 0) {
          const next = yield* Effect.exit(peer.client.next)
          if (Exit.isSuccess(next)) peer.hear(next.value, books)
          else peer.hasEnded = true
          if (peer.hasEnded) break
        }
        // The end of a connection is no message.
        if (books.hasFailed(peer.id)) {
          seen.add("failed")
          const ended = yield* Effect.forkChild(Effect.exit(peer.client.next), { startImmediately: true })
          yield* settle
          assert.isDefined(ended.pollUnsafe(), "a connection whose shares could not be recorded goes on")
          peer.hasEnded = true
        }
      }
    })
    const pass = (ms: number) =>
      Effect.gen(function* () {
        yield* TestClock.adjust(ms)
        now += ms
        openFor = books.commits.length === 0 && gate.isOpen ? 0 : openFor + ms
        longestOpen = Math.max(longestOpen, openFor)
        if (openFor > LONGEST_WAIT_MS) seen.add("late")
        yield* hearAll
        if (openFor > 0) busyAt = now
        if (now - busyAt > withinMs + 10) {
          for (const peer of live())
            assert.strictEqual(peer.unanswered(books), 0, "an acknowledgement waits for nothing")
        }
        if (now - blockAt <= LONGEST_WAIT_MS + 10) return
        for (const peer of live()) if (peer.miners.length > 0) assert.strictEqual(peer.prevHash, block, "a block waits")
      })
    const publishBlock = Effect.gen(function* () {
      block++
      templates++
      blockAt = now
      yield* publish(futureTemplate(templates), newPrevHash(templates, { prevHash: new Uint8Array(32).fill(block) }))
    })
    const connect = Effect.gen(function* () {
      const own = yield* Scope.fork(clients)
      const id = ++connections
      const isStandard = id % 3 === 0
      const flags = isStandard ? Mining.REQUIRES_STANDARD_JOBS : 0
      const client = yield* Effect.provideService(TestClient.connect({ flags }), Scope.Scope, own)
      const peer = new Peer(id, client, own)
      peer.miners.push(yield* client.open((isStandard ? openStandard : openExtended)({ userIdentity: `user${id}` })))
      peer.prevHash = block
      peers.push(peer)
    })
    const disconnect = (peer: Peer) =>
      Effect.gen(function* () {
        if (books.commits.length > 0) seen.add("ended with open shares")
        yield* hearAll
        peer.hasEnded = true
        yield* Scope.close(peer.scope, Exit.void)
      })

    const run = (kind: (typeof kinds)[number], n: number) =>
      Effect.gen(function* () {
        const peer = live()[n % Math.max(1, live().length)]
        const miner = peer?.miners[n % peer.miners.length]
        if (peer === undefined) return yield* connect
        const send = (...messages: ReadonlyArray<Mining.ToServer>) => {
          busyAt = now
          return Effect.ignore(peer.client.send(...messages))
        }
        switch (kind) {
          case "share":
          case "shares":
          case "bad share":
          case "mixed":
          case "many": {
            if (miner === undefined) return
            const good = { share: 1, shares: 3, "bad share": 0, mixed: 2, many: 12 }[kind]
            const bad = kind === "mixed" || kind === "bad share" ? n % (good + 1) : -1
            const messages = Array.from({ length: bad < 0 ? good : good + 1 }, (_, index) =>
              miner.mine({ bad: index === bad })
            )
            peer.sent += messages.length
            if (miner.kind === "standard") seen.add("standard share")
            return yield* send(...messages)
          }
          case "open":
          case "open standard": {
            peer.asked++
            const request = kind === "open" ? openExtended : openStandard
            return yield* send(request({ requestId: n % 100, userIdentity: `user${peer.id}` }))
          }
          case "close":
            if (miner === undefined || n % 2 === 0) return
            if (peer.miners.length > 0) peer.miners.splice(peer.miners.indexOf(miner), 1)
            peer.sent++
            return yield* send(miner.mine(), { _tag: "CloseChannel", channelId: miner.channelId, reasonCode: "" })
          case "close by server":
            if (miner === undefined || n % 3 > 0) return
            return yield* Effect.ignore(closeChannel({ connectionId: peer.id, channelId: miner.channelId }, "test"))
          case "refused action":
            return yield* Effect.ignore(closeChannel({ connectionId: peer.id, channelId: 1_000_000 }, "test"))
          case "group":
            if (miner === undefined) return
            return yield* Effect.ignore(setGroup(peer.id, [miner.channelId]))
          case "update": {
            if (miner === undefined) return
            const { channelId } = miner
            const nominalHashRate = HASH_RATE * (1 + (n % 3))
            return yield* send({ _tag: "UpdateChannel", channelId, nominalHashRate, maximumTarget: ANY_TARGET })
          }
          case "disconnect":
            if (n % 2 === 0) return
            yield* disconnect(peer)
            return yield* connect
          case "template":
            return yield* publish(template(++templates))
          case "block":
          case "easy block":
            return yield* publishBlock
          case "commit":
            gate.open()
            return n % 4 === 0 ? undefined : books.end(0)
          case "cut":
            return books.cut()
          case "fail":
            if (n % 4 === 0) books.end(0, TO_FULL_DISK)
            return
          case "overtake":
            if (books.commits.length > 1) {
              seen.add("overtaken")
              books.isOvertaken = true
              books.end(1 + (n % (books.commits.length - 1)))
            }
            return
          case "at once":
          case "refuse":
            if (kind === "at once" || n % 4 === 0) books.next = kind
            return
          case "time":
            return yield* pass(20)
          case "long time":
            return yield* pass(250 + (n % 500))
          case "longer time":
            return yield* pass(n % 4 === 0 ? 2_500 : 800)
        }
      })

    yield* Effect.provideContext(
      Effect.gen(function* () {
        yield* publish(futureTemplate(1), newPrevHash(1))
        yield* connect
        yield* connect
        for (const one of steps) {
          yield* run(kinds[one % kinds.length]!, Math.floor(one / kinds.length))
          yield* pass(1)
        }
        books.next = "commit"
      }),
      context
    )

    const finish = Effect.gen(function* () {
      while (!gate.isOpen || books.commits.length > 0) {
        gate.open()
        books.end(0)
        yield* pass(1)
      }
    })
    if (end === "stop") {
      seen.add("stopped")
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      while (stopping.pollUnsafe() === undefined) {
        gate.open()
        books.end(0)
        yield* TestClock.adjust(100)
        yield* hearAll
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      yield* Fiber.join(stopping)
    } else {
      yield* finish
      yield* pass(3_000)
    }
    for (const peer of live()) {
      yield* hearAll
      if (books.hasFailed(peer.id)) continue
      assert.strictEqual(peer.unanswered(books), 0, "a recorded share is not acknowledged")
      assert.strictEqual(peer.answers, peer.sent, "a share has no answer")
      assert.strictEqual(peer.opened, peer.asked, "a request has no answer")
    }
    if (end === "stop") return
    const { accepted, users } = yield* Effect.provideContext(poolStats, context)
    assert.strictEqual(accepted, books.recorded, "statistics do not count what is recorded")
    const ofUsers = users.reduce((sum, user) => sum + user.accepted, 0)
    assert.strictEqual(ofUsers, books.recorded, "statistics of users do not count what is recorded")
    if (live().length < peers.length) seen.add("evicted")
    for (const peer of live()) yield* disconnect(peer)
    yield* pass(3_000)
    const { channels, connections: open } = yield* Effect.provideContext(poolStats, context)
    const { channels: counts } = yield* Context.get(context, Pool).stats
    assert.deepStrictEqual([open, channels.length, counts], [0, 0, { standard: 0, extended: 0 }])
    if (longestOpen < 900 && !books.isOvertaken) {
      assertOrder(told, (key) => books.hasFailed(Number(key.split(" ")[0])))
    }
    yield* Scope.close(scope, Exit.void)
  })

/** No share is told behind the end of its channel. */
const assertOrder = (told: ReadonlyArray<MiningServerEvent>, isExempt: (channel: string) => boolean): void => {
  const closed = new Set<string>()
  for (const event of told) {
    if (event._tag !== "ChannelClosed" && event._tag !== "ShareAccepted") continue
    const key = `${event.channel.connectionId} ${event.channel.channelId}`
    if (event._tag === "ChannelClosed") closed.add(key)
    else if (!isExempt(key)) assert.isFalse(closed.has(key), "a share is told behind the end of its channel")
  }
}

describe("a server whose shares are recorded in commits", () => {
  it(
    `acknowledges only what is recorded, once and in order, in ${SEQUENCES} random sequences`,
    { timeout: 900_000 },
    () =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...(Object.keys(SINKS) as Array<keyof typeof SINKS>)),
          fc.constantFrom(...(Object.keys(LISTENERS) as Array<keyof typeof LISTENERS>)),
          fc.constantFrom(0, 1_000),
          fc.array(fc.nat({ max: 0x7fffffff }), { minLength: 20, maxLength: 60, size: "max" }),
          fc.constantFrom("quiet", "quiet", "quiet", "stop"),
          (sinks, listener, withinMs, steps, end) =>
            Effect.runPromise(
              session(sinks, listener, withinMs, steps, end as "quiet" | "stop").pipe(
                Effect.scoped,
                Effect.provide(Layer.mergeAll(Logger.layer([]), TestClock.layer()))
              )
            )
        ),
        { numRuns: SEQUENCES }
      )
  )

  it("went through all cases in these sequences", () => {
    assert.deepStrictEqual(
      EVERYTHING.filter((one) => !seen.has(one)),
      []
    )
  })
})
