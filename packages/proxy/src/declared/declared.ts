/**
 * The source of work of a proxy whose miners choose the transactions of their blocks: templates of a `TemplateSource`, declared to pools
 * in an order of preference. The decisions are in machine.ts; this file is the shell with the connections to declarators, the
 * template provider and the log. The connections to pools are those of every proxy (upstream/shell.ts).
 */
import { coinbaseTags } from "@sluice/bitcoin"
import type { DeclarationFault } from "@sluice/job-declaration"
import {
  JobIds,
  OptionError,
  payoutScript,
  splitReward,
  payoutOf,
  WorkSource,
  type PayoutShare
} from "@sluice/mining-server"
import { JobDeclaration, Mining, type TemplateDistribution } from "@sluice/protocol"
import { TemplateSource } from "@sluice/template-provider"
import {
  type Connection,
  type ConnectionError,
  DeclarationDialer,
  type DialError,
  formatServerAddress,
  makeThrottledLog,
  MiningDialer,
  reconnecting
} from "@sluice/transport"
import { Clock, Context, Deferred, Duration, Effect, Layer, Result, Stream } from "effect"
import { defaultUpstreamOptions, payoutCheckOf, sharedIdentityOf, spaceOf } from "../upstream/options.ts"
import { Link } from "../upstream/link.ts"
import { reasonOf, runUpstreams, type Shell } from "../upstream/shell.ts"
import { Upstreams } from "../upstream/upstreams.ts"
import type { OwnEvent } from "./event.ts"
import { DeclaredMachine } from "./machine.ts"
import { type DeclaredStats, Declarations } from "./declarations.ts"
import { type DeclaredOptions, defaultDeclaredOptions } from "./options.ts"
import type { TemplateTransactions } from "./own-templates.ts"
import { TemplateWtxids } from "./template-wtxids.ts"
import { registerDeclarationMetrics } from "./metrics.ts"

/** Connects to pools, declarators and the template provider for as long as the layer lives. Building it does not wait for them. */
export const layer = (
  options: DeclaredOptions
): Layer.Layer<WorkSource | Upstreams | Declarations, OptionError, MiningDialer | DeclarationDialer | TemplateSource> =>
  Layer.effectContext(make(options))

/** How often the machine looks at the time: a job that was refused because of another block is declared again soon. */
const TICK = Duration.millis(250)
/** How long until the transactions of a template are asked for again. */
const AGAIN = Duration.seconds(1)

