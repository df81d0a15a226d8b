/** The addresses that a primary listens at, with workers that are no processes. */
import { makePage } from "./worker-page.ts"
import { type CustomBlock, DeclarationServer } from "@sluice/job-declaration"
import { ControlError } from "@sluice/mining-server"
import { Effect, Exit, Layer, Logger, Scope } from "effect"
import * as Net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it, onTestFinished } from "vitest"
import { type Front, openFront, type Serving } from "../src/workers/front.ts"
import { relayBlocks } from "../src/workers/declared-blocks.ts"
import type { ToWorker } from "../src/workers/messages.ts"
import type { WorkerProcess } from "../src/workers/worker-process.ts"

/** Takes sockets, or keeps them as a process that is busy. */
class Worker implements Serving {
  load = 0
  readonly taken: Array<number> = []
  readonly told: Array<ToWorker> = []
  readonly #isBusy: boolean
  readonly #unsent = new Map<number, Net.Socket>()

  constructor(isBusy = false) {
    this.#isBusy = isBusy
  }

  send(message: ToWorker): void {
    this.told.push(message)
  }

  hand(message: Extract<ToWorker, { readonly _tag: "Connection" }>, socket: Net.Socket): void {
    if (this.#isBusy) return void this.#unsent.set(message.id, socket)
    this.taken.push(message.id)
    onTestFinished(() => void socket.destroy())
    socket.resume().on("error", () => {})
    socket.write("hello")
  }

  takeUnsent(): ReadonlyMap<number, Net.Socket> {
    return this.#unsent
  }
}

const open = async (workers: Iterable<Serving>, limits: Parameters<typeof openFront>[1] = {}) => {
  const scope = Scope.makeUnsafe()
  onTestFinished(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const opened = openFront([{ host: "127.0.0.1", port: 0 }], limits, workers)
  const front: Front = await Effect.runPromise(opened.pipe(Scope.provide(scope), Effect.provide(Logger.layer([]))))
  return { front, port: front.addresses[0]!.port }
}

/** Connects. `greeted` is true when a worker has greeted it, and false when it is closed before. */
const connect = async (port: number) => {
  const socket = Net.connect(port, "127.0.0.1").on("error", () => {})
  onTestFinished(() => void socket.destroy())
  const greeted = new Promise<boolean>((resolve) => {
    socket.once("data", () => resolve(true))
    socket.once("close", () => resolve(false))
  })
  await new Promise((resolve) => socket.once("connect", resolve))
  return { socket, greeted }
}

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await sleep(5)
}

describe("the front of workers", () => {
  it("lets connections wait until a worker serves, and shares them evenly", async () => {
    const workers: Array<Worker> = []
    const { front, port } = await open(workers)
    const early = await connect(port)
    await sleep(20)
    workers.push(new Worker())
    front.handOver()
    assert.isTrue(await early.greeted)
    workers.push(new Worker())
    for (let count = 0; count < 5; count++) assert.isTrue(await (await connect(port)).greeted)
    assert.deepStrictEqual(
      workers.map(({ load, taken }) => [load, taken.length]),
      [
        [3, 3],
        [3, 3]
      ]
    )
  })

  it("hands the connections that a worker never had to another one when it ends, and frees the places of the others", async () => {
    const [busy, other] = [new Worker(true), new Worker()]
    const workers: Array<Worker> = [busy]
    const { front, port } = await open(workers, { maxConnections: 3 })
    const connections = [await connect(port), await connect(port)]
    await until(() => busy.load === 2)
    workers.splice(0, 1, other)
    front.lost(busy)
    assert.deepStrictEqual(await Promise.all(connections.map(({ greeted }) => greeted)), [true, true])
    assert.strictEqual(other.load, 2)

    // Those that it had are lost with it.
    front.lost(other)
    assert.strictEqual(other.load, 0)
    const next = [await connect(port), await connect(port), await connect(port)]
    assert.deepStrictEqual(await Promise.all(next.map(({ greeted }) => greeted)), [true, true, true])
    assert.deepStrictEqual(
      other.told.filter(({ _tag }) => _tag === "GiveWay"),
      []
    )
  })

  it("counts the connections of all workers against one limit, and those with shares give way last", async () => {
    const [one, other] = [new Worker(), new Worker()]
    const { front, port } = await open([one, other], { maxConnections: 4, maxConnectionsPerAddress: 2 })
    for (let count = 0; count < 4; count++) assert.isTrue(await (await connect(port)).greeted)
    const ids = [...one.taken, ...other.taken].toSorted((a, b) => a - b)
    for (const id of ids) front.receive({ _tag: "Moved", id, host: id <= ids[1]! ? "192.0.2.1" : "192.0.2.2" })
    front.receive({ _tag: "Worked", id: ids[0]! })
    front.receive({ _tag: "Worked", id: ids[2]! })
    front.receive({ _tag: "Worked", id: ids[3]! })
    // A fifth one replaces the one without a share.
    assert.isTrue(await (await connect(port)).greeted)
    const told = () => [...one.told, ...other.told]
    assert.deepInclude(told(), { _tag: "GiveWay", id: ids[1]! })
    front.receive({ _tag: "Ended", id: ids[1]! })
    const fifth = ids.at(-1)! + 1
    front.receive({ _tag: "Moved", id: fifth, host: "192.0.2.2" })
    const answer = told().find((message) => message._tag === "MovedTo" && message.id === fifth)
    assert.strictEqual(answer?._tag === "MovedTo" && answer.noPlace?.reason, "max_connections_per_address")
    assert.strictEqual(one.load + other.load, 4)
  })
})

describe("the page of workers", () => {
  it("ranks users by their hash rates on all workers, and has the channels of one from all of them", async () => {
    const { gathered } = await makePage()
    const { total, users } = await Effect.runPromise(gathered.users({ limit: 2, offset: 0 }))
    assert.strictEqual(total, 3)
    // bob has 30 + 40, alice 60 on one of them, carol 5.
    assert.deepStrictEqual(
      users.map(({ accepted, hashRates, user }) => [user, hashRates.fiveMinutes, accepted]),
      [
        ["bob", 70, 2],
        ["alice", 60, 1]
      ]
    )
    const pages = await Promise.all(
      [0, 2, 4].map((offset) => Effect.runPromise(gathered.channels({ limit: 2, offset })))
    )
    assert.deepStrictEqual(
      pages.flat().map(({ channel }) => channel.connectionId),
      [1, 2, 3, 1e10 + 1, 1e10 + 2]
    )
    assert.strictEqual((await Effect.runPromise(gathered.channels({ limit: Infinity, offset: 0 }))).length, 5)
  })

  it("passes control of a connection to its worker, and the refusal back", async () => {
    const { asked, gathered } = await makePage()
    const channel = { connectionId: 1e10 + 1, channelId: 2 }
    assert.strictEqual(await Effect.runPromise(gathered.setGroup(1, [2])), 7)
    await Effect.runPromise(gathered.reconnect(1, { host: "192.0.2.1", port: 1 }))
    const refusal = await Effect.runPromise(Effect.flip(gathered.closeChannel(channel, "bye")))
    assert.instanceOf(refusal, ControlError)
    assert.strictEqual(refusal.reason, "unknown-channel")
    assert.deepStrictEqual(
      asked.map(({ number, request }) => [number, request._tag]),
      [
        [1, "setGroup"],
        [1, "reconnect"],
        [2, "closeChannel"]
      ]
    )
    const unknown = await Effect.runPromise(
      Effect.flip(gathered.changeExtranoncePrefix({ connectionId: 2e10 + 1, channelId: 2 }))
    )
    assert.strictEqual(unknown.reason, "unknown-connection")
  })
})

describe("blocks of declared jobs that workers find", () => {
  it("go to the declarator, and its answer to the worker", async () => {
    const submitted: Array<string> = []
    const declarator = Layer.mock(DeclarationServer)({
      address: { host: "127.0.0.1", port: 0 },
      submitFound: ({ serial }) => {
        const name = Buffer.from(serial).toString()
        submitted.push(name)
        return Effect.succeed(name === "known")
      }
    })
    const told: Array<ToWorker> = []
    const worker = { send: (message: ToWorker) => void told.push(message) } as unknown as WorkerProcess
    const block = { mode: "full-template", height: 1, hash: "00" } as unknown as CustomBlock
    await Effect.runPromise(
      Effect.gen(function* () {
        const relay = yield* relayBlocks(declarator)
        for (const [index, name] of ["known", "forgotten"].entries()) {
          relay.receive(worker, { _tag: "DeclaredBlock", id: index, block: { ...block, serial: Buffer.from(name) } })
        }
        yield* Effect.promise(() => until(() => told.length === 2))
      }).pipe(Effect.scoped)
    )
    assert.deepStrictEqual(submitted, ["known", "forgotten"])
    assert.deepStrictEqual(told, [
      { _tag: "DeclaredBlockKnown", id: 0, isKnown: true },
      { _tag: "DeclaredBlockKnown", id: 1, isKnown: false }
    ])
  })
})
