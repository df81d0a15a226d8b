import { assert, describe, it } from "@effect/vitest"
import { TemplateDistribution } from "@sluice/protocol"
import {
  type Connection,
  Memory,
  Plain,
  type ServerAddress,
  Setup,
  TemplateDialer,
  TemplateListener
} from "@sluice/transport"
import { Effect, Fiber, Layer, Logger, Metric, Option, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  TemplateClient,
  TemplateFeed,
  type TemplateMessage,
  TemplateSource,
  TemplateSourceMemory
} from "../src/index.ts"
import { RECORDED } from "./templates.ts"

const constraints = { coinbaseOutputMaxAdditionalSize: 43, coinbaseOutputMaxAdditionalSigops: 1 }

const server = (port: number): ServerAddress => ({ host: "memory", port, security: { _tag: "plain" } })

const newTemplate = (
  templateId: bigint,
  futureTemplate: boolean,
  fields: Partial<TemplateDistribution.NewTemplate> = {}
) =>
  TemplateDistribution.NewTemplate.make({
    templateId,
    futureTemplate,
    version: RECORDED.version,
    coinbaseTxVersion: 2,
    coinbasePrefix: new Uint8Array([1, 100]),
    coinbaseTxInputSequence: 0xfffffffe,
    coinbaseTxValueRemaining: 5_000_000_000n,
    coinbaseTxOutputsCount: 0,
    coinbaseTxOutputs: new Uint8Array(0),
    coinbaseTxLocktime: 99,
    merklePath: [],
    ...fields
  })

const setNewPrevHash = (templateId: bigint, fields: Partial<TemplateDistribution.SetNewPrevHash> = {}) =>
  TemplateDistribution.SetNewPrevHash.make({
    templateId,
    prevHash: new Uint8Array(32).fill(Number(templateId)),
    headerTimestamp: 1_700_000_000,
    nbits: 0x207fffff,
    target: new Uint8Array(32).fill(0xff),
    ...fields
  })

const solution = (templateId: bigint) =>
  TemplateDistribution.SubmitSolution.make({
    templateId,
    version: 0x20000000,
    headerTimestamp: 1_700_000_000,
    headerNonce: 7,
    coinbaseTx: new Uint8Array([1, 2, 3])
  })

type ProviderConnection = Connection<TemplateDistribution.ToServer, TemplateDistribution.ToClient>

/** A provider whose connections the test speaks for; what clients send is in `inbox`. */
const serve = Effect.fnUntraced(function* (network: Memory.Network, port: number) {
  const connections = yield* Queue.unbounded<{
    readonly connection: ProviderConnection
    readonly end: Effect.Effect<void>
  }>()
  const inbox = yield* Queue.unbounded<TemplateDistribution.ToServer>()
  const listener = yield* Layer.build(
    Setup.server(TemplateListener).pipe(
      Layer.provide(Plain.listener),
      Layer.provide(network.listener({ host: "memory", port }))
    )
  )
  const running = Effect.gen(function* () {
    const { run } = yield* TemplateListener
    return yield* run((connection) =>
      Effect.gen(function* () {
        const ended = yield* Queue.unbounded<void>()
        yield* Queue.offer(connections, { connection, end: Effect.asVoid(Queue.offer(ended, undefined)) })
        yield* Effect.raceFirst(
          Stream.runForEach(connection.receive, (message) => Queue.offer(inbox, message)),
          Queue.take(ended)
        )
      })
    )
  })
  yield* running.pipe(Effect.provide(listener), Effect.forkScoped)
  return { next: Queue.take(connections), received: Queue.take(inbox) }
})

const dialerOf = (network: Memory.Network) =>
  Setup.client(TemplateDialer).pipe(Layer.provide(Plain.dialer), Layer.provide(network.dialer))

const client = (network: Memory.Network, ...ports: ReadonlyArray<number>) => clientOf(ports, dialerOf(network))

const clientOf = (ports: ReadonlyArray<number>, dialer: Layer.Layer<TemplateDialer>) =>
  Effect.tap(sourceOf(ports, dialer), (source) => source.constrain(constraints))

/** A client that has not been told its constraints. */
const unconstrained = (network: Memory.Network, ...ports: ReadonlyArray<number>) => sourceOf(ports, dialerOf(network))

