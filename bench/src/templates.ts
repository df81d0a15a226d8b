/**
 * Times templates. First: from the node's announcement of a block over ZMQ until SetNewPrevHash is written to
 * the socket of a client over TCP with Noise, which on one machine is when its first byte is there, and until another process
 * has read and decrypted it; with templates held ahead of the block and without. Second: what it costs in time and memory to
 * turn the text of a `getblocktemplate` answer into the messages for a client, against `JSON.parse` of the same text.
 */
import {
  type BlockTemplate,
  decodeBlockTemplate,
  NodeNotifications,
  NodeNotificationsZmq,
  NodeRpcHttp,
  readTemplateAnswer
} from "@sluice/node"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { TemplateMachine, TemplateProvider } from "@sluice/template-provider"
import { heldBytes } from "@sluice/testing/memory"
import { Noise, Setup, Tcp, TemplateListener } from "@sluice/transport"
import { Context, Effect, Layer, Logger, Queue, Redacted, Stream } from "effect"
import { fork } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { AsyncCase, Case, Row } from "./case.ts"
import { keep } from "./case.ts"
import type { NodeReady } from "./template-node.ts"
import type { TipSeen } from "./template-subscriber.ts"

const BLOCKS = 200
/** Blocks without templates ahead, which take longer. */
const SLOW_BLOCKS = 60
const WARM_UP_BLOCKS = 10
const MEMPOOL = 4_000
const TRANSACTIONS = 5_000

/** An answer of about 3 MB, with transactions as a node lists them: some spend from an earlier one. */
const makeAnswer = (): string => {
  const hash = (): string => randomBytes(32).toString("hex")
  const transactions: BlockTemplate["transactions"] = Array.from({ length: TRANSACTIONS }, (_, index) => ({
    data: randomBytes(210).toString("hex"),
    txid: hash(),
    hash: hash(),
    depends: index % 10 === 9 ? [index] : [],
    fee: 1_000 + index,
    sigops: 4,
    weight: 600
  }))
  const result: BlockTemplate = {
    version: 0x20000000,
    rules: ["csv", "!segwit", "taproot"],
    vbavailable: {},
    vbrequired: 0,
    previousblockhash: hash(),
    transactions,
    coinbaseaux: {},
    coinbasevalue: 312_500_000 + transactions.reduce((sum, { fee }) => sum + fee, 0),
    longpollid: `${hash()}1`,
    target: `${"00".repeat(8)}${"ff".repeat(24)}`,
    mintime: 1_700_000_000,
    mutable: ["time", "transactions", "prevblock"],
    noncerange: "00000000ffffffff",
    sigoplimit: 80_000,
    sizelimit: 4_000_000,
    weightlimit: 4_000_000,
    curtime: 1_700_000_100,
    bits: "17034219",
    height: 850_000,
    default_witness_commitment: `6a24aa21a9ed${hash()}`
  }
  return JSON.stringify({ result, error: null, id: 1 })
}

const text = makeAnswer()
const bytes = Buffer.from(text)

const parse = (): unknown => (JSON.parse(text) as { readonly result: unknown }).result

/** A machine with one client, which keeps this number of answers. */
const machineFor = (maxRetained: number) => {
  const machine = new TemplateMachine<string>({
    firstTemplateId: 1n,
    feeDelta: 0n,
    intervalMs: 0,
    renewAfterMs: 0,
    emptyTemplates: true,
    maxRetained,
    maxRetainedBytes: 1e9
  })
  machine.onConstraints("client", { coinbaseOutputMaxAdditionalSize: 100, coinbaseOutputMaxAdditionalSigops: 4 }, 0)
  return machine
}

/** Reads the node's answer from the bytes of HTTP. */
const read = (answer: Uint8Array = bytes): BlockTemplate => readTemplateAnswer(answer, 1)!

/** A machine whose client has received the template. */
const machineOf = (template: BlockTemplate) => {
  const machine = machineFor(1)
  const { deliveries } = machine.onAnswer(template, machine.beginRequest(), 0)
  return { machine, deliveries, ahead: machine.ahead("client") }
}

const parsed = parse()

export const cases: ReadonlyArray<Case> = [
  {
    name: `template of ${TRANSACTIONS} transactions: from the parsed answer to NewTemplate`,
    unit: "ns/op",
    run: () => keep(machineOf(decodeBlockTemplate(parsed))),
    baselines: [{ name: "JSON.parse of it", run: () => keep(parse()) }]
  },
  {
    name: `template of ${TRANSACTIONS} transactions: from the answer's text to NewTemplate`,
    unit: "ns/op",
    run: () => keep(machineOf(read())),
    baselines: [{ name: "JSON.parse of it", run: () => keep(parse()) }]
  }
]

const memory: AsyncCase = {
  name: `template of ${TRANSACTIONS} transactions: memory held`,
  rows: () => {
    const heldBy = (make: () => unknown): number => {
      const held: Array<unknown> = []
      const before = heldBytes()
      for (let i = 0; i < 8; i++) held.push(make())
      const bytes = heldBytes() - before
      keep(held.length)
      return bytes / held.length
    }
    /** An answer as a node gives it every half minute: the same transactions with another coinbase value. */
    const answered = (machine: ReturnType<typeof machineFor>, fees: number): void => {
      const answer = text.replace(/(?<="coinbasevalue":)\d+/, (value) => String(Number(value) + fees))
      machine.onAnswer(read(Buffer.from(answer)), machine.beginRequest(), fees)
      machine.compact()
    }
    const first = () => {
      const machine = machineFor(1)
      answered(machine, 0)
      return machine
    }
    const held = machineFor(16)
    let fees = 0
    const further = () => answered(held, ++fees)
    further()
    keep(heldBy(first))
    const baselineValue = heldBy(parse)
    const row = (name: string, value: number): Row => {
      return { name, unit: "bytes", value, baseline: "JSON.parse of it", baselineValue, ratio: value / baselineValue }
    }
    return Promise.resolve([
      row(memory.name, heldBy(first)),
      row(`${memory.name} by each further answer`, heldBy(further))
    ])
  }
}

