/** A job declarator over a development node, and clients of it, on a network in memory. */
import { DevNode } from "@sluice/dev-node"
import { NodeRpc, type NodeRpcCalls } from "@sluice/node"
import { JobDeclaration } from "@sluice/protocol"
import {
  type ConnectionError,
  DeclarationDialer,
  DeclarationListener,
  Memory,
  Plain,
  type ServerAddress,
  Setup
} from "@sluice/transport"
import { Effect, Layer, Logger, Queue, Stream } from "effect"
import { DeclarationServer, type DeclarationServerOptions, TokenKey } from "../../src/index.ts"
import { PAYOUT } from "./jobs.ts"

export const MEMORY_SERVER: ServerAddress = { ...Memory.ADDRESS, security: { _tag: "plain" } }

export const KEY = TokenKey(new Uint8Array(32).fill(3))

export const OPTIONS: DeclarationServerOptions = {
  tokenKey: KEY,
  payout: () => ({ scripts: [PAYOUT], minPercent: 100 })
}

/** Over a development node whose blocks any few hashes find. */
export const world = (
  options: Partial<DeclarationServerOptions> = {},
  log: Array<string> = [],
  /** Changes the calls to the node. */
  change: (rpc: NodeRpcCalls) => Partial<NodeRpcCalls> = () => ({})
) =>
  Layer.mergeAll(
    DeclarationServer.layer({ ...OPTIONS, ...options }).pipe(
      Layer.provide(
        Layer.effect(
          NodeRpc,
          Effect.map(NodeRpc, (rpc) => ({ ...rpc, ...change(rpc) }))
        )
      ),
      Layer.provide(listener)
    ),
    Setup.client(DeclarationDialer).pipe(Layer.provide(Plain.dialer))
  ).pipe(
    Layer.provide(Memory.network()),
    Layer.provideMerge(DevNode.layerInMemory({ bits: 0x207fffff, transactionsPerSecond: 0 })),
    Layer.provide(quiet(log))
  )

export const coinbaseOnlyWorld = (options: Partial<DeclarationServerOptions> = {}) =>
  Layer.mergeAll(
    DeclarationServer.layerCoinbaseOnly({ ...OPTIONS, ...options }).pipe(Layer.provide(listener)),
    Setup.client(DeclarationDialer).pipe(Layer.provide(Plain.dialer))
  ).pipe(Layer.provide(Memory.network()), Layer.provide(quiet([])))

const listener = Setup.server(DeclarationListener).pipe(Layer.provide(Plain.listener))

export const quiet = (log: Array<string>) =>
  Logger.layer([Logger.make(({ logLevel, message }) => void log.push(`${logLevel} ${String(message)}`))])

/** A client in full-template mode, unless `flags` say otherwise. */
export const connect = Effect.fnUntraced(function* (
  flags: number = JobDeclaration.DECLARE_TX_DATA,
  server: ServerAddress = MEMORY_SERVER
) {
  const dialer = yield* DeclarationDialer
  const connection = yield* dialer.dial(server, { flags })
  const inbox = yield* Queue.unbounded<JobDeclaration.ToClient, ConnectionError>()
  yield* connection.receive.pipe(
    Stream.runForEach((message) => Queue.offer(inbox, message)),
    Effect.catchCause((cause) => Queue.failCause(inbox, cause)),
    Effect.forkScoped
  )
  const next = Queue.take(inbox)
  const expect = <Tag extends JobDeclaration.ToClient["_tag"]>(tag: Tag) =>
    Effect.flatMap(next, (message) =>
      message._tag === tag
        ? Effect.succeed(message as Extract<JobDeclaration.ToClient, { readonly _tag: Tag }>)
        : Effect.die(new Error(`expected ${tag}, got ${describe(message)}`))
    )
  const send = (...messages: ReadonlyArray<JobDeclaration.ToServer>) => connection.send(messages)
  const allocate = (userIdentifier = "alice", requestId = 7) =>
    Effect.andThen(
      send(JobDeclaration.AllocateMiningJobToken.make({ userIdentifier, requestId })),
      expect("AllocateMiningJobToken.Success")
    )
  return {
    send,
    next,
    expect,
    allocate,
    token: Effect.map(allocate(), ({ miningJobToken }) => miningJobToken),
    /** Expects DeclareMiningJob.Error and gives its code and details. */
    refusal: Effect.map(expect("DeclareMiningJob.Error"), ({ errorCode, errorDetails }) => ({
      errorCode,
      details: Buffer.from(errorDetails).toString()
    }))
  }
})

const describe = (message: JobDeclaration.ToClient): string =>
  message._tag === "DeclareMiningJob.Error"
    ? `${message._tag} ${message.errorCode}: ${Buffer.from(message.errorDetails).toString()}`
    : message._tag

/** The node's template with this many made-up transactions more. */
export const templateOfNode = Effect.fnUntraced(function* (transactions: number) {
  const node = yield* DevNode
  yield* node.addMadeUpTransactions(transactions)
  return yield* (yield* NodeRpc).getBlockTemplate()
})

/** The same when the server's mempool has them too. */
export const templateWith = Effect.fnUntraced(function* (transactions: number) {
  const template = yield* templateOfNode(transactions)
  const server = yield* DeclarationServer
  yield* until(Effect.map(server.stats, ({ mempool }) => mempool.transactions >= template.transactions.length))
  return template
})

/** Looks again every few milliseconds. The test's time limit ends it. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.flatMap(condition, (is) => (is ? Effect.void : Effect.andThen(Effect.sleep(5), until(condition))))