const sourceOf = (ports: ReadonlyArray<number>, dialer: Layer.Layer<TemplateDialer>) =>
  Effect.map(
    Layer.build(
      TemplateClient.layer({ servers: [server(ports[0] ?? 1), ...ports.slice(1).map(server)] }).pipe(
        Layer.provide(dialer)
      )
    ),
    (context) => Effect.provide(TemplateSource, context)
  ).pipe(Effect.flatten)

const collect = Effect.fnUntraced(function* (source: TemplateSource["Service"]) {
  const messages: Array<string> = []
  yield* source.messages.pipe(
    Stream.runForEach((message) => Effect.sync(() => messages.push(nameOf(message)))),
    Effect.forkScoped({ startImmediately: true })
  )
  return messages
})

/** The top byte tells providers apart. */
const nameOf = (message: TemplateMessage) => {
  const id = BigInt.asUintN(56, message.templateId)
  return message._tag === "SetNewPrevHash" ? `tip ${id}` : `${message.futureTemplate ? "future" : "template"} ${id}`
}

/** Why the source left its only provider. */
const leftBecause = (source: TemplateSource["Service"]) =>
  source.state.pipe(
    Stream.filter((state) => state._tag === "Disconnected"),
    Stream.runHead,
    Effect.map((state) => Option.getOrThrow(state).reason)
  )

/** How many templates this process has ignored so far. */
const ignoredTemplates = Effect.map(Metric.snapshot, (metrics) => {
  const found = metrics.find(({ id }) => id === "sluice_template_client_ignored_total")
  return found?.type === "Counter" ? Number(found.state.count) : 0
})

const settle = TestClock.adjust(0)
const quiet = Effect.provide(Logger.layer([]))

