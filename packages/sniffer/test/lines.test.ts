/** Lines of Stratum V1 between a miner and a pool: what passes, what rules change, recordings and replays. */
import { assert, describe, it } from "@effect/vitest"
import { Dialer, type Duplex, Listener, Memory, type ServerAddress } from "@sluice/transport"
import { Context, Effect, Fiber, Layer, Logger, Queue, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  type LineEvent,
  readScripts,
  recordLine,
  relayLines,
  type RelayLinesOptions,
  type ReplayEvent,
  replayLines,
  Verdict
} from "../src/index.ts"

const SERVER: ServerAddress = { host: "server", port: 1, security: { _tag: "v1", tls: false } }
const RELAY = { host: "relay", port: 2 }
const quiet = Logger.layer([])

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"))
const write = (duplex: Duplex, text: string) => duplex.write(() => bytes(text))
const read = (duplex: Duplex) => Effect.map(duplex.pull, (chunks) => Buffer.concat(chunks).toString("latin1"))

/** A relay between a miner and a pool, both of which the test plays. */
const world = Effect.fnUntraced(function* (options: Omit<RelayLinesOptions, "server"> & Memory.NetworkOptions = {}) {
  const network = Memory.make(options)
  const events: Array<LineEvent> = []
  const listen = (at: { readonly host: string; readonly port: number }) =>
    Effect.map(Layer.build(Layer.orDie(network.listener(at))), (context) => Context.get(context, Listener))
  const accepted = yield* Queue.unbounded<Duplex>()
  const server = yield* listen(SERVER)
  yield* Effect.forkScoped(server.run((duplex) => Effect.andThen(Queue.offer(accepted, duplex), Effect.never)))
  yield* relayLines({
    server: SERVER,
    observe: (batch) => Effect.sync(() => void events.push(...batch)),
    ...options
  }).pipe(Effect.provideService(Listener, yield* listen(RELAY)), Effect.provide(network.dialer), Effect.forkScoped)
  const { dial } = Context.get(yield* Layer.build(network.dialer), Dialer)
  return { network, events, dial: dial(RELAY), accept: Queue.take(accepted) }
})

const SUBSCRIBE = '{"id":1,"method":"mining.subscribe","params":["test"]}\n'
const SUBSCRIBED = '{"id":1,"result":[[],"00000000",4],"error":null}\n'
const SUBMIT = '{"id":2,"method":"mining.submit","params":["a","1","00000000","00000000","00000000"]}\n'
const ACCEPTED = '{"id":2,"result":true,"error":null}\n'
const REFUSED = '{"id":2,"result":null,"error":[21,"Stale share",null]}\n'
const NOTIFY = '{"id":null,"method":"mining.notify","params":["1"]}\n'

describe("a relay of lines", () => {
  it.effect("passes lines byte for byte, those of one read in one write, also what is no line of JSON", () =>
    Effect.gen(function* () {
      const { accept, dial, events } = yield* world()
      const [miner, pool] = [yield* dial, yield* accept]
      const odd = ` {"id": 1, "method":"mining.subscribe" }\r\n\n[]\nnonsense \xff\n`
      yield* write(miner, odd)
      assert.strictEqual(yield* read(pool), odd)
      yield* write(pool, SUBSCRIBED + NOTIFY)
      assert.strictEqual(yield* read(miner), SUBSCRIBED + NOTIFY)
      const seen = events.filter((event) => event._tag === "Line")
      assert.deepStrictEqual(
        seen.map(({ index, line, to }) => [index, to, line?.method ?? line?.id]),
        [
          [1, "server", "mining.subscribe"],
          [2, "server", undefined],
          [3, "server", undefined],
          [4, "server", undefined],
          [5, "client", 1],
          [6, "client", "mining.notify"]
        ]
      )
    })
  )

  it.effect("puts lines together that come in pieces, and passes the last one without its end", () =>
    Effect.gen(function* () {
      const { accept, dial, events } = yield* world({ split: (all) => Array.from(all, (byte) => Uint8Array.of(byte)) })
      yield* Effect.forkScoped(
        Effect.scoped(
          Effect.gen(function* () {
            const miner = yield* dial
            yield* write(miner, SUBSCRIBE)
            yield* write(miner, "half a line")
          })
        )
      )
      const pool = yield* accept
      let got = ""
      const end = yield* Effect.flip(Effect.forever(Effect.map(read(pool), (text) => (got += text))))
      assert.strictEqual(got, `${SUBSCRIBE}half a line`)
      assert.strictEqual(end.reason._tag, "Closed")
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Opened", "Line", "Line", "Closed"]
      )
    })
  )

  it.effect("passes a line that is longer than peers read, in pieces", () =>
    Effect.gen(function* () {
      const { accept, dial } = yield* world({ capacity: 100_000 })
      const [miner, pool] = [yield* dial, yield* accept]
      const long = `{"id":"${"x".repeat(1_000_000)}"}\n`
      yield* Effect.forkScoped(
        Effect.forEach(
          Array.from({ length: 11 }, (_, i) => long.slice(i * 100_000, (i + 1) * 100_000)),
          (part) => write(miner, part)
        )
      )
      let got = ""
      while (!got.endsWith("\n")) got += yield* read(pool)
      assert.strictEqual(got, long)
    })
  )

  it.effect("drops and replaces lines as a rule decides", () =>
    Effect.gen(function* () {
      const { accept, dial, events } = yield* world({
        rule: (line, to) => {
          if (to === "client" && line.method === "mining.notify") return Verdict.drop
          if (line.method !== "mining.submit") return Verdict.pass
          return Verdict.replace({ ...line, id: 7 }, { id: 8, method: "mining.ping" })
        }
      })
      const [miner, pool] = [yield* dial, yield* accept]
      yield* write(miner, SUBMIT)
      const replaced = SUBMIT.replace('"id":2', '"id":7')
      assert.strictEqual(yield* read(pool), `${replaced}{"id":8,"method":"mining.ping"}\n`)
      yield* write(pool, NOTIFY)
      yield* write(pool, ACCEPTED)
      assert.strictEqual(yield* read(miner), ACCEPTED)
      assert.deepStrictEqual(
        events.flatMap((event) => (event._tag === "Line" ? [event.fate] : [])),
        ["replaced", "added", "added", "dropped", "passed"]
      )
    })
  )

  it.effect("says which end closed, and closes the other", () =>
    Effect.gen(function* () {
      const { accept, dial, events } = yield* world()
      yield* Effect.scoped(Effect.andThen(dial, accept))
      yield* TestClock.adjust("1 second")
      assert.deepInclude(events.at(-1), { _tag: "Closed", by: "client", reason: "the peer closed the connection" })
    })
  )
})

