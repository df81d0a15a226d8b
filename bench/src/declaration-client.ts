/**
 * Times a proxy that declares its own templates. First: from a template and its previous hash until DeclareMiningJob is written,
 * with the template provider's answer about the transactions decoded on the way, against JSON.parse of the `getblocktemplate`
 * answer of the same template. Second: until its miners have the job, against those of a pool with the same template.
 */
import { coinbaseMerklePath, hashToDisplay, type Transaction } from "@sluice/bitcoin"
import { Pool } from "@sluice/pool"
import { Frame, JobDeclaration, Mining, TemplateDistribution } from "@sluice/protocol"
import { Proxy } from "@sluice/proxy"
import { TemplateFeed, TemplateSourceMemory } from "@sluice/template-provider"
import { templateOn } from "@sluice/testing/declarator-machine"
import {
  DeclarationDialer,
  DeclarationListener,
  FrameDialer,
  Memory,
  MiningDialer,
  MiningListener,
  Plain,
  type ServerAddress,
  Setup
} from "@sluice/transport"
import { Context, Effect, Layer, Logger, Queue, type Scope, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { type AsyncCase, keep, type Row } from "./case.ts"
import { makeTransaction, payout, tip } from "./declaration.ts"

const TRANSACTIONS = 5_000
const BLOCKS = 60
const WARM_UP_BLOCKS = 10

const { toClient } = TemplateDistribution.protocol

const at = (port: number): ServerAddress => ({ host: "memory", port, security: { _tag: "plain" } })
const [POOL, DECLARATOR, PROXY, ORDINARY_POOL] = [at(1), at(2), at(3), at(4)]

/** A list of transactions, as the template provider sends it and as a node lists it. */
const listOf = (transactions: ReadonlyArray<Transaction>) => {
  const wtxids = transactions.map(({ wtxid }) => wtxid)
  const answer = {
    height: tip.height,
    previousblockhash: "00".repeat(32),
    coinbasevalue: 312_500_000,
    transactions: transactions.map((transaction, index) => ({
      data: Buffer.from(transaction.bytes).toString("hex"),
      txid: hashToDisplay(transaction.txid),
      hash: hashToDisplay(transaction.wtxid),
      depends: index % 10 === 9 ? [index] : [],
      fee: 1_000 + index,
      sigops: 4,
      weight: transaction.weight
    }))
  }
  return {
    wtxids,
    merklePath: coinbaseMerklePath(transactions.map(({ txid }) => txid)),
    text: JSON.stringify({ result: answer, error: null, id: 1 }),
    frame: (templateId: bigint) =>
      toClient.encode(
        TemplateDistribution.RequestTransactionDataSuccess.make({
          templateId,
          excessData: new Uint8Array(0),
          transactionList: transactions.map(({ bytes }) => bytes)
        })
      )
  }
}

const transactionsOf = (count: number) => Array.from({ length: count }, () => makeTransaction())
/** Two templates that have no transaction in common, so that nothing is known from the one before. */
const otherLists = [transactionsOf(TRANSACTIONS), transactionsOf(TRANSACTIONS)].map(listOf)
/** Two that differ in one of a hundred, as those of two minutes do. */
const shared = transactionsOf(TRANSACTIONS)
const likeLists = [0, 1].map((which) => {
  const added = transactionsOf(TRANSACTIONS / 100)
  return listOf(
    shared.map((transaction, index) => (index % 100 === which ? added[(index - which) / 100]! : transaction))
  )
})

/** Work on the next block. */
const block = (number: number, { merklePath, wtxids }: ReturnType<typeof listOf>) => {
  const template = templateOn({ ...tip, height: tip.height + number }, wtxids, {
    templateId: BigInt(number),
    futureTemplate: true,
    merklePath,
    coinbaseTxValueRemaining: 312_500_000n
  })
  const prevHash = TemplateDistribution.SetNewPrevHash.make({
    templateId: BigInt(number),
    prevHash: new Uint8Array(randomBytes(32)),
    headerTimestamp: Math.floor(Date.now() / 1000),
    nbits: tip.bits,
    target: new Uint8Array(32)
  })
  return { messages: [template, prevHash] as const, prevHash: prevHash.prevHash }
}

/** A pool and a declarator that accept everything. */
const upstream = (network: Memory.Network) => {
  const pool = Effect.flatMap(MiningListener, ({ run }) =>
    run(
      ({ receive, send }) =>
        Stream.runForEach(receive, (message) => {
          switch (message._tag) {
            case "OpenExtendedMiningChannel":
              return send([
                Mining.OpenExtendedMiningChannelSuccess.make({
                  requestId: message.requestId,
                  channelId: 1,
                  target: new Uint8Array(32).fill(0xff),
                  extranonceSize: 16,
                  extranoncePrefix: Uint8Array.of(0, 0, 0, 1),
                  groupChannelId: 9
                })
              ])
            case "SetCustomMiningJob": {
              const { channelId, requestId } = message
              return send([Mining.SetCustomMiningJobSuccess.make({ channelId, requestId, jobId: requestId })])
            }
            default:
              return Effect.void
          }
        }),
      { supportedFlags: 0xffffffff }
    )
  )
  const declarator = Effect.flatMap(DeclarationListener, ({ run }) =>
    run(
      ({ receive, send }) =>
        Stream.runForEach(receive, (message) => {
          switch (message._tag) {
            case "AllocateMiningJobToken":
              return send([
                JobDeclaration.AllocateMiningJobTokenSuccess.make({
                  requestId: message.requestId,
                  miningJobToken: new Uint8Array(randomBytes(16)),
                  coinbaseTxOutputs: new Uint8Array([1, ...new Uint8Array(8), 22, ...payout.scripts[0]!])
                })
              ])
            case "DeclareMiningJob":
              return send([
                JobDeclaration.DeclareMiningJobSuccess.make({
                  requestId: message.requestId,
                  newMiningJobToken: new Uint8Array(randomBytes(16))
                })
              ])
            default:
              return Effect.void
          }
        }),
      { supportedFlags: JobDeclaration.DECLARE_TX_DATA }
    )
  )
  return Layer.mergeAll(
    Layer.effectDiscard(Effect.forkScoped(pool)).pipe(Layer.provide(listening(network, POOL))),
    Layer.effectDiscard(Effect.forkScoped(declarator)).pipe(Layer.provide(listening(network, DECLARATOR)))
  )
}

/** Plain frames at an address of the network. */
const listening = (network: Memory.Network, address: ServerAddress) => {
  const { host, port } = address
  return Layer.mergeAll(Setup.server(MiningListener), Setup.server(DeclarationListener)).pipe(
    Layer.provide(Plain.listener),
    Layer.provide(Layer.orDie(network.listener({ host, port })))
  )
}

/** When each previous hash reaches a miner of this server. */
const minerOf = Effect.fnUntraced(function* (server: ServerAddress) {
  const { dial } = yield* MiningDialer
  const seen = yield* Queue.unbounded<{ readonly at: number; readonly prevHash: Uint8Array }>()
  const connection = yield* dial(server)
  yield* connection.send([
    Mining.OpenExtendedMiningChannel.make({
      requestId: 1,
      userIdentity: "bench",
      nominalHashRate: 1e12,
      maxTarget: new Uint8Array(32).fill(0xff),
      minExtranonceSize: 4
    })
  ])
  yield* Stream.runForEach(connection.receive, (message) =>
    message._tag === "SetNewPrevHash"
      ? Queue.offer(seen, { at: performance.now(), prevHash: message.prevHash.slice() })
      : Effect.void
  ).pipe(Effect.forkScoped)
  return (prevHash: Uint8Array) =>
    Effect.gen(function* () {
      for (;;) {
        const next = yield* Queue.take(seen)
        if (Buffer.compare(next.prevHash, prevHash) === 0) return next.at
      }
    })
})

/** Milliseconds: until a miner has the job, and until the job is declared. */
interface Times {
  readonly proxy: ReadonlyArray<number>
  readonly pool: ReadonlyArray<number>
  readonly known: ReadonlyArray<number>
  readonly unknown: ReadonlyArray<number>
  readonly parse: ReadonlyArray<number>
}

const measured = Effect.gen(function* (): Effect.fn.Return<Times, unknown, Scope.Scope> {
  const network = Memory.make()
  const dialer = Plain.dialer.pipe(Layer.provide(network.dialer))
  const declaredAt = yield* Queue.unbounded<number>()
  /** Notes when the bytes of DeclareMiningJob are handed to the transport: behind it is the time of the one who reads them. */
  const noting = Layer.effect(
    FrameDialer,
    Effect.map(FrameDialer, ({ dial }) =>
      FrameDialer.of({
        dial: (server) =>
          Effect.map(dial(server), (frames) => ({
            ...frames,
            write: (written) =>
              Effect.suspend(() => {
                const isDeclared = written.some((bytes) => bytes[2] === JobDeclaration.DeclareMiningJob.type)
                if (isDeclared && server.port === DECLARATOR.port) Queue.offerUnsafe(declaredAt, performance.now())
                return frames.write(written)
              })
          }))
      })
    )
  ).pipe(Layer.provide(dialer))
  const declarations = Setup.client(DeclarationDialer).pipe(Layer.provide(noting))
  const options = { policy: { minHashRate: 1 } }
  const proxy = Proxy.layerDeclared({
    ...options,
    userIdentity: "bench",
    upstreams: [{ server: POOL, declarator: DECLARATOR }]
  }).pipe(
    Layer.provideMerge(TemplateSourceMemory.layer),
    Layer.provide(declarations),
    Layer.provide(Setup.client(MiningDialer).pipe(Layer.provide(dialer))),
    Layer.provide(listening(network, PROXY))
  )
  const pool = Pool.layer({ ...options, coinbaseAddress: "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4" }).pipe(
    Layer.provideMerge(TemplateSourceMemory.layer),
    Layer.provide(listening(network, ORDINARY_POOL))
  )
  yield* Layer.build(upstream(network))
  const feeds = {
    proxy: Context.get(yield* Layer.build(Layer.fresh(proxy)), TemplateFeed),
    pool: Context.get(yield* Layer.build(Layer.fresh(pool)), TemplateFeed)
  }
  const frames = new Map<bigint, Uint8Array>()
  yield* feeds.proxy.setTransactions((templateId) => {
    const message = toClient.decode(Frame.read(frames.get(templateId)!)!)
    return message?._tag === "RequestTransactionData.Success" ? message.transactionList : undefined
  })
  const miners = yield* Effect.all({ proxy: minerOf(PROXY), pool: minerOf(ORDINARY_POOL) }).pipe(
    Effect.provide(Setup.client(MiningDialer).pipe(Layer.provide(dialer)))
  )
  const times = { proxy: [], pool: [], known: [], unknown: [], parse: [] } as Record<keyof Times, Array<number>>
  for (let number = 1; number <= 2 * (WARM_UP_BLOCKS + BLOCKS); number++) {
    // First those with nothing in common.
    const isKnown = number > WARM_UP_BLOCKS + BLOCKS
    const list = (isKnown ? likeLists : otherLists)[number % 2]!
    const { messages, prevHash } = block(number, list)
    frames.clear()
    frames.set(BigInt(number), list.frame(BigInt(number)))
    // In turns, so that other work of the machine affects both.
    for (const role of ["pool", "proxy"] as const) {
      yield* Effect.sleep("20 millis")
      const began = performance.now()
      yield* feeds[role].publish(messages)
      const job = (yield* miners[role](prevHash)) - began
      const declared = role === "proxy" ? (yield* Queue.take(declaredAt)) - began : 0
      if (number % (WARM_UP_BLOCKS + BLOCKS) < WARM_UP_BLOCKS) continue
      times[role].push(job)
      if (role === "proxy") times[isKnown ? "known" : "unknown"].push(declared)
    }
    yield* Effect.sleep("20 millis")
    const began = performance.now()
    keep(JSON.parse(list.text))
    if (number % (WARM_UP_BLOCKS + BLOCKS) >= WARM_UP_BLOCKS) times.parse.push(performance.now() - began)
  }
  return times
}).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const client: AsyncCase = {
  name: `own template of ${TRANSACTIONS} transactions`,
  rows: async () => {
    const { known, parse: parsed, pool, proxy, unknown } = await Effect.runPromise(measured)
    const parse = median(parsed)
    const row = (name: string, value: number, baseline: string, baselineValue: number): Row => ({
      name: `${client.name}: ${name}`,
      unit: "ms",
      value,
      baseline,
      baselineValue,
      ratio: value / baselineValue
    })
    return [
      row("until DeclareMiningJob is written, all are new", median(unknown), "JSON.parse of its answer", parse),
      row("until it is written, one of a hundred is new", median(known), "JSON.parse of its answer", parse),
      row("until a miner has the job", median(proxy), "a pool's miner", median(pool))
    ]
  }
}

export const asyncCases: ReadonlyArray<AsyncCase> = [client]