describe("a template client", () => {
  it.effect("sends its constraints at once and passes on what comes, in order", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const provider = yield* serve(network, 1)
      const source = yield* client(network, 1)
      const messages = yield* collect(source)
      const { connection } = yield* provider.next
      assert.deepStrictEqual(yield* provider.received, { _tag: "CoinbaseOutputConstraints", ...constraints })
      yield* connection.send([newTemplate(1n, true), setNewPrevHash(1n)])
      yield* connection.send([newTemplate(2n, false)])
      yield* settle
      assert.deepStrictEqual(messages, ["future 1", "tip 1", "template 2"])
    }).pipe(Effect.scoped, quiet)
  )

  it.effect("connects to no provider before the first constraints", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const provider = yield* serve(network, 1)
      const source = yield* unconstrained(network, 1)
      const connected = yield* Effect.forkChild(provider.next)
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(connected.pollUnsafe())
      yield* source.constrain(constraints)
      yield* Fiber.join(connected)
      assert.deepStrictEqual(yield* provider.received, { _tag: "CoinbaseOutputConstraints", ...constraints })
    }).pipe(Effect.scoped, quiet)
  )

  it.effect("sends changed constraints to all providers and after a reconnection, and the same ones only once", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const [first, second] = [yield* serve(network, 1), yield* serve(network, 2)]
      const source = yield* client(network, 1, 2)
      const { end } = yield* first.next
      yield* second.next
      for (const { received } of [first, second]) {
        assert.deepStrictEqual(yield* received, { _tag: "CoinbaseOutputConstraints", ...constraints })
      }
      yield* settle
      const more = { ...constraints, coinbaseOutputMaxAdditionalSize: 86 }
      const most = { ...constraints, coinbaseOutputMaxAdditionalSize: 129 }
      for (const next of [{ ...constraints }, more, { ...more }, most]) yield* source.constrain(next)
      for (const { received } of [first, second]) {
        assert.deepStrictEqual(yield* received, { _tag: "CoinbaseOutputConstraints", ...more })
        assert.deepStrictEqual(yield* received, { _tag: "CoinbaseOutputConstraints", ...most })
      }
      yield* end
      yield* TestClock.adjust("1 seconds")
      yield* first.next
      assert.deepStrictEqual(yield* first.received, { _tag: "CoinbaseOutputConstraints", ...most })
    }).pipe(Effect.scoped, quiet)
  )

  it.effect("gives each later subscriber the state in one batch, and no message twice", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const provider = yield* serve(network, 1)
      const source = yield* client(network, 1)
      const { connection } = yield* provider.next
      yield* connection.send([newTemplate(1n, true)])
      yield* settle
      const before = yield* collect(source)
      yield* connection.send([
        setNewPrevHash(1n),
        newTemplate(2n, false),
        newTemplate(3n, false),
        newTemplate(4n, true)
      ])
      yield* settle
      const [batch] = yield* source.messages.pipe(
        Stream.mapArray((batch) => [batch] as const),
        Stream.take(1),
        Stream.runCollect
      )
      assert.deepStrictEqual(batch!.map(nameOf), ["future 1", "tip 1", "template 3", "future 4"])
      const after = yield* collect(source)
      yield* connection.send([setNewPrevHash(4n)])
      yield* settle
      assert.deepStrictEqual(before, ["future 1", "tip 1", "template 2", "template 3", "future 4", "tip 4"])
      assert.deepStrictEqual(after, ["future 1", "tip 1", "template 3", "future 4", "tip 4"])
    }).pipe(Effect.scoped, quiet)
  )

  it.effect("connects again, to the next provider in the list, and begins with that provider's state", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const [first, second] = [yield* serve(network, 1), yield* serve(network, 2)]
      const source = yield* client(network, 1, 2)
      const messages = yield* collect(source)
      const states: Array<string> = []
      yield* source.state.pipe(
        Stream.runForEach((state) => Effect.sync(() => states.push(state._tag))),
        Effect.forkScoped({ startImmediately: true })
      )
      const { connection, end } = yield* first.next
      yield* connection.send([newTemplate(9n, true), setNewPrevHash(9n)])
      yield* settle
      yield* end
      yield* TestClock.adjust("1 seconds")
      const again = yield* second.next
      assert.deepStrictEqual(yield* second.received, { _tag: "CoinbaseOutputConstraints", ...constraints })
      yield* again.connection.send([newTemplate(3n, true), setNewPrevHash(3n)])
      yield* settle
      assert.deepStrictEqual(messages, ["future 9", "tip 9", "future 3", "tip 3"])
      assert.deepStrictEqual(states, ["Connecting", "Connected", "Connected"])
      assert.deepStrictEqual(yield* collect(source), ["future 3", "tip 3"])
    }).pipe(Effect.scoped, quiet)
  )

  it.effect("goes on at once with the state of another connected provider when the one in use is lost", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const [first, second] = [yield* serve(network, 1), yield* serve(network, 2)]
      const source = yield* client(network, 1, 2)
      const messages = yield* collect(source)
      const preferred = yield* first.next
      const other = yield* second.next
      yield* preferred.connection.send([newTemplate(1n, true), setNewPrevHash(1n)])
      yield* other.connection.send([newTemplate(1n, true), setNewPrevHash(1n), newTemplate(2n, false)])
      yield* settle
      assert.deepStrictEqual(messages, ["future 1", "tip 1"])
      yield* preferred.end
      yield* settle
      assert.deepStrictEqual(messages.splice(0), ["future 1", "tip 1", "future 1", "tip 1", "template 2"])
      // The preferred one is used again when it has been there for a minute.
      yield* TestClock.adjust("1 second")
      const again = yield* first.next
      yield* again.connection.send([newTemplate(7n, true), setNewPrevHash(7n)])
      yield* other.connection.send([newTemplate(3n, false)])
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(messages.splice(0), ["template 3"])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(messages, ["future 7", "tip 7"])
    }).pipe(Effect.scoped, quiet)
  )

  it.effect(
    "asks the provider of a template for its transactions, once for all who want them, and gives them with its own number",
    () =>
      Effect.gen(function* () {
        const network = Memory.make()
        const [first, second] = [yield* serve(network, 1), yield* serve(network, 2)]
        const source = yield* client(network, 1, 2)
        const [{ end }, { connection }] = [yield* first.next, yield* second.next]
        yield* end
        yield* second.received
        yield* connection.send([newTemplate(1n, true), setNewPrevHash(1n)])
        yield* settle
        const ids = yield* source.messages.pipe(
          Stream.take(1),
          Stream.map(({ templateId }) => templateId),
          Stream.runCollect
        )
        const [id] = ids
        const asking = yield* Effect.forkChild(
          Effect.all([source.transactions(id!), source.transactions(id!)], { concurrency: 2 })
        )
        assert.deepStrictEqual(yield* second.received, { _tag: "RequestTransactionData", templateId: 1n })
        const answer = { excessData: new Uint8Array(0), transactionList: [Uint8Array.of(1, 2)] }
        yield* connection.send([TemplateDistribution.RequestTransactionDataSuccess.make({ templateId: 1n, ...answer })])
        const answers = yield* Fiber.join(asking)
        assert.deepStrictEqual(
          answers.map(({ templateId, transactionList }) => [templateId, transactionList.map((one) => one.length)]),
          [
            [id!, [2]],
            [id!, [2]]
          ]
        )
        // It asks again for what was answered.
        const again = yield* Effect.forkChild(Effect.flip(source.transactions(id!)))
        yield* second.received
        yield* connection.send([
          TemplateDistribution.RequestTransactionDataError.make({ templateId: 1n, errorCode: "stale-template-id" })
        ])
        assert.strictEqual(
          (yield* Fiber.join(again)).message,
          "no transactions of template 1: refused (stale-template-id)"
        )
      }).pipe(Effect.scoped, quiet)
  )

  it.effect(
    "fails a request for transactions when the provider is lost, or does not answer, and asks for a limited number at once",
    () =>
      Effect.gen(function* () {
        const network = Memory.make()
        const provider = yield* serve(network, 1)
        const source = yield* client(network, 1)
        const { connection, end } = yield* provider.next
        yield* connection.send([newTemplate(1n, true), setNewPrevHash(1n)])
        yield* settle
        const silent = yield* Effect.forkChild(Effect.flip(source.transactions(1n)))
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* Fiber.join(silent)).reason, "no-answer")
        const waiting = yield* Effect.forEach(Array.from({ length: 16 }), (_, index) =>
          Effect.forkChild(Effect.flip(source.transactions(BigInt(index + 1))))
        )
        yield* settle
        assert.strictEqual((yield* Effect.flip(source.transactions(99n))).reason, "too-many-requests")
        yield* end
        yield* settle
        for (const each of waiting) assert.strictEqual((yield* Fiber.join(each)).reason, "disconnected")
        assert.strictEqual((yield* Effect.flip(source.transactions(1n))).reason, "disconnected")
      }).pipe(Effect.scoped, quiet)
  )

  it.effect("sends a solution to the provider of its template, with that provider's number", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const [first, second] = [yield* serve(network, 1), yield* serve(network, 2)]
      const source = yield* client(network, 1, 2)
      const ids: Array<bigint> = []
      yield* source.messages.pipe(
        Stream.runForEach((message) => Effect.sync(() => ids.push(message.templateId))),
        Effect.forkScoped({ startImmediately: true })
      )
      const [preferred, other] = [yield* first.next, yield* second.next]
      yield* first.received
      yield* second.received
      for (const { connection } of [preferred, other])
        yield* connection.send([newTemplate(1n, true), setNewPrevHash(1n)])
      yield* settle
      yield* preferred.end
      yield* settle
      assert.strictEqual(new Set(ids).size, 2)
      const [ofFirst, ofSecond] = [ids[0]!, ids.at(-1)!]
      yield* source.submit(solution(ofSecond))
      assert.deepStrictEqual(yield* second.received, solution(1n))
      // The other one is kept until its provider is back.
      yield* source.submit(solution(ofFirst))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* first.received)._tag, "CoinbaseOutputConstraints")
      assert.deepStrictEqual(yield* first.received, solution(1n))
    }).pipe(Effect.scoped, quiet)
  )

  it.effect("keeps solutions while it is not connected, the newest sixteen, and sends them then", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const source = yield* client(network, 1)
      for (let id = 1n; id <= 20n; id++) yield* source.submit(solution(id))
      const provider = yield* serve(network, 1)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* provider.received)._tag, "CoinbaseOutputConstraints")
      for (let id = 5n; id <= 20n; id++) {
        const received = yield* provider.received
        assert.strictEqual(received._tag === "SubmitSolution" && received.templateId, id)
      }
      yield* source.submit(solution(21n))
      assert.deepStrictEqual(yield* provider.received, solution(21n))
    }).pipe(Effect.scoped, quiet)
  )

  it.effect("sends a solution that comes while the kept ones are being sent", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      let whileSending: Effect.Effect<void> = Effect.void
      const source = yield* clientOf(
        [1],
        Layer.effect(
          TemplateDialer,
          Effect.map(TemplateDialer, ({ dial }) => ({
            dial: (to: ServerAddress) =>
              Effect.map(dial(to), (connection) => ({
                ...connection,
                send: (messages: ReadonlyArray<TemplateDistribution.ToServer>) => {
                  const isKept = messages.some(
                    (message) => message._tag === "SubmitSolution" && message.templateId === 1n
                  )
                  return Effect.andThen(isKept ? whileSending : Effect.void, connection.send(messages))
                }
              }))
          }))
        ).pipe(Layer.provide(dialerOf(network)))
      )
      yield* source.submit(solution(1n))
      whileSending = source.submit(solution(2n))
      const provider = yield* serve(network, 1)
      const received: Array<string> = []
      yield* provider.received.pipe(
        Effect.map((message) => received.push(message._tag === "SubmitSolution" ? `${message.templateId}` : "room")),
        Effect.forever,
        Effect.forkScoped
      )
      yield* TestClock.adjust("10 seconds")
      yield* settle
      assert.deepStrictEqual(received, ["room", "2", "1"])
    }).pipe(Effect.scoped, quiet)
  )

  it.effect(
    "accepts a SetNewPrevHash for the oldest future template that is kept, and leaves a provider that names an older one",
    () =>
      Effect.gen(function* () {
        const network = Memory.make()
        const provider = yield* serve(network, 1)
        const source = yield* client(network, 1)
        const messages = yield* collect(source)
        const { connection } = yield* provider.next
        const futures = (first: bigint, count: number) =>
          Array.from({ length: count }, (_, index) => newTemplate(first + BigInt(index), true))
        const { MAX_FUTURE_TEMPLATES } = TemplateDistribution
        yield* connection.send([...futures(1n, MAX_FUTURE_TEMPLATES), setNewPrevHash(1n)])
        yield* settle
        // Miners keep fewer: it comes to them again.
        assert.deepStrictEqual(messages.slice(-3), [`future ${MAX_FUTURE_TEMPLATES}`, "future 1", "tip 1"])
        yield* connection.send([...futures(1001n, MAX_FUTURE_TEMPLATES + 1), setNewPrevHash(1001n)])
        assert.match(
          yield* leftBecause(source),
          /in force, or a future template among the last 64 .* got template 1001/
        )
        // The next connection begins with the tip that it could not follow.
        yield* TestClock.adjust("1 seconds")
        yield* (yield* provider.next).connection.send([newTemplate(2000n, true), setNewPrevHash(2000n)])
        yield* settle
        assert.strictEqual(messages.at(-1), "tip 2000")
      }).pipe(Effect.scoped, quiet)
  )

  it.effect("passes nothing on for a SetNewPrevHash that repeats the one in force, even with another time", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const provider = yield* serve(network, 1)
      const source = yield* client(network, 1)
      const messages = yield* collect(source)
      const { connection } = yield* provider.next
      yield* connection.send([newTemplate(1n, true), setNewPrevHash(1n)])
      yield* connection.send([setNewPrevHash(1n), newTemplate(2n, false), newTemplate(3n, true)])
      yield* connection.send([setNewPrevHash(1n, { headerTimestamp: 1_700_000_100 })])
      yield* connection.send([setNewPrevHash(2n, { prevHash: new Uint8Array(32).fill(1) })])
      yield* settle
      const expected = ["future 1", "tip 1", "template 2", "future 3"]
      assert.deepStrictEqual(messages, expected)
      assert.deepStrictEqual(yield* collect(source), expected)
    }).pipe(Effect.scoped, quiet)
  )

  for (const [what, named, fields] of [
    ["another previous hash", 1n, { prevHash: new Uint8Array(32).fill(0xaa) }],
    ["other nbits", 1n, { nbits: 0x1d00ffff }],
    ["another target", 1n, { target: new Uint8Array(32) }],
    ["another previous hash for the newest template", 2n, {}]
  ] as const) {
    it.effect(`follows a SetNewPrevHash that names a template in force with ${what}`, () =>
      Effect.gen(function* () {
        const network = Memory.make()
        const provider = yield* serve(network, 1)
        const source = yield* client(network, 1)
        const messages = yield* collect(source)
        const { connection } = yield* provider.next
        yield* connection.send([newTemplate(1n, true), setNewPrevHash(1n), newTemplate(2n, false)])
        yield* connection.send([setNewPrevHash(named, fields)])
        yield* settle
        // A job has to be a future one to be named on a channel (5.3.17), so the template comes as one again.
        const again = [`future ${named}`, `tip ${named}`]
        assert.deepStrictEqual(messages, ["future 1", "tip 1", "template 2", ...again])
        assert.deepStrictEqual(yield* collect(source), again)
      }).pipe(Effect.scoped, quiet)
    )
  }

  it.effect("ignores and counts templates that no coinbase can be made of, with one log line for many", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
      yield* Effect.gen(function* () {
        const network = Memory.make()
        const provider = yield* serve(network, 1)
        const source = yield* client(network, 1)
        const messages = yield* collect(source)
        const { connection } = yield* provider.next
        const before = yield* ignoredTemplates
        yield* connection.send([newTemplate(1n, true), setNewPrevHash(1n)])
        for (let id = 2n; id < 12n; id++)
          yield* connection.send([newTemplate(id, false, { coinbaseTxOutputsCount: 3 })])
        yield* connection.send([newTemplate(20n, false)])
        yield* settle
        assert.deepStrictEqual(messages, ["future 1", "tip 1", "template 20"])
        assert.strictEqual((yield* ignoredTemplates) - before, 10)
        const told = lines.filter((line) => line.includes("Ignored template"))
        assert.strictEqual(told.length, 1)
        assert.match(
          told[0]!,
          /^Ignored template 2 of the template provider .*, which makes no coinbase: 3 outputs have 27 bytes/
        )
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
    })
  )

  it.effect("leaves a provider for another when SetNewPrevHash names a template that no coinbase can be made of", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const [first, second] = [yield* serve(network, 1), yield* serve(network, 2)]
      const source = yield* client(network, 1, 2)
      const messages = yield* collect(source)
      const [preferred, other] = [yield* first.next, yield* second.next]
      for (const { connection } of [preferred, other]) {
        yield* connection.send([newTemplate(1n, true), setNewPrevHash(1n)])
      }
      yield* settle
      yield* other.connection.send([newTemplate(2n, true), setNewPrevHash(2n)])
      yield* preferred.connection.send([
        newTemplate(2n, true, { coinbasePrefix: new Uint8Array(0) }),
        setNewPrevHash(2n)
      ])
      yield* settle
      assert.deepStrictEqual(messages.slice(2), ["future 2", "tip 2"])
    }).pipe(Effect.scoped, quiet)
  )

  for (const [name, messages] of [
    ["a SetNewPrevHash that names no future template", [setNewPrevHash(1n)]],
    ["a template to work on before the first SetNewPrevHash", [newTemplate(1n, false)]],
    ["a number that does not grow", [newTemplate(2n, true), newTemplate(2n, true)]]
  ] as const) {
    it.effect(`leaves a provider that sends ${name}, and passes on nothing of that batch`, () =>
      Effect.gen(function* () {
        const network = Memory.make()
        const provider = yield* serve(network, 1)
        const source = yield* client(network, 1)
        const collected = yield* collect(source)
        const { connection } = yield* provider.next
        yield* connection.send(messages)
        assert.match(yield* leftBecause(source), /expected .* \(section 7/)
        assert.deepStrictEqual(collected, [])
        assert.deepStrictEqual(yield* collect(source), [], "a later subscriber gets nothing of it either")
        yield* TestClock.adjust("1 seconds")
        yield* provider.next
      }).pipe(Effect.scoped, quiet)
    )
  }
})

describe("a source in memory", () => {
  it.effect("gives what its feed publishes, replays it, and keeps solutions and constraints", () =>
    Effect.gen(function* () {
      const [source, feed] = [yield* TemplateSource, yield* TemplateFeed]
      const early = yield* collect(source)
      yield* feed.publish([newTemplate(1n, true), setNewPrevHash(1n)])
      const late = yield* collect(source)
      yield* feed.publish([newTemplate(2n, false)])
      yield* settle
      assert.deepStrictEqual(early, ["future 1", "tip 1", "template 2"])
      assert.deepStrictEqual(late, early)
      yield* source.submit(solution(2n))
      assert.deepStrictEqual(yield* Queue.take(feed.solutions), solution(2n))
      yield* source.constrain(constraints)
      assert.deepStrictEqual(yield* Queue.take(feed.constraints), constraints)
      const error = yield* Effect.flip(feed.publish([setNewPrevHash(7n)]))
      assert.match(error.message, /future template/)
      const state = yield* Effect.forkChild(Stream.runHead(source.state))
      assert.deepInclude(yield* Fiber.join(state), { value: { _tag: "Connected", server: "memory" } })
    }).pipe(Effect.provide(TemplateSourceMemory.layer))
  )
})
