/**
 * `npm run peers:btcd`: runs the template provider over btcd, a node that shares no code with Bitcoin Core and has no ZMQ, so by
 * long polling only. Mines and submits blocks from templates, submits one from elsewhere, reorganizes the chain, and restarts
 * the node.
 *
 * Builds btcd at a fixed version from the Go module proxy, outside of the repository. If that is impossible, prints that it is
 * skipped and exits with 0. `BTCD` may name an existing btcd.
 */
import { hashToDisplay, parseBlock } from "@sluice/bitcoin"
import { solveTemplate } from "@sluice/dev-node"
import { NodeNotifications, NodeRpc, type NodeRpcCalls, NodeRpcHttp } from "@sluice/node"
import type { TemplateDistribution } from "@sluice/protocol"
import { Memory, Plain, Setup, TemplateDialer, TemplateListener } from "@sluice/transport"
import { Context, Effect, Exit, Layer, Logger, References, Redacted, Schedule, Scope, Stream } from "effect"
import { execFile, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { TemplateClient, TemplateProvider, TemplateSource } from "@sluice/template-provider"
import { freePort } from "@sluice/testing/ports"
import { solve } from "@sluice/testing/solution"

const MODULE = "github.com/btcsuite/btcd@v0.24.2"
const BUILD_SECONDS = 80
/** btcd requires an address for its own templates; nothing is ever paid to it. */
const MINING_ADDRESS = "mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r"
const LOGIN = { user: "sluice", password: "sluice" }

const main = async (): Promise<void> => {
  const directory = await mkdtemp(join(tmpdir(), "btcd-"))
  try {
    const btcd = process.env["BTCD"] ?? (await build(directory))
    if (btcd === undefined) return
    const port = await freePort()
    await Effect.runPromise(
      session(btcd, directory, port).pipe(
        Effect.scoped,
        Effect.timeout("60 seconds"),
        Effect.provideService(References.MinimumLogLevel, "Warn"),
        Effect.provide(Logger.layer([Logger.consolePretty()]))
      )
    )
    console.log("btcd: all as expected")
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Builds btcd and gives its path. If it cannot, prints the reason. */
const build = async (directory: string): Promise<string | undefined> => {
  const go = ["/usr/local/go/bin/go", ...(process.env["PATH"] ?? "").split(":").map((path) => join(path, "go"))].find(
    existsSync
  )
  if (go === undefined) {
    console.log("btcd: SKIPPED, there is no Go to build it with (https://go.dev/dl), and BTCD names none")
    return undefined
  }
  const env = { ...process.env, GOBIN: directory, GOFLAGS: "-mod=mod" }
  try {
    await promisify(execFile)(go, ["install", MODULE], { env, timeout: BUILD_SECONDS * 1_000 })
  } catch (error) {
    const { killed, stderr } = error as { readonly killed?: boolean; readonly stderr?: string }
    const reason = killed === true ? `not done within ${BUILD_SECONDS} s` : (stderr ?? "").trim().split("\n").at(-1)
    console.log(`btcd: SKIPPED, ${MODULE} cannot be built: ${reason}`)
    return undefined
  }
  return join(directory, "btcd")
}

/** Runs btcd until the Scope closes, always on the same chain. */
const startBtcd = Effect.fnUntraced(function* (btcd: string, directory: string, port: number) {
  const configuration = join(directory, "btcd.conf")
  yield* Effect.promise(() => writeFile(configuration, ""))
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(
        btcd,
        [
          `--configfile=${configuration}`,
          `--datadir=${join(directory, "data")}`,
          `--logdir=${join(directory, "log")}`,
          `--rpclisten=127.0.0.1:${port}`,
          `--rpcuser=${LOGIN.user}`,
          `--rpcpass=${LOGIN.password}`,
          `--miningaddr=${MINING_ADDRESS}`,
          "--regtest",
          "--notls",
          "--nolisten"
        ],
        { stdio: "ignore" }
      )
    ),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGINT")
      })
  )
})

