/** The keys of programs with a server of Job Declaration, and that server as a layer. */
import {
  type DeclarationEvent,
  DeclarationServer,
  type DeclarationServerOptions,
  type PayoutRules,
  TOKEN_KEY_SIZE,
  TokenKey
} from "@sluice/job-declaration"
import { payoutOf, type PayoutOptions } from "@sluice/mining-server"
import { printable } from "@sluice/protocol"
import { DeclarationListener, formatEndpoint, makeThrottledLog, Setup } from "@sluice/transport"
import { Effect, Layer, Result, Schema, Stream } from "effect"
import { defaulted, optional } from "../config/key.ts"
import { decimal, hostPort, text, toggle } from "../config/value.ts"
import { layerNode, type NodeConfig, nodeKeys } from "./node.ts"
import { secured, type SecuredConfig } from "./secured.ts"

/** The key that the pool and its declarator share. */
export const tokenKey = text<TokenKey>(
  {
    metavar: "HEX",
    expected: `${2 * TOKEN_KEY_SIZE} hex digits, such as \`openssl rand -hex ${TOKEN_KEY_SIZE}\` prints`,
    secret: true
  },
  (input) =>
    /^[0-9a-f]*$/i.test(input.trim()) && input.trim().length === 2 * TOKEN_KEY_SIZE
      ? Result.succeed(TokenKey(Buffer.from(input.trim(), "hex")))
      : Result.fail("")
)

export const declarationKeys = {
  minPayoutPercent: defaulted(decimal("PERCENT", 0.0001, 100), {
    description: "The least part of a declared coinbase's value that the pool's first output must have.",
    default: 100
  }),
  requireFullTemplate: defaulted(toggle, {
    description: "Refuse clients that do not declare their transactions (coinbase-only mode).",
    default: false
  })
}

/** The keys of a pool that serves Job Declaration itself. */
export const poolDeclarationKeys = {
  jobDeclarationListen: optional(hostPort, {
    description: "The address for clients that declare jobs with transactions of their own. There is none by default.",
    example: "127.0.0.1:3334"
  }),
  jobDeclarationTokenKey: optional(tokenKey, {
    description:
      "The secret key of tokens, 64 hex digits, for a pool with a job-declarator beside it. Without it the pool makes a key at each start."
  }),
  ...nodeKeys,
  ...declarationKeys
}

/** A check: the keys of a node are given where declared blocks are checked. */
export const nodeHasUse = Schema.makeFilter<{
  readonly jobDeclarationListen?: unknown
  readonly ledger?: unknown
  readonly nodeRpcUrl?: string
}>(({ jobDeclarationListen, ledger, nodeRpcUrl }) =>
  jobDeclarationListen === undefined && ledger === undefined && nodeRpcUrl !== undefined
    ? "node-rpc-url: the pool needs a node only to check declared jobs and to follow the ledger's blocks; job-declaration-listen or ledger is missing"
    : undefined
)

/** The most connections to a declarator inside a pool. Each may be sending a block's worth of transactions. */
export const MAX_DECLARATION_CONNECTIONS = 1_024

export interface DeclarationConfig extends NodeConfig, SecuredConfig {
  readonly minPayoutPercent: number
  readonly requireFullTemplate: boolean
}

/** A check: a server that requires full-template mode has a node. */
export const canDeclare = Schema.makeFilter<Pick<DeclarationConfig, "nodeRpcUrl" | "requireFullTemplate">>(
  ({ nodeRpcUrl, requireFullTemplate }) =>
    requireFullTemplate && nodeRpcUrl === undefined
      ? "require-full-template needs a node: node-rpc-url is missing"
      : undefined
)

/** The outputs that the options pay, as clients get them. */
export const payoutRulesOf = (options: PayoutOptions, minPercent: number): PayoutRules => ({
  scripts: Result.match(payoutOf(options), {
    onFailure: () => [],
    onSuccess: ({ outputs }) => outputs.map(({ script }) => script)
  }),
  minPercent
})

/** Serves Job Declaration: both modes with a node, coinbase-only mode without one. Logs its events. */
export const layerDeclarationServer = (
  config: DeclarationConfig,
  options: Pick<DeclarationServerOptions, "tokenKey" | "payout" | "reconnectTo">
) => {
  const settings = { ...options, requireFullTemplate: config.requireFullTemplate }
  const node = layerNode(config)
  const server =
    node === undefined
      ? DeclarationServer.layerCoinbaseOnly(settings).pipe(Layer.provideMerge(warnOfMode))
      : DeclarationServer.layer(settings).pipe(Layer.provide(node))
  const listener = Setup.server(DeclarationListener).pipe(Layer.provide(secured("job declarator", config)))
  return layerLog.pipe(Layer.provideMerge(server), Layer.provide(listener))
}

const warnOfMode = Layer.effectDiscard(
  Effect.logWarning(
    "Without a node (node-rpc-url) the job declarator serves coinbase-only mode: clients that declare transactions are refused"
  )
)

const layerLog = Layer.effectDiscard(
  Effect.gen(function* () {
    const { events } = yield* DeclarationServer
    const throttled = yield* makeThrottledLog()
    yield* events.pipe(
      Stream.runForEach((event) => {
        const line = lineOf(event)
        return line === undefined ? Effect.void : throttled.log(event._tag, ...line)
      }),
      Effect.forkScoped
    )
  })
)

/** The line for the operator, if the event has one, and its level. */
const lineOf = (event: DeclarationEvent): readonly [line: string, level?: "Info" | "Warn" | "Debug"] | undefined => {
  const peer = "remote" in event ? formatEndpoint(event.remote) : ""
  switch (event._tag) {
    case "ConnectionOpened":
      return [`${peer} connected to declare jobs: ${event.mode} mode, ${event.device.vendor || "unknown device"}`]
    case "ConnectionClosed":
      return [`${peer} declares no more jobs: ${event.reason}`]
    case "TokenAllocated":
      return [`${peer} got a token for ${printable(event.userIdentifier)}`, "Debug"]
    case "TransactionsRequested":
      return [`${peer} was asked for ${event.missing} of ${event.transactions} transactions`, "Debug"]
    case "JobDeclared": {
      const { height, missing, ms, transactions } = event
      return [
        `${peer} declared a job for block ${height}: ${transactions} transactions, of which it sent ${missing}, in ${ms} ms`
      ]
    }
    case "JobRefused":
      return [`A job of ${peer} was refused with ${event.errorCode}: ${event.details}`, "Warn"]
    case "MessageIgnored":
      return [`Ignored of ${peer}: ${event.reason}`]
    case "BlockFound":
      return [`Found block ${event.height}, ${event.hash}, with a declared job; its ${event.by} told of it`]
    default:
      return undefined
  }
}
