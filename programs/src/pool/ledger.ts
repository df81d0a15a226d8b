/** The keys of the pool about its ledger, and the layers that they lead to. */
import {
  followBlocks,
  followRetention,
  Ledger,
  ledgerDefaults,
  type LedgerError,
  ledgerName,
  LedgerPayouts,
  type LedgerPayoutsCalls,
  ledgerPayoutsDefaults,
  type LedgerPlace,
  leaseServerId,
  type RetentionOptions
} from "@sluice/ledger"
import { hashToDisplay } from "@sluice/bitcoin"
import { type CustomWork, MiningServer, Payouts, Templates } from "@sluice/mining-server"
import { customWorkOf, Pool, type PoolOptions } from "@sluice/pool"
import type { Endpoint } from "@sluice/transport"
import { Deferred, Duration, Effect, Layer, Schema } from "effect"
import { hostname } from "node:os"
import { ledgerUrl, policyOfNumbers, SCHEMES } from "../config/ledger.ts"
import { defaulted, optional } from "../config/key.ts"
import { fileToWrite } from "../config/path.ts"
import { choice, decimal, whole } from "../config/value.ts"
import { announce } from "../server/announces.ts"
import { layerNode, type NodeConfig } from "../server/node.ts"
import type { Worker } from "../workers/worker.ts"
import { handOverLeft, spoolOf } from "./spools.ts"

export const ledgerKeys = {
  ledger: optional(ledgerUrl, {
    description:
      "The ledger: a database that has each share before it is acknowledged, and each block that was found. The path of an SQLite file is relative to the working directory; several pools, and the workers of each, may share one PostgreSQL database.",
    example: "sqlite:pool.ledger"
  }),
  ledgerAcknowledge: defaulted(choice(["durable", "written", "received"]), {
    description:
      "What an acknowledgement promises: the share is on the disk (durable), the operating system has it (written), or the pool has it (received).",
    default: ledgerDefaults.acknowledge
  }),
  ledgerCommitMs: defaulted(whole("N", 1, 1000), {
    description: "The milliseconds that shares wait for others, to be written to the ledger together.",
    default: Duration.toMillis(ledgerDefaults.commitInterval)
  }),
  spool: optional(fileToWrite("a file that the pool may write"), {
    description:
      "The file that keeps shares while a ledger in PostgreSQL cannot be written, and hands them over later. pool-PORT.spool in the working directory without it. Each of several workers has its own: pool.1.spool, pool.2.spool and so on.",
    example: "pool.spool"
  }),
  shareRetention: optional(whole("DAYS", 1, 36_500), {
    description:
      "The days for which the ledger keeps shares as they came. Those that a settlement or the next block needs stay longer, and sums by user for ever. All stay without it.",
    example: 400
  }),
  payoutScheme: optional(choice(SCHEMES), {
    description:
      "How users are paid for their work: in the coinbase itself, and then their names are addresses; with fpps and pps from the pool's wallet (sluice ledger pay). All but solo need a ledger. docs/operators/payouts.md explains each.",
    example: "pplns"
  }),
  payoutFee: defaulted(decimal("PERCENT", 0, 100), {
    description: "The pool's part of each reward with payout-scheme, for coinbase-address or coinbase-outputs.",
    default: 0
  }),
  payoutReserve: optional(whole("SATOSHIS", 0, 2_100_000_000_000_000), {
    description:
      "What the pool has to pay users of fpps and pps when it finds fewer blocks than it pays for. The pool says when it runs low.",
    example: 10_000_000_000
  }),
  payoutWindow: defaulted(decimal("N", 0.001, 1000), {
    description: "The window of pplns: this many times the work of a block.",
    default: 2
  }),
  payoutMinutes: defaulted(whole("N", 1, 1_000_000), {
    description: "The window of pplns-time, in minutes.",
    default: 1440
  }),
  payoutMinimum: defaulted(whole("SATOSHIS", 0, 2_100_000_000_000_000), {
    description: "The least amount that a coinbase pays to a user. Smaller ones are carried to the next block.",
    default: Number(ledgerPayoutsDefaults.minimum)
  }),
  maxCoinbaseBytes: defaulted(whole("N", 300, 65_535), {
    description:
      "The most bytes of a coinbase with payout-scheme, which limits how many users a block pays. Old firmware takes 750.",
    default: ledgerPayoutsDefaults.maxCoinbaseBytes
  })
}

