/** `sluice pool`: a mining pool, client of a template provider and server of miners and proxies. */
import type { ChannelRefused } from "@sluice/channels"
import { DeclarationServer, TOKEN_KEY_SIZE, TokenKey, Tokens } from "@sluice/job-declaration"
import { Ledger, type LedgerError, type LedgerPlace } from "@sluice/ledger"
import { Pool, type PoolOptions } from "@sluice/pool"
import { minerPayout, openShareLog } from "@sluice/mining-server"
import { TemplateClient } from "@sluice/template-provider"
import { type Endpoint, MiningListener, Security, Setup, Tcp, TemplateDialer } from "@sluice/transport"
import { Deferred, Effect, Layer, Option, Redacted, Result, Struct } from "effect"
import { randomBytes } from "node:crypto"
import { defaultHandshakeThreads, layerCurveNamed } from "../server/curve.ts"
import { logEvents } from "../server/log-events.ts"
import { layerDeclarationServer, MAX_DECLARATION_CONNECTIONS, payoutRulesOf } from "../server/job-declaration.ts"
import { layerMetrics } from "../server/metrics.ts"
import { authorityOf, makeMonitor } from "../server/monitor.ts"
import { chainOf } from "../config/chain.ts"
import { type Beginning, program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { secured } from "../server/secured.ts"
import { warnOfCoinbase, withV1 } from "../server/v1.ts"
import { partOf } from "../workers/config.ts"
import { relayBlocks, submitBlockBy } from "../workers/declared-blocks.ts"
import { bothRelays, layerJobIds, noRelay, withWorkers } from "../workers/with-workers.ts"
import { layerTemplates, makeTemplateRelay } from "../workers/templates.ts"
import { layerWorker, serveAsWorker, type Worker } from "../workers/worker.ts"
import { coinbaseSizeOf, optionsOf, PoolConfig } from "./config.ts"
import { layerWithLedger, policyOf } from "./ledger.ts"
import { monitoredLedger, monitoredLedgerOfWorkers, planner } from "./monitored-ledger.ts"
import { handOverLeft } from "./spools.ts"

export const pool = program({
  ...PoolConfig,
  description: summaries.pool,
  run: Effect.fnUntraced(function* (config, { given, worker }) {
    const withShares = config.logLevel === "debug" || config.logLevel === "trace"
    if (worker === undefined) yield* warnOfCoinbase(config, coinbaseSizeOf(config))
    if (worker === undefined && config.workers > 1) return yield* runPrimary(config, given)
    const mine = worker === undefined ? config : partOf(config, worker.start)
    const shareSinks = mine.shareLog === undefined ? [] : [yield* openShareLog(mine.shareLog)]
    const options: PoolOptions = { ...optionsOf(mine), ...numbersOf(worker), shareSinks }
    const served = worker === undefined ? layerMetrics(config) : layerAnswers(worker)
    const announces = worker?.start.announces ?? true
    if (announces && config.ledger === undefined) yield* Effect.logInfo(promiseOf(config.shareLog))
    const ended = Deferred.makeUnsafe<never, LedgerError>()
    const monitor = yield* makeMonitor(mine, { worker })
    const monitored = monitoredPool(config)
    const logged = layerLog(withShares, options, policyOf(config) !== undefined)
    return yield* Layer.mergeAll(logged, served, monitor.layer(monitored)).pipe(
      Layer.provide(layerPool(config, options, worker, ended)),
      Layer.provide([
        withV1(
          "pool",
          mine,
          Setup.server(MiningListener).pipe(
            Layer.provide(secured("pool", { handshakeThreads: defaultHandshakeThreads, ...mine }))
          )
        ),
        worker === undefined ? layerTemplateClient(config) : layerTemplates(worker.link)
      ]),
      Layer.provide(worker === undefined ? layerJobIds(config) : layerWorker(worker)),
      Layer.launch,
      Effect.raceFirst(Deferred.await(ended)),
      Effect.provide(monitor.logs)
    )
  }, Effect.scoped)
})

type Config = typeof PoolConfig.schema.Type

/** What the operators' page shows of a pool. */
const monitoredPool = (config: Config) =>
  Effect.gen(function* () {
    const server = yield* Pool
    const ledger = yield* monitoredLedger
    return { ...aboutPool(config), server, ...(ledger && { ledger }) }
  })

const aboutPool = (config: Config) => {
  const chain = optionsOf(config).chain ?? chainOf([config.coinbaseAddress, config.coinbaseOutputs?.[0]?.to])
  return { role: "pool" as const, ...(chain && { chain }), ...authorityOf(config) }
}

/**
 * The process that starts workers. It is the declarator of their custom jobs, if the pool has one, and gives them the key of its
 * tokens.
 */
const runPrimary = (config: Config, given: Beginning["given"]) => {
  const { jobDeclarationListen: listen, ledger } = config
  const key = tokenKeyOf(config)
  const hex = key === undefined ? "" : Buffer.from(Redacted.value(key)).toString("hex")
  const others = given.filter(([name]) => name !== TOKEN_KEY)
  const declarator =
    listen === undefined || key === undefined
      ? noRelay
      : relayBlocks(layerDeclarations(config, optionsOf(config), listen, key))
  const workers = withWorkers({
    program: "pool",
    config,
    given: key === undefined ? given : [...others, [TOKEN_KEY, hex]],
    statsOf: (server) => server,
    monitored: (_, { planOf }) =>
      ledger === undefined
        ? Effect.succeed(aboutPool(config))
        : Effect.map(monitoredLedgerOfWorkers(ledger, planOf), (ledger) => ({ ...aboutPool(config), ledger })),
    relay: bothRelays(makeTemplateRelay(), declarator)
  }).pipe(Effect.provide([layerTemplateClient(config), layerJobIds(config)]))
  return ledger === undefined
    ? workers
    : Effect.andThen(Effect.andThen(prepareLedger(ledger), handOverLeft(ledger, config)), workers)
}

/** Makes the tables of a new ledger before several workers do, and says once if it cannot be used. */
const prepareLedger = (ledger: LedgerPlace) => Effect.scoped(Effect.asVoid(Layer.build(Ledger.layer(ledger))))

const TOKEN_KEY = "job-declaration-token-key"

const layerTemplateClient = (config: Config) =>
  TemplateClient.layer({ servers: config.templateProvider }).pipe(
    Layer.provide(Setup.client(TemplateDialer)),
    Layer.provide(Security.dialer()),
    Layer.provide(layerCurveNamed(config.curve)),
    Layer.provide(Tcp.dialer)
  )

const layerAnswers = (worker: Worker) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      return yield* serveAsWorker(worker, yield* Pool, { planOf: yield* planner })
    })
  )

