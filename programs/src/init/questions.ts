/**
 * The questions of `sluice init`, in their order. An answer that a flag, a variable or a file gives is not asked for. Each answer is
 * checked by the Schema of its key, and nothing is written before the last one.
 */
import type { Chain } from "@sluice/bitcoin"
import { payoutScript } from "@sluice/mining-server"
import { Effect, type FileSystem, Result } from "effect"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import type { ProgramError } from "../command/report.ts"
import { type Answers, serverOf, type Source } from "./answers.ts"
import { asking, type Beginning, type Check, listOf, raw } from "./ask.ts"
import { Asker, refuse } from "./asker.ts"
import type { Role } from "./config.ts"
import { askForNode } from "./node-questions.ts"
import { freePort, isFree } from "./ports.ts"

export const askAll = Effect.fn("Init.askAll")(function* (
  beginning: Beginning
): Effect.fn.Return<Answers, ProgramError, Asker | FileSystem.FileSystem> {
  const { config, given } = beginning
  const ask = asking(given)
  const asker = yield* Asker
  const role =
    config.role ??
    (yield* asker.choose({ name: "role", message: "What do you want to do?", choices: roles, hasDefault: false }))
  const isOurs = serverOf(role) === "pool"
  const found = role === "proxy" ? undefined : yield* askForNode(beginning, ask)
  const chain = found?._tag === "Node" ? chainOf(found.node.chain) : undefined

  const upstream = isOurs
    ? []
    : listOf(
        yield* ask({ name: "upstream", message: questions.upstream, ...(role === "declaration" ? { also: noV1 } : {}) })
      )
  const jobDeclarator =
    role === "declaration" ? listOf(yield* ask({ name: "job-declarator", message: questions.jobDeclarator })) : []
  const userIdentity = isOurs ? undefined : yield* ask({ name: "user-identity", message: questions.userIdentity })

  const payoutAddress =
    role === "proxy"
      ? undefined
      : yield* ask({ name: "payout-address", message: questions.payoutAddress[role], also: isOnChain(chain) })
  const payoutScheme =
    role === "pool"
      ? (config.payoutScheme ??
        (yield* asker.choose({
          name: "payout-scheme",
          message: "How is a block divided among the miners?",
          choices: schemes,
          hasDefault: true
        })))
      : "none"
  const payoutFee =
    payoutScheme === "none"
      ? 0
      : Number(yield* ask({ name: "payout-fee", message: "Your part of each block, in percent", initial: "0" }))

  const listen = yield* ask({
    name: "listen",
    message: "Address and port for miners that speak Stratum V2 (0.0.0.0: any machine can connect)",
    initial: `0.0.0.0:${yield* freePort(isOurs ? 3333 : 3335)}`,
    also: isFree([])
  })
  const v1Listen = yield* ask({
    name: "v1-listen",
    message: "Address and port for miners that speak Stratum V1, as most do (or: none)",
    initial: `0.0.0.0:${yield* freePort(3336)}`,
    also: isFree([listen])
  })
  const taken = [listen, v1Listen]
  const httpListen = raw(given, "http-listen") ?? `127.0.0.1:${yield* freePort(8080, taken)}`
  yield* Effect.mapError(isFree(taken)(httpListen), (problem) => refuse(`--http-listen: ${problem}`))
  const folder = yield* ask({
    name: "folder",
    message: "Folder for the configuration and the keys",
    initial: join(homedir(), `sluice-${role}`)
  })
  const source: Source | undefined =
    found?._tag === "Node"
      ? {
          ...found,
          templateListen: raw(given, "template-listen") ?? `127.0.0.1:${yield* freePort(18447, [...taken, httpListen])}`
        }
      : found
  return {
    role,
    folder: resolve(folder),
    source,
    payoutAddress,
    payoutScheme,
    payoutFee,
    upstream,
    jobDeclarator,
    userIdentity,
    listen,
    v1Listen: v1Listen === "none" ? undefined : v1Listen,
    httpListen: httpListen === "none" ? undefined : httpListen
  }
})

const roles: ReadonlyArray<{ readonly title: string; readonly value: Role; readonly description: string }> = [
  { title: "Mine alone at home", value: "solo", description: "with your own node; a block that you find pays you" },
  { title: "Run a pool", value: "pool", description: "others mine for it; a block pays them" },
  { title: "Connect a farm to a pool", value: "proxy", description: "all its miners behind one connection" },
  {
    title: "Mine for a pool, with your own blocks",
    value: "declaration",
    description: "your node chooses the transactions (job declaration)"
  }
]

const schemes = [
  { title: "By the work of the last blocks", value: "pplns", description: "PPLNS, the usual way" },
  { title: "By the work of a window, as TIDES", value: "tides" },
  { title: "By the work since the last block", value: "prop" },
  { title: "By the work of the last day", value: "pplns-time" },
  { title: "All to the miner that found it", value: "solo" },
  { title: "All to your own address", value: "none" }
] as const

const questions = {
  upstream: "Address of the pool (stratum2+tcp://HOST:PORT/KEY or stratum+tcp://HOST:PORT; several with commas)",
  jobDeclarator: "Address of the pool's job declarator (stratum2+tcp://HOST:PORT/KEY)",
  userIdentity: "Your account at the pool",
  payoutAddress: {
    solo: "Your Bitcoin address, which a block pays",
    pool: "The pool's own Bitcoin address",
    declaration: "Your Bitcoin address, which a block pays while the pool is away"
  }
} as const

const noV1: Check = (text) =>
  listOf(text).some((url) => !url.startsWith("stratum2"))
    ? Effect.fail("a pool that speaks Stratum V1 takes no blocks of your own: give one of Stratum V2")
    : Effect.void

/** The chain as addresses know it. */
export const chainOf = (chain: string): Chain | undefined =>
  chain === "testnet4" ? "test" : ["main", "test", "signet", "regtest"].includes(chain) ? (chain as Chain) : undefined

const isOnChain =
  (chain: Chain | undefined): Check =>
  (text) =>
    Result.isSuccess(payoutScript(text, chain)) || Result.isFailure(payoutScript(text))
      ? Effect.void
      : Effect.fail(`it is an address of another chain than your node's, which is ${chain}`)