export type LedgerConfig = Schema.Struct.Type<typeof ledgerKeys>

/** Other keys of the pool that matter here. */
interface PoolKeys {
  readonly soloFee?: number
  readonly workers: number
}

/** The checks of these keys. */
export const ledgerChecks = [
  Schema.makeFilter(({ ledger, payoutReserve, payoutScheme, soloFee, spool, workers }: LedgerConfig & PoolKeys) => {
    if (spool !== undefined && (ledger === undefined || "file" in ledger)) {
      return "spool: only a ledger in PostgreSQL has one; shares wait in memory while an SQLite file cannot be written"
    }
    if (ledger !== undefined && "file" in ledger && workers > 1) {
      return (
        `ledger, workers: an SQLite file has one writer, so ${workers} workers cannot share it: give workers = 1, ` +
        `or a ledger in PostgreSQL (postgres://USER:PASSWORD@HOST/NAME)`
      )
    }
    if (payoutScheme !== undefined && soloFee !== undefined) {
      return "give payout-scheme or solo-fee, not both: with payout-scheme solo the fee is payout-fee"
    }
    const buysShares = payoutScheme === "fpps" || payoutScheme === "pps"
    if (buysShares && payoutReserve === undefined) {
      return (
        `payout-scheme ${payoutScheme} needs payout-reserve: the satoshis that the pool has to pay users when it finds fewer blocks ` +
        `than it pays for`
      )
    }
    if (!buysShares && payoutReserve !== undefined)
      return "payout-reserve is for fpps and pps: payout-scheme is another one"
    return payoutScheme !== undefined && payoutScheme !== "solo" && ledger === undefined
      ? `payout-scheme ${payoutScheme} needs a ledger: --ledger sqlite:FILE or postgres://...`
      : undefined
  })
] as const

/** The policy of a block's reward; undefined if the coinbase pays fixed outputs. */
export const policyOf = (config: LedgerConfig & { readonly soloFee?: number }) => {
  const { payoutFee, payoutMinutes, payoutScheme, payoutWindow, soloFee } = config
  const scheme = payoutScheme ?? (soloFee === undefined ? undefined : "solo")
  const fee = payoutScheme === undefined ? (soloFee ?? 0) : payoutFee
  return scheme === undefined
    ? undefined
    : policyOfNumbers(scheme, { fee, window: payoutWindow, minutes: payoutMinutes })
}

/** A pool whose shares, and with a scheme whose payouts, are a ledger's. */
export const layerWithLedger = (
  config: LedgerConfig & NodeConfig & PoolKeys & { readonly ledger: LedgerPlace; readonly listen: Endpoint },
  given: PoolOptions,
  /** The pool's rules for the jobs of clients. */
  rules: Effect.Effect<Pick<PoolOptions, "customJobs">>,
  /** Fails if the pool must end, because another process has its server id. */
  ended: Deferred.Deferred<never, LedgerError>,
  worker: Worker | undefined
) => {
  const policy = policyOf(config)
  const ledger = Ledger.layer({
    ...config.ledger,
    acknowledge: config.ledgerAcknowledge,
    commitInterval: config.ledgerCommitMs,
    spool: "file" in config.ledger ? undefined : { file: spoolOf(config, worker?.start.number) }
  })
  const others = given.shareSinks ?? []
  const promise = announce(promises[config.ledgerAcknowledge], { ledger: ledgerName(config.ledger) })
  const serverId = withServerId(config.ledger, given, ended, worker === undefined ? "pool" : "worker")
  // What is done once for all workers.
  const isFirst = worker === undefined || worker.start.number === 1
  const left =
    worker !== undefined || "file" in config.ledger
      ? Layer.empty
      : Layer.effectDiscard(handOverLeft(config.ledger, config))
  if (policy === undefined) {
    const shares = announce("The ledger records shares only: without payout-scheme it does not divide rewards")
    const pool = Effect.gen(function* () {
      const { sink } = yield* Ledger
      const options = yield* serverId
      return Pool.layer({ ...options, ...(yield* rules), shareSinks: [...others, sink] })
    })
    return Layer.unwrap(Effect.andThen(Effect.andThen(promise, shares), pool)).pipe(
      Layer.merge(isFirst ? layerRetention(config, () => undefined) : Layer.empty),
      Layer.merge(left),
      Layer.provideMerge(ledger)
    )
  }
  const server = (options: PoolOptions) =>
    Effect.gen(function* () {
      yield* promise
      const { record, sink, validateUser } = yield* LedgerPayouts
      const { customJobs } = yield* rules
      const work =
        customJobs === undefined ? undefined : yield* Effect.fromResult(customWorkOf(yield* Payouts, customJobs))
      return MiningServer.layer({
        ...options,
        ...(work === undefined ? {} : { customWork: recorded(work, record) }),
        shareSinks: [...others, sink],
        validateUser
      })
    })
  const pool = Effect.map(serverId, (options) =>
    Layer.effect(Pool, MiningServer).pipe(
      Layer.provide(Layer.unwrap(server(options))),
      Layer.provide(LedgerPayouts.work),
      Layer.provide(Templates.layer(options))
    )
  )
  const retention = Effect.map(LedgerPayouts, ({ window }) =>
    layerRetention(config, () => (policy.scheme === "solo" ? undefined : window))
  )
  return Layer.unwrap(pool).pipe(
    Layer.merge(isFirst ? Layer.unwrap(retention) : Layer.empty),
    // The operators' page shows the ledger and its plan.
    Layer.provideMerge(
      LedgerPayouts.layer({
        policy,
        pool: given,
        minimum: BigInt(config.payoutMinimum),
        maxCoinbaseBytes: config.maxCoinbaseBytes,
        ...(config.payoutReserve === undefined ? {} : { reserve: BigInt(config.payoutReserve) }),
        ...(given.chain === "regtest" ? { halvingInterval: 150 } : {})
      })
    ),
    Layer.merge(isFirst ? layerFollow(config) : Layer.empty),
    Layer.merge(left),
    Layer.provideMerge(ledger)
  )
}