const make = Effect.fnUntraced(function* (given: DeclaredOptions) {
  const options = { ...defaultUpstreamOptions, ...defaultDeclaredOptions, ...given }
  const miningDialer = yield* MiningDialer
  const declarationDialer = yield* DeclarationDialer
  const templates = yield* TemplateSource
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const throttled = yield* makeThrottledLog()
  const jobIds = yield* yield* JobIds.JobIds
  const run = jobIds.next() % 2 ** 32
  const servers = options.upstreams
  const names = servers.map(({ server }) => formatServerAddress(server))
  const solo = yield* soloOf(options)
  const upstreams = yield* Effect.forEach(
    servers,
    ({ declarator, server, userIdentity = options.userIdentity }, index) =>
      Effect.map(sharedIdentityOf(userIdentity), (identity) => ({
        server,
        name: names[index]!,
        userIdentity: identity,
        ...(declarator === undefined ? {} : { declarator })
      }))
  )
  const machine: DeclaredMachine = new DeclaredMachine(
    {
      upstreams,
      solo,
      space: yield* spaceOf(options.extranonceSize),
      firstJobId: run,
      run: Uint8Array.of(run >>> 24, run >>> 16, run >>> 8, run),
      mode: options.declareTransactions ? "full-template" : "coinbase-only",
      tags: coinbaseTags("", options.tag),
      ownOutputs: yield* ownOutputsOf(options.ownOutputs ?? [], options.chain),
      checkPayout: yield* payoutCheckOf(options),
      returnAfterMs: Duration.toMillis(options.returnAfter),
      silenceMs: Duration.toMillis(options.silence),
      idleMs: Duration.toMillis(options.idle),
      repeatAfterMs: Duration.toMillis(options.repeatAfter),
      minFeeDelta: options.minFeeDelta,
      declareIntervalMs: Duration.toMillis(options.declareInterval),
      tokenTimeoutMs: Duration.toMillis(options.tokenTimeout),
      templateTimeoutMs: Duration.toMillis(options.templateTimeout)
    },
    now()
  )
  const allNames = solo === undefined ? names : [...names, solo.name]
  const links = new Map<number, Link<JobDeclaration.ToServer, DeclarationFault>>()
  const wtxids = new TemplateWtxids()

  const act = (event: OwnEvent): Effect.Effect<void> => {
    switch (event._tag) {
      case "Solution":
        return Effect.andThen(
          templates.submit(event.solution),
          Effect.logInfo(
            `A block goes to the template provider${event.isPushed ? " and to the declarator of its job" : ""}`
          )
        )
      case "Constrain":
        return templates.constrain(event.constraints)
      case "NeedTransactions":
        return Effect.sync(() => shell.start(fetch(event.template)))
      case "Unusable":
        return throttled.log(
          "unusable",
          `Ignored template ${event.templateId}, which makes no job: ${event.reason}`,
          "Warn"
        )
      case "SendDeclarator": {
        const link = links.get(event.index)
        if (link === undefined) return Effect.void
        if (!link.add(event.messages)) {
          return shell.run(() => machine.failDeclarator(event.index, "slow-reader", Link.TOO_SLOW, now()))
        }
        if (link.isIdle) shell.start(link.drain)
        return Effect.void
      }
      case "DeclaratorFailed": {
        const link = links.get(event.index)
        return link === undefined ? Effect.void : Effect.asVoid(Deferred.fail(link.failed, event.fault))
      }
    }
  }

  /** Asks the provider for the transactions of a template, until it gives them or says that the template is over. */
  const fetch = (template: TemplateDistribution.NewTemplate): Effect.Effect<void> =>
    templates.transactions(template.templateId).pipe(
      Effect.map(({ excessData, transactionList }): TemplateTransactions => ({
        transactions: transactionList,
        wtxids: wtxids.of(transactionList),
        excessData
      })),
      Effect.matchEffect({
        onSuccess: (transactions) => shell.run(() => machine.transactionsReceived(template, transactions, now())),
        onFailure: (error) =>
          Effect.gen(function* () {
            yield* throttled.log("transactions", `A job cannot be declared: ${error.message}`, "Warn")
            yield* Effect.sleep(AGAIN)
            yield* shell.run(() => machine.transactionsReceived(template, undefined, now()))
          })
      })
    )

  const shell: Shell = yield* runUpstreams({
    machine,
    names: allNames,
    dialers: [...servers.map(({ dialer = miningDialer }) => dialer), ...(solo === undefined ? [] : [undefined])],
    setups: servers.map(({ declarator }) =>
      declarator === undefined ? undefined : { flags: Mining.REQUIRES_WORK_SELECTION }
    ),
    reconnecting: options.reconnecting,
    name: "source of own jobs",
    tick: TICK,
    before: Effect.suspend(() => Effect.forEach(machine.takeOwnEvents(), act, { discard: true })),
    observe: (load, at) => machine.observe(load, at)
  })

  const useDeclarator = (index: number) =>
    Effect.fnUntraced(function* (connection: DeclarationConnection) {
      const link = new Link(connection.send, yield* Deferred.make<never, DeclarationFault>())
      links.set(index, link)
      yield* shell.run(() => machine.declaratorConnected(index, now()))
      yield* Effect.logInfo(`Connected to the declarator ${formatServerAddress(machine.declarator(index)!.server)}`)
      yield* Stream.runForEachArray(connection.receive, (batch) =>
        shell.run(() => machine.declaratorReceived(index, batch, now()))
      ).pipe(
        Effect.raceFirst(Deferred.await(link.failed)),
        Effect.onExit((exit) =>
          Effect.suspend(() => {
            links.delete(index)
            return shell.run(() => machine.declaratorLost(index, reasonOf(exit), now()))
          })
        )
      )
    })

  const flags = options.declareTransactions ? JobDeclaration.DECLARE_TX_DATA : 0
  yield* Effect.forEach(
    servers,
    ({ declarationDialer: dialer = declarationDialer, declarator }, index) => {
      if (declarator === undefined) return Effect.void
      const dial = () =>
        Effect.suspend(() => dialer.dial(machine.declarator(index)!.server, { flags })).pipe(
          Effect.tapError(({ message }) =>
            shell.run(() => {
              machine.forgetDeclaratorRedirect(index)
              machine.declaratorLost(index, message, now())
            })
          )
        )
      return reconnecting<
        DeclarationConnection,
        DialError | ConnectionError,
        ConnectionError | DeclarationFault,
        never
      >({ dial }, [declarator], useDeclarator(index), {
        firstDelay: "500 millis",
        maxDelay: "10 seconds",
        ...options.reconnecting
      }).pipe(Effect.forkScoped)
    },
    { discard: true }
  )
  yield* Stream.runForEachArray(templates.messages, (messages) =>
    shell.run(() => machine.templatesReceived(messages, now()))
  ).pipe(Effect.forkScoped({ startImmediately: true }))
  yield* templates.state.pipe(
    Stream.runForEach(({ _tag }) => shell.run(() => machine.templatesConnected(_tag !== "Disconnected", now()))),
    Effect.forkScoped
  )
  yield* shell.run(() => {})
  yield* registerDeclarationMetrics(machine, names)

  const stats = Effect.sync(() =>
    allNames.map((name, index): DeclaredStats => {
      const declarator = machine.declarator(index)
      return {
        name,
        kind: declarator !== undefined ? "declared" : index === machine.solo ? "solo" : "pool",
        isActive: machine.active === index,
        declarator: declarator === undefined ? "" : formatServerAddress(declarator.server),
        isDeclaratorConnected: declarator?.isConnected ?? false,
        ...(declarator?.tally.counts ?? NO_COUNTS)
      }
    })
  )
  return Context.make(WorkSource, shell.source).pipe(
    Context.add(Upstreams, Upstreams.of({ stats: shell.stats })),
    Context.add(Declarations, Declarations.of({ stats }))
  )
})

