/** Runs the rules against a server and gives a verdict for each. */
import { Common, JobDeclaration } from "@sluice/protocol"
import { Dialer, FrameDialer, Security, type ServerAddress } from "@sluice/transport"
import { Context, Duration, Effect, Layer, type Scope } from "effect"
import { Peer, type PeerOptions } from "../peer.ts"
import type { Kit, Rule, RuleResult, ServedProtocol } from "../rule.ts"
import { serverRules } from "./rules.ts"
import { ask } from "./setup-session.ts"
import { Wire } from "../wire.ts"
import { RuleBroken, type Verdict, verdictOf } from "../verdict.ts"

export interface RunOptions {
  /** The server to check. */
  readonly server: ServerAddress
  /** The protocol that the kit asks for. */
  readonly protocol: ServedProtocol
  /**
   * For a pool, its job declarator, and the other way round. Without it, the rules about jobs that both must agree on are
   * skipped.
   */
  readonly beside?: ServerAddress
  /** Runs only rules whose id begins with one of these. All rules by default. */
  readonly only?: ReadonlyArray<string>
  /** The time limit for an answer. Default 5 seconds. */
  readonly answerTimeout?: Duration.Input
  /** The time for which to listen for messages that must not come. Default 1 second. */
  readonly quietTime?: Duration.Input
  /** How many rules run at the same time, each on its own connections. Default 4. */
  readonly concurrency?: number
  /** The user identity of the channels that the kit opens. Default "conformance". */
  readonly userIdentity?: string
  /** The hash rate that the kit announces, in hashes a second. A lower rate gets an easier target. Default 1. */
  readonly nominalHashRate?: number
  /** The most hashes to try for one share. A rule whose share is not found is skipped. Default 20 million. */
  readonly maxHashes?: number
  /** Makes a new block on the server's chain. Without it, the rules about new blocks are skipped. */
  readonly newBlock?: Effect.Effect<void>
  /** Called with each verdict as soon as it is known. */
  readonly onResult?: (result: RuleResult) => void
}

/** The defaults of options that the user of a program sets. */
export const runDefaults = {
  answerTimeout: Duration.seconds(5),
  userIdentity: "conformance",
  nominalHashRate: 1,
  maxHashes: 20_000_000
} as const

/** The rules for a server of this protocol. */
export const rulesFor = (protocol: RunOptions["protocol"]): ReadonlyArray<Rule> =>
  serverRules.filter((rule) => rule.protocol === "common" || rule.protocol === protocol)

/** Gives a verdict for each rule, in the order of the rules. Never fails: an unreachable server breaks every rule. */
export const run = (options: RunOptions): Effect.Effect<ReadonlyArray<RuleResult>, never, Dialer> =>
  Effect.gen(function* () {
    const { server } = options
    const answerMs = Duration.toMillis(options.answerTimeout ?? runDefaults.answerTimeout)
    const quietMs = Duration.toMillis(options.quietTime ?? "1 second")
    const { dial } = yield* Dialer
    const kitFor = Effect.fnUntraced(function* (address: ServerAddress, protocol: ServedProtocol) {
      const connectWith = yield* makeConnect(address, { answerMs, quietMs })
      return {
        connect: connectWith(undefined),
        connectWith,
        connectRaw: Effect.mapError(
          dial(address),
          ({ message }) => new RuleBroken({ expected: "a connection", came: message })
        ),
        encrypted: address.security._tag === "noise",
        answerMs,
        quietMs,
        protocolId: PROTOCOL_ID[protocol],
        userIdentity: options.userIdentity ?? runDefaults.userIdentity,
        nominalHashRate: options.nominalHashRate ?? runDefaults.nominalHashRate,
        maxHashes: options.maxHashes ?? runDefaults.maxHashes,
        newBlock: options.newBlock,
        flags: 0,
        beside: undefined
      } satisfies Kit
    })
    const other = options.protocol === "mining" ? "job-declaration" : "mining"
    const beside = options.beside === undefined ? undefined : yield* kitFor(options.beside, other)
    const plain = { ...(yield* kitFor(server, options.protocol)), beside }
    const kit: Kit = options.protocol === "job-declaration" ? { ...plain, flags: yield* flagsFor(plain) } : plain
    const { onResult, only } = options
    const rules = rulesFor(options.protocol).filter(
      ({ id }) => only === undefined || only.some((prefix) => id.startsWith(prefix))
    )
    const judge = ({ check, id, section, side, title }: Rule) =>
      Effect.scoped(check(kit)).pipe(
        Effect.match({ onSuccess: (): Verdict => ({ _tag: "Passed" }), onFailure: verdictOf }),
        Effect.map((verdict): RuleResult => ({ id, title, section, side, verdict })),
        Effect.tap((result) => Effect.sync(() => onResult?.(result)))
      )
    const together = rules.filter(({ alone }) => alone !== true)
    const alone = rules.filter((rule) => rule.alone === true)
    const results = [
      ...(yield* Effect.forEach(together, judge, { concurrency: options.concurrency ?? 4 })),
      ...(yield* Effect.forEach(alone, judge))
    ]
    return rules.map(({ id }) => results.find((result) => result.id === id)!)
  }).pipe(Effect.scoped)

/** DECLARE_TX_DATA, unless the declarator refuses connections with it. */
const flagsFor = (kit: Kit): Effect.Effect<number> =>
  ask(kit, { flags: JobDeclaration.DECLARE_TX_DATA }).pipe(
    Effect.scoped,
    Effect.match({
      onSuccess: ({ answer }) => (answer._tag === "SetupConnection.Success" ? JobDeclaration.DECLARE_TX_DATA : 0),
      onFailure: () => 0
    })
  )

const PROTOCOL_ID = {
  mining: Common.MINING_PROTOCOL,
  "job-declaration": Common.JOB_DECLARATION_PROTOCOL,
  "template-distribution": Common.TEMPLATE_DISTRIBUTION_PROTOCOL
} as const

/** Dials with the security of the server's address, over bytes that a script can change. */
const makeConnect = Effect.fnUntraced(function* (
  server: ServerAddress,
  options: PeerOptions
): Effect.fn.Return<(change: Change | undefined) => Kit["connect"], never, Dialer | Scope.Scope> {
  const dialer = yield* Dialer
  const dial: Dialer["Service"]["dial"] = (endpoint) =>
    Effect.gen(function* () {
      const wire = new Wire(yield* dialer.dial(endpoint))
      const slot = yield* WireSlot
      if (slot.change !== undefined) wire.alter(slot.change)
      slot.wire = wire
      return wire.duplex
    })
  const frames = yield* Layer.build(Security.dialer().pipe(Layer.provide(Layer.succeed(Dialer, { ...dialer, dial }))))
  const secured = Context.get(frames, FrameDialer)
  return (change) =>
    Effect.suspend(() => {
      const slot: Slot = { change, wire: undefined }
      return secured.dial(server).pipe(
        Effect.provideService(WireSlot, slot),
        Effect.mapError(({ message }) => new RuleBroken({ expected: "a connection", came: message })),
        Effect.flatMap((dialled) => Peer.make(dialled, slot.wire!, options))
      )
    })
})

type Change = Parameters<Wire["alter"]>[0]

interface Slot {
  readonly change: Change | undefined
  wire: Wire | undefined
}

/** Hands the `Wire` of a connection that is being made to its script. */
const WireSlot = Context.Reference<Slot>("sluice/conformance/WireSlot", {
  defaultValue: () => ({ change: undefined, wire: undefined })
})
