/** Serves a client in one scripted session after another, and gives a verdict for each rule. */
import { CertificateAuthority, entropy } from "@sluice/noise"
import { JobDeclaration, Mining, TemplateDistribution } from "@sluice/protocol"
import { Listener, MiningListener, Noise, Plain, Setup } from "@sluice/transport"
import { Clock, Duration, Effect, Exit, Layer, type Redacted, Scope } from "effect"
import { Peer } from "../peer.ts"
import type { RuleResult, ServedProtocol } from "../rule.ts"
import { ClientQueue } from "./accept.ts"
import { clientRules } from "./client-rules.ts"
import { Conduct } from "./conduct.ts"
import { booksOf } from "./declaration/declaration-visit.ts"
import { servePool } from "./declaration/pool-beside.ts"
import { makeCredentials } from "./credentials.ts"
import type { ClientKit, ClientRule, Visitor } from "./kit.ts"
import { Ledger } from "./ledger.ts"
import { RuleBroken, RuleSkipped, type Verdict, verdictOf } from "../verdict.ts"

export interface ServeOptions {
  /** The protocol that the kit serves and the client must speak. */
  readonly protocol: ServedProtocol
  /**
   * Where the kit is the pool of a client that declares jobs, with the same key. Without it, the rules about custom jobs are
   * skipped: no other pool knows the kit's tokens.
   */
  readonly pool?: Listener["Service"]
  /** Signs the kit's certificates. Without it, connections are not encrypted. */
  readonly authoritySecretKey?: Redacted.Redacted<Uint8Array>
  /** Checks only rules whose id begins with one of these. All rules by default. */
  readonly only?: ReadonlyArray<string>
  /** A second address, to which Reconnect sends the client. Without it, the rules about that are skipped. */
  readonly elsewhere?: Listener["Service"]
  /** The time limit for each new connection of the client. Default 1 minute. */
  readonly connectTimeout?: Duration.Input
  /** The time limit for an answer. Default 5 seconds. */
  readonly answerTimeout?: Duration.Input
  /** The time for which to listen for messages that must not come. Default 1 second. */
  readonly quietTime?: Duration.Input
  /** The time limit for a share or a solution. Default 30 seconds. */
  readonly shareTimeout?: Duration.Input
  /** Shares a minute that the channels' targets aim at, for the hash rates that clients announce. Default 300. */
  readonly sharesPerMinute?: number
  /** Called with each verdict as soon as it is known. */
  readonly onResult?: (result: RuleResult) => void
}

/** The defaults of options that the user of a program sets. */
export const serveDefaults = {
  answerTimeout: Duration.seconds(5),
  connectTimeout: Duration.minutes(1),
  shareTimeout: Duration.seconds(30),
  sharesPerMinute: 300
} as const

/** The rules for a client of this protocol. */
export const clientRulesFor = (protocol: ServeOptions["protocol"]): ReadonlyArray<ClientRule> =>
  clientRules.filter((rule) => rule.protocol === "common" || rule.protocol === protocol)

/**
 * Gives a verdict for each rule, in the order of the rules, for the client that connects to the listener. It expects one
 * client that connects again whenever its connection ends. Never fails: if no client connects, it skips all rules.
 */
export const serve = (options: ServeOptions): Effect.Effect<ReadonlyArray<RuleResult>, never, Listener> =>
  Effect.gen(function* () {
    const kit = yield* makeKit(options, yield* Listener)
    const { onResult, only, protocol } = options
    const rules = clientRulesFor(protocol).filter(
      ({ id }) => only === undefined || only.some((prefix) => id.startsWith(prefix))
    )
    const verdicts = new Map<string, Verdict>()
    const inOrder = [...rules.filter(({ observed }) => observed !== true), ...rules.filter(({ observed }) => observed)]
    for (const rule of inOrder) {
      const tried = yield* Effect.match(rule.check(kit), {
        onSuccess: (): Verdict => ({ _tag: "Passed" }),
        onFailure: verdictOf
      })
      // A failed session leaves its connection in an unknown state.
      if (tried._tag === "Failed") yield* kit.end
      verdicts.set(rule.id, tried)
      if (rule.observed !== true && onResult !== undefined) onResult(resultOf(rule, judged(kit.ledger, rule, tried)))
    }
    // Later sessions may have recorded a breach of an earlier rule.
    return rules.map((rule) => {
      const result = resultOf(rule, judged(kit.ledger, rule, verdicts.get(rule.id)!))
      if (rule.observed === true) onResult?.(result)
      return result
    })
  }).pipe(Effect.scoped)

const judged = (ledger: Ledger, { id }: ClientRule, tried: Verdict): Verdict => {
  const breach = ledger.breachOf(id)
  return breach === undefined || tried._tag === "Failed" ? tried : verdictOf(new RuleBroken(breach))
}

const resultOf = ({ id, section, side, title }: ClientRule, verdict: Verdict): RuleResult => ({
  id,
  title,
  section,
  side,
  verdict
})

