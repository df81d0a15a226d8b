/** A pool and a job declarator as processes that share nothing but the key of tokens. */
import { parseJobCoinbase, pushedHeight, serializeCountedOutputs } from "@sluice/bitcoin"
import { DevNode, JsonRpcServer } from "@sluice/dev-node"
import { JobDeclaration, Mining } from "@sluice/protocol"
import { asPoolsJob } from "@sluice/testing/custom-job"
import { Miner, openExtended, TestClient } from "@sluice/testing/pool-client"
import { PoolAddress } from "@sluice/testing/pool-worlds"
import { freePorts } from "@sluice/testing/ports"
import { Sluice } from "@sluice/testing/program"
import { DeclarationDialer, Plain, Setup, Tcp } from "@sluice/transport"
import { Effect, Layer, Redacted, Result, Stream } from "effect"
import { assert, it } from "vitest"

const KEY = "5e".repeat(32)
const PAYOUT = ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"]
const address = (port: number) => ({ host: "127.0.0.1", port, security: { _tag: "plain" } as const })

/** Asks the declarator for a token, in coinbase-only mode. */
const allocate = Effect.fnUntraced(function* (port: number, userIdentifier: string) {
  const dialer = yield* DeclarationDialer
  const connection = yield* dialer.dial(address(port), {})
  yield* connection.send([JobDeclaration.AllocateMiningJobToken.make({ userIdentifier, requestId: 1 })])
  const [answer] = yield* Stream.runCollect(Stream.take(connection.receive, 1))
  assert(answer?._tag === "AllocateMiningJobToken.Success")
  return answer
}, Effect.scoped)

/** The pool's present job as a client that selects its work would set it. */
const poolsJob = Effect.gen(function* () {
  const client = yield* TestClient.connect()
  yield* client.send(openExtended())
  const { extranoncePrefix, extranonceSize } = yield* client.expect("OpenExtendedMiningChannel.Success")
  const job = yield* client.expect("NewExtendedMiningJob")
  const { minNtime, nbits, prevHash } = yield* client.expect("SetNewPrevHash")
  const halves = { prefix: job.coinbaseTxPrefix, suffix: job.coinbaseTxSuffix }
  const size = extranoncePrefix.length + extranonceSize
  const coinbase = Result.getOrThrow(parseJobCoinbase({ ...halves, extranonceSize: size }))
  const [input] = coinbase.inputs
  assert.isAbove(pushedHeight(input!.script), 0)
  return Mining.SetCustomMiningJob.make({
    channelId: 0,
    requestId: 1,
    miningJobToken: new Uint8Array(0),
    version: job.version,
    prevHash,
    minNtime,
    nbits,
    coinbaseTxVersion: coinbase.version,
    // The push of the height, of one byte below 17.
    coinbasePrefix: input!.script.slice(0, input!.script[0]! > 0x50 ? 1 : 1 + input!.script[0]!),
    coinbaseTxInputNSequence: input!.sequence,
    coinbaseTxOutputs: serializeCountedOutputs(coinbase.outputs),
    coinbaseTxLocktime: coinbase.lockTime,
    merklePath: job.merklePath
  })
}).pipe(Effect.scoped)