const session = Effect.fnUntraced(function* (btcd: string, directory: string, port: number) {
  const url = `http://127.0.0.1:${port}`
  const rpcLayer = NodeRpcHttp.layer({
    url,
    credentials: { _tag: "Password", user: LOGIN.user, password: Redacted.make(LOGIN.password) }
  })
  const rpc = Context.get(yield* Layer.build(rpcLayer), NodeRpc)
  const start = Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* startBtcd(btcd, directory, port).pipe(Scope.provide(scope))
    yield* Effect.retry(rpc.getBlockchainInfo, Schedule.spaced("50 millis"))
    return { stop: Scope.close(scope, Exit.void) }
  })
  const first = yield* Effect.acquireRelease(start, ({ stop }) => stop)

  const context = yield* Layer.build(
    Layer.merge(
      TemplateProvider.layer().pipe(
        Layer.provide(rpcLayer),
        Layer.provide(NodeNotifications.layerNone),
        Layer.provide(Setup.server(TemplateListener)),
        Layer.provide(Plain.listener)
      ),
      TemplateClient.layer({
        servers: [{ ...Memory.ADDRESS, security: { _tag: "plain" } }]
      }).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(Plain.dialer))
    ).pipe(Layer.provide(Memory.network()))
  )
  const source = Context.get(context, TemplateSource)
  yield* source.constrain({ coinbaseOutputMaxAdditionalSize: 100, coinbaseOutputMaxAdditionalSigops: 4 })
  const provider = Context.get(context, TemplateProvider)

  const templates = new Map<bigint, TemplateDistribution.NewTemplate>()
  let work: Work | undefined
  yield* source.messages.pipe(
    Stream.runForEach((message) =>
      Effect.sync(() => {
        if (message._tag === "NewTemplate") templates.set(message.templateId, message)
        else work = { prevHash: message, template: templates.get(message.templateId)! }
      })
    ),
    Effect.forkScoped
  )

  /** Waits until the client works on the node's tip. */
  const reachTip = Effect.fnUntraced(function* (what?: string) {
    const before = performance.now()
    for (;;) {
      const tip = yield* rpc.getBestBlockHash
      if (work !== undefined && hashToDisplay(work.prevHash.prevHash) === tip) {
        if (what !== undefined) console.log(`btcd: ${what}, after ${(performance.now() - before).toFixed(0)} ms`)
        return work
      }
      yield* Effect.sleep("10 millis")
    }
  })
  const height = Effect.map(rpc.getBlockchainInfo, ({ blocks }) => blocks)
  const mine = Effect.fnUntraced(function* (what: string) {
    const { prevHash, template } = yield* reachTip()
    const before = yield* height
    yield* source.submit(solve(template, prevHash))
    yield* Effect.repeat(Effect.delay(height, 10), { until: (now) => now > before })
    yield* reachTip(what)
  })

  for (let block = 1; block <= 3; block++) yield* mine(`block ${block} of our own is the tip`)

  const fork = yield* rpc.getBlockTemplate()
  yield* submit(rpc, solveTemplate(fork)!, null)
  yield* reachTip("a block from elsewhere is noticed by long polling")

  // A competing block at the same height, and one on top of it.
  const other = solveTemplate(fork, { extranonce: 1n })!
  yield* rpc.submitBlock(other)
  const { hash } = parseBlock(other)
  const behind = { ...fork, height: fork.height + 1, previousblockhash: hashToDisplay(hash), mintime: fork.mintime + 1 }
  yield* submit(rpc, solveTemplate({ ...behind, curtime: fork.curtime + 1 })!, null)
  yield* reachTip("a reorganization is followed")

  yield* Effect.promise(() => generate(url, SEGWIT_HEIGHT))
  const { template } = yield* reachTip(`${SEGWIT_HEIGHT} blocks at once are followed`)
  yield* mine(`block ${template.coinbaseTxLocktime + 1}, with a commitment to witnesses, is the tip`)

  yield* first.stop
  yield* Effect.repeat(Effect.delay(provider.stats, 20), { until: ({ isNodeReachable }) => !isNodeReachable })
  yield* Effect.acquireRelease(start, ({ stop }) => stop)
  yield* mine("after a new start of the node our block is the tip")

  const { solutionsRefused, verdicts } = yield* provider.stats
  if (verdicts["accepted"] !== 5 || Object.keys(verdicts).length !== 1 || solutionsRefused !== 0) {
    throw new Error(`expected five accepted blocks, got ${JSON.stringify({ verdicts, solutionsRefused })}`)
  }
})

interface Work {
  readonly prevHash: TemplateDistribution.SetNewPrevHash
  readonly template: TemplateDistribution.NewTemplate
}

const submit = Effect.fnUntraced(function* (rpc: NodeRpcCalls, block: Uint8Array, expected: string | null) {
  const verdict = yield* rpc.submitBlock(block)
  if (verdict !== expected) throw new Error(`expected the verdict ${expected} on a block, got ${verdict}`)
})

/** btcd's own call for blocks on a test chain. */
const generate = async (url: string, count: number): Promise<void> => {
  const authorization = `Basic ${Buffer.from(`${LOGIN.user}:${LOGIN.password}`).toString("base64")}`
  const body = JSON.stringify({ jsonrpc: "1.0", id: 1, method: "generate", params: [count] })
  const response = await fetch(url, { method: "POST", headers: { authorization }, body })
  const { error } = (await response.json()) as { readonly error: unknown }
  if (error !== null) throw new Error(`btcd does not generate blocks: ${JSON.stringify(error)}`)
}

/** Three periods of version bits, after which segwit is active on regtest. */
const SEGWIT_HEIGHT = 432

await main()