const PROTOCOL = {
  mining: Mining.protocol,
  "job-declaration": JobDeclaration.protocol,
  "template-distribution": TemplateDistribution.protocol
}

/** Bytes for TLVs behind the longest message of a client. */
const ROOM_FOR_TLVS = 4096

const makeKit = Effect.fnUntraced(function* (
  options: ServeOptions,
  listener: Listener["Service"]
): Effect.fn.Return<ClientKit, never, Scope.Scope> {
  const { authoritySecretKey, elsewhere, protocol } = options
  const encrypted = authoritySecretKey !== undefined
  const credentialsFor = encrypted ? yield* makeCredentials(authoritySecretKey) : undefined
  const random = yield* entropy
  const places = { here: listener, ...(elsewhere === undefined ? {} : { elsewhere }) }
  const queue = yield* ClientQueue.open(places, encrypted)
  const answerMs = Duration.toMillis(options.answerTimeout ?? serveDefaults.answerTimeout)
  const quietMs = Duration.toMillis(options.quietTime ?? "1 second")
  const connectMs = Duration.toMillis(options.connectTimeout ?? serveDefaults.connectTimeout)
  const ledger = new Ledger()
  const state: ClientKit["state"] = {}
  /** The Scopes of the open connections. */
  let open: ReadonlyArray<Scope.Closeable> = []
  let hasCome = false
  let isGone = false

  const end = Effect.suspend(() => {
    const ended = open
    open = []
    state.miner = undefined
    state.declarer = undefined
    state.templateUser = undefined
    return Effect.forEach(ended, (scope) => Scope.close(scope, Exit.void), { discard: true })
  })

  const goneFor = Effect.suspend(() => {
    isGone = true
    const why = `the client did not connect${hasCome ? " again" : ""} within ${connectMs / 1000} s`
    return Effect.fail(new RuleSkipped({ why }))
  })

  const accept: ClientKit["accept"] = Effect.fnUntraced(function* ({ alter, at, beside = false, forgery } = {}) {
    if (!beside) yield* end
    // A client that did not come once is not waited for again.
    const patience = isGone ? 0 : connectMs
    const until = (yield* Clock.currentTimeMillis) + patience
    while (true) {
      const credentials = credentialsFor === undefined ? undefined : yield* credentialsFor(forgery)
      const left = Math.max(0, until - (yield* Clock.currentTimeMillis))
      const accepted = yield* queue.take(at, left, { alter, credentials })
      if (accepted === undefined) return yield* goneFor
      hasCome = true
      isGone = false
      const scope = yield* Scope.make()
      yield* Scope.addFinalizer(scope, accepted.end)
      open = [...open, scope]
      const conduct = new Conduct(ledger, PROTOCOL[protocol])
      const reception: Pick<Visitor, "conduct" | "host"> = { conduct, host: undefined }
      const peer = yield* Peer.make(accepted.frames, accepted.wire, {
        answerMs,
        quietMs,
        maxPayload: PROTOCOL[protocol].toServer.maxPayload + ROOM_FOR_TLVS,
        onFrame: (frame, now) => {
          const refusal = Conduct.refusalOf(frame)
          const message = conduct.judge(frame)
          if (refusal !== undefined) return [refusal]
          return message === undefined || reception.host === undefined ? [] : reception.host(message, now)
        }
      }).pipe(Scope.provide(scope))
      const visitor: Visitor = Object.assign(reception, { peer })
      // A connection without a message that has ended was given up by the client while it waited in the queue.
      if (forgery !== undefined || alter !== undefined || (yield* peer.speaks) || !peer.ended) return visitor
      yield* Scope.close(scope, Exit.void)
    }
  })

  yield* Effect.addFinalizer(() => end)
  const kit: ClientKit = {
    protocol,
    hasPool: options.pool !== undefined,
    encrypted,
    answerMs,
    quietMs,
    shareMs: Duration.toMillis(options.shareTimeout ?? serveDefaults.shareTimeout),
    sharesPerMinute: options.sharesPerMinute ?? serveDefaults.sharesPerMinute,
    ledger,
    random,
    elsewhere: elsewhere?.address,
    accept,
    comes: (at) => queue.comes(at, connectMs),
    end,
    state
  }
  if (options.pool !== undefined && protocol === "job-declaration") {
    yield* servePool({ ledger, books: booksOf(kit), delayMs: quietMs }).pipe(
      Effect.provide(miningListener(options.pool, authoritySecretKey)),
      Effect.ignore,
      Effect.forkScoped({ startImmediately: true })
    )
  }
  return kit
})

/** The setup of mining connections over this listener, encrypted if there is a key. */
const miningListener = (listener: Listener["Service"], secretKey: Redacted.Redacted<Uint8Array> | undefined) => {
  const noise = (key: Redacted.Redacted<Uint8Array>) =>
    Noise.responder().pipe(Layer.provide(CertificateAuthority.layer({ secretKey: key })))
  return Setup.server(MiningListener).pipe(
    Layer.provide(secretKey === undefined ? Plain.listener : noise(secretKey)),
    Layer.provide(Layer.succeed(Listener, listener))
  )
}
