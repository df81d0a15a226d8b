/**
 * A job declarator (specification, section 6): miners choose the transactions of their blocks, and the pool's side checks them. It
 * serves full-template mode over a Bitcoin node, and coinbase-only mode, which needs none.
 *
 * Connections share a store with the node's mempool, the node's tip and the limits; each has a pure machine, `DeclarationSession`.
 */
import { NodeNotifications, NodeRpc } from "@sluice/node"
import { ErrorCode, JobDeclaration, printable } from "@sluice/protocol"
import {
  addressGroup,
  DeclarationListener,
  type Endpoint,
  endReason,
  formatEndpoint,
  isLoopback,
  makeThrottledLog,
  SetupRefusal
} from "@sluice/transport"
import {
  Cause,
  Clock,
  Context,
  Duration,
  Effect,
  Exit,
  FiberSet,
  Latch,
  Layer,
  Option,
  PubSub,
  Random,
  Stream
} from "effect"
import { randomBytes } from "node:crypto"
import { type TokenMode, Tokens } from "../token/tokens.ts"
import type { CustomBlock } from "../custom-job/custom-block.ts"
import { FairLimit } from "../custom-job/fair-limit.ts"
import type { BlockSolution } from "./blocks/declared-block.ts"
import { DeclaredJobs, type FoundBlock } from "./blocks/declared-jobs.ts"
import { DeclarationSession } from "./connection/declaration-session.ts"
import { type DeclarationConnection, DeclarationEnded, ServedConnection } from "./connection/served-connection.ts"
import type { SessionContext } from "./connection/session-context.ts"
import type { DeclarationEvent } from "./event.ts"
import { makeDeclarationMetrics } from "./metrics.ts"
import { MAX_STORE_BYTES, TransactionStore } from "./mempool/transaction-store.ts"
import { ACCEPTED } from "./node/block-submission.ts"
import { followNode, type NodeSideOptions } from "./node/node-side.ts"
import { type DeclarationServerOptions, defaultDeclarationServerOptions as defaults } from "./options.ts"
import { DeclarationCounts, type DeclarationStats } from "./statistics.ts"

/** The part of a block that a pool found on a custom job which names the job and completes its block. */
export type FoundCustomWork = Pick<CustomBlock, "serial"> & BlockSolution

export class DeclarationServer extends Context.Service<
  DeclarationServer,
  {
    /** Where it listens; the first address if it listens at several. */
    readonly address: Endpoint
    /** Events from the moment of subscription on. A subscriber that is far behind misses the oldest. */
    readonly events: Stream.Stream<DeclarationEvent>
    readonly stats: Effect.Effect<DeclarationStats>
    /**
     * Submits the block of a declared job that the pool found, unless its client told of it first. Returns whether the job is known
     * here and the solution makes its block.
     */
    readonly submitFound: (found: FoundCustomWork) => Effect.Effect<boolean>
  }
>()("sluice/job-declaration/DeclarationServer") {
  /** Serves both modes until the layer's Scope closes. It starts without the node and waits for it. */
  static readonly layer = (
    options: DeclarationServerOptions
  ): Layer.Layer<DeclarationServer, never, DeclarationListener | NodeRpc | NodeNotifications> =>
    Layer.effect(
      this,
      Effect.gen(function* () {
        return yield* make(options, { rpc: yield* NodeRpc, notifications: yield* NodeNotifications })
      })
    )

  /** Serves coinbase-only mode alone, without a node. Clients with the flag DECLARE_TX_DATA are refused. */
  static readonly layerCoinbaseOnly = (
    options: DeclarationServerOptions
  ): Layer.Layer<DeclarationServer, never, DeclarationListener> => Layer.effect(this, make(options, undefined))
}