describe("a recording of lines", () => {
  /** A session in which a share is accepted, recorded. */
  const session = Effect.gen(function* () {
    const { accept, dial, events } = yield* world()
    const [miner, pool] = [yield* dial, yield* accept]
    yield* write(miner, SUBSCRIBE)
    yield* read(pool)
    yield* write(pool, SUBSCRIBED + NOTIFY)
    yield* read(miner)
    yield* write(miner, `${SUBMIT}\xff\n`)
    yield* read(pool)
    yield* write(pool, ACCEPTED)
    yield* read(miner)
    return events.map(recordLine)
  })
  const scriptsOf = (lines: ReadonlyArray<string>) => readScripts(Stream.fromIterable(lines))

  it.effect("has every line as it was sent", () =>
    Effect.gen(function* () {
      const lines = yield* session
      assert.deepInclude(JSON.parse(lines[1]!), { event: "Line", to: "server", fate: "passed", line: SUBSCRIBE })
      assert.deepInclude(JSON.parse(lines[5]!), { event: "Line", bytes: "ff0a" })
      const [script] = yield* scriptsOf(lines)
      assert.strictEqual(script!.of, "lines")
      assert.deepStrictEqual(
        script!.steps.map(({ bytes }) => Buffer.from(bytes).toString("latin1")),
        [SUBSCRIBE, SUBSCRIBED, NOTIFY, SUBMIT, "\xff\n", ACCEPTED]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("is refused where a line is missing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        scriptsOf([
          '{"event":"Opened","connectionId":1,"at":0,"server":"a:1"}',
          '{"event":"Line","connectionId":1,"at":0,"to":"server","fate":"passed"}'
        ])
      )
      assert.include(error.message, "line 2 of the recording: expected a line, or its bytes in hex")
    })
  )

  const replayAgainst = (answer: (line: string) => string) =>
    Effect.gen(function* () {
      const [script] = yield* scriptsOf(yield* Effect.scoped(session))
      const network = Memory.make()
      const pool = Context.get(yield* Layer.build(Layer.orDie(network.listener(SERVER))), Listener)
      const serve = (duplex: Duplex): Effect.Effect<void, unknown, Scope.Scope> =>
        Effect.forever(
          Effect.flatMap(read(duplex), (text) =>
            write(
              duplex,
              text
                .split(/(?<=\n)/)
                .map(answer)
                .join("")
            )
          )
        )
      yield* Effect.forkScoped(pool.run(serve))
      const events: Array<ReplayEvent> = []
      const replaying = replayLines(script!, {
        server: SERVER,
        observe: (event) => Effect.sync(() => void events.push(event))
      }).pipe(Effect.provide(network.dialer))
      const fiber = yield* Effect.forkScoped(replaying)
      yield* TestClock.adjust("1 minute")
      return { differences: yield* Fiber.join(fiber), events }
    }).pipe(Effect.scoped, Effect.provide(quiet))

  it.effect("is replayed without a difference against a server that answers as recorded", () =>
    Effect.gen(function* () {
      const { differences, events } = yield* replayAgainst((line) =>
        line === SUBSCRIBE ? SUBSCRIBED + NOTIFY : line === SUBMIT ? ACCEPTED : ""
      )
      assert.deepStrictEqual(differences, [])
      assert.deepStrictEqual(
        events.flatMap((event) => (event._tag === "Line" ? [Buffer.from(event.bytes).toString("latin1")] : [])),
        [SUBSCRIBE, SUBSCRIBED, NOTIFY, SUBMIT, "\xff\n", ACCEPTED]
      )
    })
  )

  it.effect("is replayed with differences where a share is refused, and where a line does not come", () =>
    Effect.gen(function* () {
      const { differences } = yield* replayAgainst((line) =>
        line === SUBSCRIBE ? SUBSCRIBED : line === SUBMIT ? REFUSED : ""
      )
      assert.deepStrictEqual(differences, [
        "recorded: mining.submit.Success; came: mining.submit.Error, once",
        "recorded: mining.notify, once; none came"
      ])
    })
  )
})