/** Records the blocks of clients' jobs too. */
const recorded = (work: CustomWork, record: LedgerPayoutsCalls["record"]): CustomWork => ({
  ...work,
  submit: (block) =>
    Effect.all([work.submit(block), block.isBlock ? record([block]) : Effect.void], {
      concurrency: "unbounded",
      discard: true
    })
})

/**
 * The options with a server id for the extranonce prefixes that no other pool or worker on the same PostgreSQL has. One pool writes to
 * an SQLite file.
 */
const withServerId = Effect.fnUntraced(function* (
  ledger: LedgerPlace,
  options: PoolOptions,
  ended: Deferred.Deferred<never, LedgerError>,
  what: "pool" | "worker"
) {
  if ("file" in ledger) return options
  const { isHeld, lost, serverId } = yield* leaseServerId({ holder: `process ${process.pid} on ${hostname()}` })
  yield* Effect.logInfo(`This ${what} has server id ${serverId} of those that share the ledger`)
  yield* Effect.forkScoped(Deferred.into(lost, ended))
  return { ...options, extranonce: { serverId: Uint8Array.of(serverId), isServerIdHeld: isHeld } }
})

const promises = {
  durable: "Shares are acknowledged when they are on the disk",
  written: "Shares are acknowledged when the operating system has them: a power cut may lose the last ones",
  received: "Shares are acknowledged when the pool has them: the last ones are lost if it ends at once"
} as const

/** Removes shares that are older than they have to be kept. */
const layerRetention = ({ shareRetention }: LedgerConfig, window: RetentionOptions["window"]) =>
  shareRetention === undefined
    ? Layer.empty
    : Layer.effectDiscard(
        Effect.flatMap(Ledger, (ledger) =>
          followRetention(ledger, { retention: Duration.days(shareRetention), window })
        )
      )

const FOLLOW = Duration.seconds(30)

/** Follows blocks on the chain of the node, if there is one. */
const layerFollow = (config: NodeConfig) => {
  const node = layerNode(config)
  if (node === undefined) {
    return Layer.effectDiscard(
      announce(
        "The pool does not see which of its blocks stay in the chain: give node-rpc-url, or run sluice ledger settle"
      )
    )
  }
  const look = Effect.gen(function* () {
    for (const { block, state } of yield* followBlocks) {
      yield* Effect.logInfo(`A block is ${state}`, { height: block.height, hash: hashToDisplay(block.hash) })
    }
  }).pipe(Effect.catch(({ message }) => Effect.logWarning(`Blocks cannot be followed: ${message}`)))
  return Layer.effectDiscard(Effect.forkScoped(Effect.forever(Effect.andThen(look, Effect.sleep(FOLLOW))))).pipe(
    Layer.provide(node)
  )
}