it("a pool takes the jobs of clients with tokens of a declarator beside it, which has the same key", async () => {
  const [rpc, templates, listen, declare] = (await freePorts(4)) as [number, number, number, number]
  const provider = new Sluice(
    ["template-provider", "--plain", "--rpc-url", `http://127.0.0.1:${rpc}`, "--rpc-user", "u"].concat([
      "--listen",
      `127.0.0.1:${templates}`
    ]),
    { SLUICE_TEMPLATE_PROVIDER__RPC_PASSWORD: "p" }
  )
  const pool = new Sluice(
    ["pool", "--plain", "--listen", `127.0.0.1:${listen}`, ...PAYOUT].concat([
      "--template-provider",
      `stratum2+tcp+plain://127.0.0.1:${templates}`
    ]),
    { SLUICE_POOL__JOB_DECLARATION_TOKEN_KEY: KEY }
  )
  const declarator = new Sluice(["job-declarator", "--plain", "--listen", `127.0.0.1:${declare}`, ...PAYOUT], {
    SLUICE_JOB_DECLARATOR__JOB_DECLARATION_TOKEN_KEY: KEY
  })
  await Effect.gen(function* () {
    const chain = yield* Layer.build(DevNode.layer({ bits: 0x207fffff, transactionsPerSecond: 0 }))
    const server = JsonRpcServer.layer({ port: rpc, user: "u", password: Redacted.make("p") })
    yield* Effect.provideContext(Layer.build(server), chain)
    yield* Effect.promise(() =>
      Promise.all([pool.find(/The pool listens/), declarator.find(/listens/), provider.find(/The node answers/)])
    )
    const job = yield* poolsJob
    const { coinbaseTxOutputs, miningJobToken } = yield* allocate(declare, "alice")
    assert.strictEqual(coinbaseTxOutputs[0], 1)
    const client = yield* TestClient.connect({ flags: Mining.REQUIRES_WORK_SELECTION })
    yield* client.send(openExtended({ userIdentity: "alice.rig" }))
    const miner = new Miner(yield* client.expect("OpenExtendedMiningChannel.Success"))
    const { channelId } = miner
    const forged = miningJobToken.with(0, 9)
    yield* client.send({ ...job, channelId, miningJobToken: forged })
    assert.strictEqual((yield* client.expect("SetCustomMiningJob.Error")).errorCode, "invalid-mining-job-token")
    yield* client.send({ ...job, channelId, miningJobToken })
    const { jobId } = yield* client.expect("SetCustomMiningJob.Success")
    for (const work of asPoolsJob(job, jobId, 24)) miner.receive(work)
    yield* client.send(miner.mine())
    assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
    yield* client.send({ ...job, channelId, miningJobToken })
    assert.strictEqual((yield* client.expect("SetCustomMiningJob.Error")).errorCode, "invalid-mining-job-token")
  }).pipe(
    Effect.scoped,
    Effect.provideService(PoolAddress, address(listen)),
    Effect.provide([Plain.dialer, Setup.client(DeclarationDialer).pipe(Layer.provide(Plain.dialer))]),
    Effect.provide(Tcp.dialer),
    Effect.runPromise
  )
  await pool.find(/alice\.rig set a job of its own for block \d+/)
  await pool.find(/A job of alice\.rig is refused as invalid-mining-job-token: the token is not one that/)
  await Promise.all([pool, declarator, provider].map((program) => program.stop()))
}, 120_000)

it("a pool with workers is the declarator of all of them", async () => {
  const [rpc, templates, listen, declare] = (await freePorts(4)) as [number, number, number, number]
  const provider = new Sluice(
    ["template-provider", "--plain", "--rpc-url", `http://127.0.0.1:${rpc}`, "--rpc-user", "u"].concat([
      "--listen",
      `127.0.0.1:${templates}`
    ]),
    { SLUICE_TEMPLATE_PROVIDER__RPC_PASSWORD: "p" }
  )
  const pool = new Sluice(
    ["pool", "--plain", "--workers", "2", "--listen", `127.0.0.1:${listen}`, ...PAYOUT].concat([
      "--template-provider",
      `stratum2+tcp+plain://127.0.0.1:${templates}`,
      "--job-declaration-listen",
      `127.0.0.1:${declare}`
    ])
  )
  await Effect.gen(function* () {
    const chain = yield* Layer.build(DevNode.layer({ bits: 0x207fffff, transactionsPerSecond: 0 }))
    const server = JsonRpcServer.layer({ port: rpc, user: "u", password: Redacted.make("p") })
    yield* Effect.provideContext(Layer.build(server), chain)
    yield* Effect.promise(() =>
      Promise.all([pool.find(/Worker 1 serves/), pool.find(/Worker 2 serves/), provider.find(/The node answers/)])
    )
    const job = yield* poolsJob
    // Two clients are on two workers.
    for (const user of ["alice", "bob"]) {
      const { miningJobToken } = yield* allocate(declare, user)
      const client = yield* TestClient.connect({ flags: Mining.REQUIRES_WORK_SELECTION })
      yield* client.send(openExtended({ userIdentity: user }))
      const miner = new Miner(yield* client.expect("OpenExtendedMiningChannel.Success"))
      yield* client.send({ ...job, channelId: miner.channelId, miningJobToken })
      const { jobId } = yield* client.expect("SetCustomMiningJob.Success")
      for (const work of asPoolsJob(job, jobId, 24)) miner.receive(work)
      yield* client.send(miner.mine())
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
    }
  }).pipe(
    Effect.scoped,
    Effect.provideService(PoolAddress, address(listen)),
    Effect.provide([Plain.dialer, Setup.client(DeclarationDialer).pipe(Layer.provide(Plain.dialer))]),
    Effect.provide(Tcp.dialer),
    Effect.runPromise
  )
  await pool.find(/Only its client can submit block .*worker=1/)
  await pool.find(/Only its client can submit block .*worker=2/)
  assert.strictEqual((await pool.stop("SIGTERM")).status, 0)
  await provider.stop()
}, 120_000)
