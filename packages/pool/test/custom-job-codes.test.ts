/** Each error code of SetCustomMiningJob.Error over a connection that is good afterwards. */
import { assert, describe, it } from "@effect/vitest"
import { serializeCountedOutputs } from "@sluice/bitcoin"
import { ErrorCode, type Mining } from "@sluice/protocol"
import type { ConnectionError, DialError } from "@sluice/transport"
import { bytes } from "@sluice/testing/templates"
import { memoryWorld, newBlock, tcpWorld, type World } from "@sluice/testing/pool-worlds"
import { Effect } from "effect"
import type { PoolOptions } from "../src/index.ts"
import {
  coinbaseOnly,
  connect,
  customJob,
  declared,
  freshToken,
  PAYOUT_SCRIPT,
  setJob,
  tokens
} from "./custom-jobs-client.ts"

type Job = Mining.SetCustomMiningJob

/** Makes the message that is refused, of one that is right. */
type Change = (job: Job) => Effect.Effect<Job> | Job

const change =
  (fields: Partial<Job>): Change =>
  (job) => ({ ...job, ...fields })

/** The job is declared as it is, then set with these fields. */
const declaredThen =
  (fields: Partial<Job>): Change =>
  (job) =>
    Effect.map(declared(job), (miningJobToken) => ({ ...job, ...fields, miningJobToken }))

const OTHER = bytes(0x51, 1)
const unpaid = serializeCountedOutputs([{ value: 5n, script: OTHER }])
/** 65,535 bytes. */
const fullest = serializeCountedOutputs([
  { value: 1n, script: PAYOUT_SCRIPT },
  { value: 0n, script: new Uint8Array(65_492) }
])

const cases: ReadonlyArray<readonly [code: ErrorCode.SetCustomMiningJob, what: string, change: Change]> = [
  ["invalid-channel-id", "for a channel that is not there", change({ channelId: 77 })],
  ["invalid-mining-job-token", "with a token that nobody made", change({ miningJobToken: bytes(1) })],
  ["invalid-mining-job-token", "with no token", change({ miningJobToken: bytes(0, 0) })],
  [
    "invalid-mining-job-token",
    "with the token of another user",
    (job) => Effect.map(coinbaseOnly("somebody"), (miningJobToken) => ({ ...job, miningJobToken }))
  ],
  [
    "job-not-yet-validated",
    "with a token that must be declared first",
    (job) => Effect.map(freshToken("full-template"), (token) => ({ ...job, miningJobToken: tokens.allocate(token) }))
  ],
  ["stale-chain-tip", "on the previous hash before", change({ prevHash: bytes(1) })],
  [
    "stale-chain-tip",
    "declared on another previous hash",
    (job) => Effect.map(declared({ ...job, prevHash: bytes(9) }), (miningJobToken) => ({ ...job, miningJobToken }))
  ],
  ["invalid-min-ntime", "from long before the previous hash", change({ minNtime: 1_799_913_599 })],
  ["invalid-min-ntime", "from the far future", change({ minNtime: 1_800_009_000 })],
  ["invalid-nbits", "with another difficulty", change({ nbits: 0x1d00fffe })],
  ["invalid-version", "with a version that no node takes", change({ version: 1 })],
  ["invalid-version", "with another version than the declared one", declaredThen({ version: 0x20000001 })],
  ["invalid-coinbase-tx", "with a coinbase that does not fit SubmitSolution", change({ coinbaseTxOutputs: fullest })],
  ["invalid-coinbase-tx-version", "with another version than the declared one", declaredThen({ coinbaseTxVersion: 1 })],
  ["invalid-coinbase-prefix", "for another height", change({ coinbasePrefix: Uint8Array.of(2, 0xa0, 0) })],
  ["invalid-coinbase-prefix", "with too long a script", (job) => ({ ...job, coinbasePrefix: prefixOf(job, 77) })],
  ["invalid-coinbase-tx-input-n-sequence", "other than declared", declaredThen({ coinbaseTxInputNSequence: 1 })],
  ["invalid-coinbase-tx-outputs", "that do not pay the pool", change({ coinbaseTxOutputs: unpaid })],
  [
    "invalid-coinbase-tx-outputs",
    "that are cut off",
    (job) => ({ ...job, coinbaseTxOutputs: job.coinbaseTxOutputs.slice(0, -1) })
  ],
  ["invalid-coinbase-tx-locktime", "that is not reached", change({ coinbaseTxLocktime: 159 })],
  ["invalid-merkle-path", "of more transactions than fit a block", change({ merklePath: Array(16).fill(bytes(1)) })],
  ["invalid-merkle-path", "other than declared", declaredThen({ merklePath: [bytes(1)] })]
]

const prefixOf = ({ coinbasePrefix }: Job, size: number): Uint8Array =>
  new Uint8Array([...coinbasePrefix, ...new Uint8Array(size - coinbasePrefix.length)])

const run = (code: string, change: Change): Effect.Effect<void, ConnectionError | DialError, World> =>
  Effect.gen(function* () {
    yield* Effect.orDie(newBlock(1))
    const { client, miner } = yield* connect()
    yield* setJob(client, miner)
    yield* Effect.orDie(newBlock(2))
    // The answer comes when the pool has the block.
    yield* setJob(client, miner, customJob(miner.channelId, yield* coinbaseOnly(), {}, { tip: 2 }))
    const made = change(customJob(miner.channelId, yield* coinbaseOnly(), { requestId: 7 }, { tip: 2 }))
    const job = Effect.isEffect(made) ? yield* made : made
    yield* client.send(job)
    assert.deepStrictEqual(yield* client.next, {
      _tag: "SetCustomMiningJob.Error",
      channelId: job.channelId,
      requestId: 7,
      errorCode: code
    })
    // The refusal has not used up the token, where it is good.
    yield* setJob(client, miner, customJob(miner.channelId, yield* coinbaseOnly(), {}, { tip: 2 }))
    yield* client.send(miner.mine())
    assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
  }).pipe(Effect.scoped)

const options: Partial<PoolOptions> = { customJobs: { tokens } }

describe("SetCustomMiningJob in memory, in virtual time", () => {
  for (const [code, what, change] of cases) {
    it.effect(`${what} is refused with ${code}`, () =>
      run(code, change).pipe(Effect.provide(memoryWorld(options)), Effect.orDie)
    )
  }

  it("has all codes of the specification among these cases and those of a pool without custom jobs", () => {
    const reached = new Set([...cases.map(([code]) => code), ErrorCode.setCustomMiningJob.jdNotSupported])
    assert.deepStrictEqual([...reached].toSorted(), Object.values(ErrorCode.setCustomMiningJob).toSorted())
  })
})

describe("SetCustomMiningJob over TCP with Noise", () => {
  for (const [code, what, change] of cases) {
    it.live(`${what} is refused with ${code}`, () => run(code, change).pipe(Effect.provide(tcpWorld(options))))
  }
})