const make = Effect.fnUntraced(function* (
  options: DeclarationServerOptions,
  node: Pick<NodeSideOptions, "rpc" | "notifications"> | undefined
) {
  const listener = yield* DeclarationListener
  const clock = yield* Clock.Clock
  const throttled = yield* makeThrottledLog()
  const settings = { ...defaults, ...options }
  const { payout, reconnectTo, requireFullTemplate, tokenKey } = settings
  const { maxDeclarations, maxTokens } = settings
  const maxBytes = Math.min(settings.maxBytes, MAX_STORE_BYTES / 2)
  const maxMempoolBytes = Math.min(settings.maxMempoolBytes, MAX_STORE_BYTES / 2)
  const store = new TransactionStore(Math.floor((yield* Random.next) * 2 ** 32))
  const limits = {
    tokens: new FairLimit({ max: maxTokens, maxPerAddress: maxTokens / 4 }),
    declarations: new FairLimit({ max: maxDeclarations, maxPerAddress: maxDeclarations / 4 }),
    bytes: new FairLimit({ max: maxBytes, maxPerAddress: maxBytes / 4 })
  }
  const maxOfConnection = { tokens: maxTokens / 8, declarations: MAX_OF_CONNECTION, bytes: maxBytes / 8 }
  const jobs = new DeclaredJobs(store, limits.bytes)
  const counts = new DeclarationCounts()
  const served = new Set<ServedConnection>()
  const pubsub = yield* Effect.acquireRelease(PubSub.sliding<DeclarationEvent>(EVENT_BUFFER), PubSub.shutdown)
  const start = yield* FiberSet.makeRuntime<never, void>()
  let lastId = 0
  let isStopping = false

  const emit = (event: DeclarationEvent): void => {
    counts.count(event)
    // Not `publishUnsafe`, which drops the newest event. This drops the oldest, and a sliding PubSub never waits.
    Effect.runSync(PubSub.publish(pubsub, event))
  }

  const chain =
    node === undefined
      ? undefined
      : yield* followNode({
          ...node,
          store,
          throttled,
          limits: { maxTransactions: settings.maxMempoolTransactions, maxBytes: maxMempoolBytes },
          onTip: (tip) => {
            emit({ _tag: "TipChanged", height: tip.height })
            jobs.onTip(tip.height)
            for (const each of served) each.run((session, now, out) => session.onTip(tip, now, out))
          },
          onVerdict: ({ hash, height }, verdict) => {
            emit({ _tag: "BlockSubmitted", hash, height, verdict })
            metrics.submitted(verdict === ACCEPTED)
          }
        })

  const context: SessionContext = {
    tokens: new Tokens(tokenKey),
    store,
    jobs,
    limits,
    maxOfConnection,
    payout,
    tip: () => chain?.tip(),
    hasProposals: () => chain?.proposals.isSupported() ?? false,
    newSerial: () => new Uint8Array(randomBytes(16)),
    times: {
      tokenLifetimeMs: Duration.toMillis(settings.tokenLifetime),
      transactionsMs: Duration.toMillis(settings.transactionsTimeout),
      tipMs: Duration.toMillis(settings.tipTimeout),
      verdictMs: Duration.toMillis(settings.verdictTimeout)
    }
  }

  const stats = (): DeclarationStats => ({
    ...counts,
    jobsRefused: { ...counts.jobsRefused },
    verdicts: { ...counts.verdicts },
    height: chain?.tip()?.height ?? 0,
    tokens: limits.tokens.total,
    declarations: limits.declarations.total,
    jobs: jobs.size,
    mempool: { transactions: store.mempoolCount, bytes: store.mempoolBytes, memoryBytes: store.memoryBytes }
  })
  const metrics = yield* makeDeclarationMetrics(stats)

  const onBlock = (block: FoundBlock, by: "client" | "pool"): void => {
    emit({ _tag: "BlockFound", hash: block.hash, height: block.height, by })
    chain?.submit(block)
  }

  const busy = new Set<ServedConnection>()
  const hasWork = Latch.makeUnsafe(false)
  /** Does the sessions' work in turns, one step of each, and lets other connections be read in between. */
  const work = Effect.gen(function* () {
    while (true) {
      yield* hasWork.await
      for (const each of busy) {
        if (each.session.isBusy) each.run((session, now, out) => session.step(now, out))
        if (!each.session.isBusy) busy.delete(each)
        yield* Effect.yieldNow
      }
      if (busy.size === 0) hasWork.closeUnsafe()
    }
  })

  const serve = (connection: DeclarationConnection) => {
    const { remote, setup } = connection
    const mode: TokenMode = (setup.flags & JobDeclaration.DECLARE_TX_DATA) === 0 ? "coinbase-only" : "full-template"
    const connectionId = ++lastId
    const of = { connectionId, remote }
    const address = addressGroup(remote.host)
    const session = new DeclarationSession(context, mode, FairLimit.address(remote.host))
    const one: ServedConnection = new ServedConnection({
      session,
      connection,
      clock,
      throttled,
      rates: settings,
      onEvents: (events) => {
        for (const event of events) {
          emit({ ...of, ...event } as DeclarationEvent)
          if (event._tag === "JobRefused") metrics.refused(event.errorCode)
        }
      },
      onBlock: (block) => onBlock(block, "client"),
      onProposal: (declaration) => {
        const { asked } = declaration
        const key = isLoopback(remote.host) ? `connection ${connectionId}` : address
        const judged = chain!.proposals.judge(key, () =>
          declaration.asked === asked ? session.proposalOf(declaration) : undefined
        )
        start(
          Effect.map(judged, ({ verdict, why }) => {
            if (verdict === OTHER_TIP) chain!.wakeTip()
            one.run((session, now, out) => session.onVerdict(declaration, asked, verdict, why, now, out))
          })
        )
      },
      onBusy: () => {
        busy.add(one)
        hasWork.openUnsafe()
      }
    })
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        served.add(one)
        const { deviceId, firmware, hardwareVersion, vendor } = setup.device
        const device = {
          vendor: printable(vendor),
          hardwareVersion: printable(hardwareVersion),
          firmware: printable(firmware),
          deviceId: printable(deviceId)
        }
        emit({ ...of, _tag: "ConnectionOpened", mode, device })
      }),
      () => one.serve,
      (_, exit) =>
        Effect.gen(function* () {
          served.delete(one)
          busy.delete(one)
          session.close()
          yield* Effect.ignore(Effect.timeout(Effect.interruptible(one.sendRest()), FLUSH_TIMEOUT))
          const reason = endReason(exit, isStopping)
          emit({ ...of, _tag: "ConnectionClosed", reason })
          if (isEnded(exit))
            yield* throttled.log("ended", `Ended the connection of ${formatEndpoint(remote)}: ${reason}`, "Info")
        })
    )
  }

  yield* Effect.forkScoped(work)
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.andThen(
        Effect.sleep(TICK),
        Effect.sync(() => {
          for (const one of served) one.run((session, now, out) => session.onTick(now, out))
        })
      )
    )
  )
  yield* listener
    .run((connection) => serve(connection), {
      supportedFlags: node === undefined ? 0 : JobDeclaration.DECLARE_TX_DATA,
      accept: (client: { readonly flags: number }) =>
        requireFullTemplate && (client.flags & JobDeclaration.DECLARE_TX_DATA) === 0
          ? Effect.fail(
              new SetupRefusal({
                errorCode: ErrorCode.setup.missingDeclareTxDataFlag,
                flags: JobDeclaration.DECLARE_TX_DATA
              })
            )
          : Effect.succeed({})
    })
    .pipe(
      Effect.catch((error) => Effect.logError(`The job declarator has stopped serving: ${error.message}`)),
      Effect.forkScoped
    )
  // Runs before the connections end.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      isStopping = true
      yield* listener.stopAccepting
      if (reconnectTo === undefined) return
      const message: JobDeclaration.ToClient = {
        _tag: "Reconnect",
        newHost: reconnectTo.host,
        newPort: reconnectTo.port
      }
      yield* Effect.forEach(served, (one) => Effect.ignore(Effect.timeout(one.sendRest(message), FLUSH_TIMEOUT)), {
        concurrency: "unbounded",
        discard: true
      })
    })
  )

  return DeclarationServer.of({
    address: listener.address,
    events: Stream.fromPubSub(pubsub),
    stats: Effect.sync(stats),
    submitFound: ({ serial, ...solution }) =>
      Effect.sync(() => {
        const job = jobs.get(Buffer.from(serial).toString("hex"))
        const found = job === undefined ? "no-block" : jobs.solved(job, solution)
        if (typeof found !== "string") onBlock(found, "pool")
        return found !== "no-block"
      })
  })
})

/** BIP22's reason for a block that does not build on the node's tip. */
const OTHER_TIP = "inconclusive-not-best-prevblk"

const isEnded = (exit: Exit.Exit<unknown, { readonly message: string }>): boolean =>
  Exit.isFailure(exit) && Option.exists(Cause.findErrorOption(exit.cause), (error) => error instanceof DeclarationEnded)

/** Declarations of one connection that are being checked. */
const MAX_OF_CONNECTION = 8
const EVENT_BUFFER = 1_024
/** How often waits are looked at. */
const TICK = Duration.millis(500)
/** How long the server tries to send the last replies of a connection that ends. */
const FLUSH_TIMEOUT = Duration.seconds(1)