type DeclarationConnection = Connection<JobDeclaration.ToClient, JobDeclaration.ToServer>

const NO_COUNTS = { declared: 0, acknowledged: 0, refused: {}, pushed: 0, kept: 0 }

const soloOf = ({ chain, soloAddress }: DeclaredOptions) =>
  soloAddress === undefined
    ? Effect.succeed(undefined)
    : OptionError.fromResult(
        "soloAddress",
        Result.map(payoutScript(soloAddress, chain), (script) => ({ name: `solo mining for ${soloAddress}`, script }))
      )

/** The miner's own outputs: parts of the reward, rounded down. */
const ownOutputsOf = (shares: ReadonlyArray<PayoutShare>, chain: DeclaredOptions["chain"]) =>
  Effect.gen(function* () {
    if (shares.length === 0) return () => []
    const percent = shares.reduce((sum, share) => sum + share.percent, 0)
    // The rest is the pool's: a share of its own makes whole percentages.
    const rest = Math.round((100 - percent) * 10_000) / 10_000
    if (!(rest > 0)) {
      return yield* OptionError.of("ownOutputs", `the percentages sum to ${percent}; they leave the pool nothing`)
    }
    const [first] = shares
    const payout = yield* OptionError.fromResult(
      "ownOutputs",
      payoutOf({
        coinbaseOutputs: [{ to: first!.to, percent: rest }, ...shares],
        ...(chain === undefined ? {} : { chain })
      })
    )
    // The first output of the split is the pool's rest.
    return (reward: bigint) => splitReward(payout, reward).slice(1)
  })