/** Milliseconds from announcement to SetNewPrevHash, each sorted, for a provider over this node. */
const switchTimes = Effect.fnUntraced(function* (node: NodeReady, mine: () => void, emptyTemplates: boolean) {
  let announcedAt: bigint | undefined
  let writtenAt: bigint | undefined
  const listening = Layer.effect(
    NodeNotifications,
    Effect.map(NodeNotifications, (notifications): NodeNotifications["Service"] => ({
      ...notifications,
      events: Stream.tap(notifications.events, ({ _tag }) =>
        Effect.sync(() => {
          if (_tag === "NewBlock" || _tag === "BlockConnected") announcedAt ??= process.hrtime.bigint()
        })
      )
    }))
  ).pipe(Layer.provide(NodeNotificationsZmq.layer(node.zmq)))
  const writing = Layer.effect(
    TemplateListener,
    Effect.map(TemplateListener, (listener): TemplateListener["Service"] => ({
      ...listener,
      run: (serve, setup) =>
        listener.run(
          (connection, accepted) =>
            serve(
              {
                ...connection,
                send: (messages) =>
                  Effect.tap(connection.send(messages), () =>
                    Effect.sync(() => {
                      if (announcedAt !== undefined) writtenAt ??= process.hrtime.bigint()
                    })
                  )
              },
              accepted
            ),
          setup
        )
    }))
  ).pipe(Layer.provide(Setup.server(TemplateListener)))
  const { publicKey, secretKey } = yield* AuthorityKey.generate
  const credentials = { _tag: "Password", user: "bench", password: Redacted.make("bench") } as const
  const provider = TemplateProvider.layer({ emptyTemplates }).pipe(
    Layer.provide(NodeRpcHttp.layer({ url: node.url, credentials })),
    Layer.provide(listening),
    Layer.provide(writing),
    Layer.provide(Noise.responder()),
    Layer.provide(CertificateAuthority.layer({ secretKey })),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
  )
  const { host, port } = Context.get(yield* Layer.build(provider), TemplateProvider).address
  const subscriber = yield* Effect.acquireRelease(
    Effect.sync(() =>
      fork(beside("./template-subscriber.ts"), [host, String(port), AuthorityKey.formatPublicKey(publicKey)])
    ),
    (child) => Effect.sync(() => child.kill())
  )
  const tips = yield* Queue.unbounded<bigint>()
  subscriber.on("message", (tip) => Queue.offerUnsafe(tips, BigInt((tip as TipSeen).at)))
  yield* Queue.take(tips)
  yield* Effect.sleep("300 millis")
  const [written, received]: [Array<number>, Array<number>] = [[], []]
  const blocks = emptyTemplates ? BLOCKS : SLOW_BLOCKS
  for (let block = 0; block < WARM_UP_BLOCKS + blocks; block++) {
    // Blocks are minutes apart, so the work that is left of one template must not slow down the next one.
    yield* Effect.sleep("40 millis")
    announcedAt = writtenAt = undefined
    mine()
    const at = yield* Queue.take(tips)
    if (block < WARM_UP_BLOCKS) continue
    written.push(Number(writtenAt! - announcedAt!) / 1e6)
    received.push(Number(at - announcedAt!) / 1e6)
  }
  return [written, received].map((times) => times.toSorted((a, b) => a - b)) as [typeof written, typeof received]
})

const beside = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

const blockSwitch: AsyncCase = {
  name: `block switch, ${MEMPOOL} transactions in the mempool`,
  rows: async () => {
    const child = fork(beside("./template-node.ts"), [String(MEMPOOL)])
    try {
      const [node] = (await once(child, "message")) as [NodeReady]
      const timesWith = (emptyTemplates: boolean) =>
        Effect.runPromise(
          switchTimes(node, () => void child.send("mine"), emptyTemplates).pipe(
            Effect.scoped,
            Effect.provide(Logger.layer([]))
          )
        )
      const [fast, slow] = [await timesWith(true), await timesWith(false)]
      const percentile = (times: ReadonlyArray<number>, of: number): number =>
        times[Math.ceil((times.length * of) / 100) - 1]!
      return ["written to the client's socket", "read and decrypted by the client"].flatMap((what, index) =>
        [50, 99].map((of): Row => {
          const [value, baselineValue] = [percentile(fast[index]!, of), percentile(slow[index]!, of)]
          const name = `${blockSwitch.name}: ${what}, p${of} of ${BLOCKS}`
          return {
            name,
            unit: "ms",
            value,
            baseline: "--no-empty-templates",
            baselineValue,
            ratio: value / baselineValue
          }
        })
      )
    } finally {
      child.kill()
    }
  }
}

export const asyncCases: ReadonlyArray<AsyncCase> = [memory, blockSwitch]