/** The number of a worker is in the extranonce prefixes that it gives, unless it has a server id of a ledger. */
const numbersOf = (worker: Worker | undefined): Pick<PoolOptions, "extranonce" | "firstConnectionId"> =>
  worker === undefined
    ? {}
    : {
        extranonce: { serverId: Uint8Array.of(worker.start.number) },
        firstConnectionId: worker.start.firstConnectionId
      }

/**
 * The pool, with its server of Job Declaration if it has one: that submits the blocks of declared jobs that the pool finds. With
 * only the key of tokens, a declarator is beside the pool.
 */
const layerPool = (
  config: Config,
  options: PoolOptions,
  worker: Worker | undefined,
  ended: Deferred.Deferred<never, LedgerError>
) => {
  const key = tokenKeyOf(config)
  const rules = rulesOf(config, key, worker)
  const { ledger } = config
  const pool =
    ledger === undefined
      ? Layer.unwrap(Effect.map(rules, (rules) => Pool.layer({ ...options, ...rules })))
      : layerWithLedger({ ...config, ledger }, options, rules, ended, worker)
  const { jobDeclarationListen: listen } = config
  return listen === undefined || key === undefined || worker !== undefined
    ? pool
    : Layer.provide(pool, layerDeclarations(config, options, listen, key))
}

/** The pool's rules for the jobs of clients, if it takes such jobs. */
const rulesOf = (
  { jobDeclarationListen: listen, minPayoutPercent }: Config,
  key: TokenKey | undefined,
  worker: Worker | undefined
): Effect.Effect<Pick<PoolOptions, "customJobs">> =>
  Effect.map(Effect.serviceOption(DeclarationServer), (declarator) => {
    if (key === undefined) return {}
    const customJobs = { tokens: new Tokens(key), minPayoutPercent }
    if (listen !== undefined && worker !== undefined) {
      return { customJobs: { ...customJobs, submitBlock: submitBlockBy(worker.link) } }
    }
    return Option.match(declarator, {
      onNone: () => ({ customJobs }),
      onSome: ({ submitFound }) => ({ customJobs: { ...customJobs, submitBlock: submitFound } })
    })
  })

/** The key of tokens; a new one if the pool is its own declarator. */
const tokenKeyOf = ({ jobDeclarationListen, jobDeclarationTokenKey }: Config): TokenKey | undefined =>
  jobDeclarationTokenKey ?? (jobDeclarationListen === undefined ? undefined : TokenKey(randomBytes(TOKEN_KEY_SIZE)))

const layerDeclarations = (config: Config, options: PoolOptions, listen: Endpoint, tokenKey: TokenKey) => {
  const { minPayoutPercent, reconnectTo } = config
  const rules = payoutRulesOf(options, minPayoutPercent)
  // A miner's and a declarator's addresses differ, so `reconnect-to` holds for here alone.
  const here = reconnectTo?.host === "" ? { reconnectTo } : {}
  return layerDeclarationServer(
    {
      ...Struct.pick(config, ["authoritySecretKey", "curve", "maxHandshakesPerSecond", "proxyProtocol"]),
      ...Struct.pick(config, ["nodeRpcUrl", "nodeRpcUser", "nodeRpcPassword", "nodeRpcCookie", "nodeZmq"]),
      ...Struct.pick(config, ["minPayoutPercent", "requireFullTemplate"]),
      listen,
      maxConnections: MAX_DECLARATION_CONNECTIONS
    },
    { tokenKey, payout: () => rules, ...here }
  )
}

/** What an acknowledgement promises without a ledger. */
const promiseOf = (shareLog: string | undefined): string =>
  shareLog === undefined
    ? "Shares are acknowledged when they are counted: they are not kept (ledger keeps them)"
    : "Shares are acknowledged when the operating system has them in the share log: a power cut may lose the last ones"

/** For a refused channel of a pool that pays its users: why the user identity cannot be paid, if that is the reason. */
const unpaid = ({ errorCode, userIdentity }: ChannelRefused, { chain }: PoolOptions, paysUsers: boolean): string => {
  if (!paysUsers || errorCode !== "invalid-user-identity") return ""
  const script = minerPayout(userIdentity, chain)
  return Result.isFailure(script) ? `: ${script.failure}` : ""
}

const layerLog = (withShares: boolean, options: PoolOptions, paysUsers: boolean) =>
  Layer.effectDiscard(
    Effect.flatMap(Pool, (pool) => logEvents(pool, withShares, (event) => unpaid(event, options, paysUsers)))
  )
