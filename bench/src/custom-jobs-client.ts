/**
 * A client that sets jobs of its own one after the other, alone in its process: `node custom-jobs-client.ts URL KEY JOBS`. It sends
 * its parent the milliseconds from SetCustomMiningJob to Success of each.
 */
import { scriptForAddress, serializeCountedOutputs } from "@sluice/bitcoin"
import { TokenKey, Tokens, tokenUser } from "@sluice/job-declaration"
import { layerWasm } from "@sluice/embedded"
import { Mining } from "@sluice/protocol"
import { MiningDialer, parseServerAddress, Security, Setup, Tcp } from "@sluice/transport"
import { Effect, Layer, Logger, Queue, Result, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { COINBASE_ADDRESS, futureTemplate, newPrevHash } from "./pool-work.ts"

const [url = "", key = "", jobs = "0"] = process.argv.slice(2)
/** The pool's block at the start: `announce` of crowd-server.ts begins with it. */
const BLOCK = 2
const PAUSE = "20 millis"

interface Received {
  readonly message: Mining.ToClient
  readonly at: number
}

const run = Effect.gen(function* () {
  const tokens = new Tokens(TokenKey(Buffer.from(key, "hex")))
  const { dial } = yield* MiningDialer
  const server = Result.getOrThrow(parseServerAddress(url))
  const connection = yield* dial(server, { flags: Mining.REQUIRES_WORK_SELECTION })
  const answers = yield* Queue.unbounded<Received>()
  yield* connection.receive.pipe(
    Stream.runForEachArray((batch) =>
      Queue.offerAll(
        answers,
        batch.map((message) => ({ message, at: performance.now() }))
      )
    ),
    Effect.forkScoped
  )
  yield* connection.send([
    {
      _tag: "OpenExtendedMiningChannel",
      requestId: 1,
      userIdentity: "bench.custom",
      nominalHashRate: 1,
      maxTarget: new Uint8Array(32).fill(0xff),
      minExtranonceSize: 8
    }
  ])
  const opened = yield* Queue.take(answers)
  if (opened.message._tag !== "OpenExtendedMiningChannel.Success") throw new Error(`got ${opened.message._tag}`)
  const { channelId } = opened.message
  const { nbits, prevHash } = newPrevHash(BLOCK)
  const payout = {
    value: futureTemplate.coinbaseTxValueRemaining,
    script: scriptForAddress(COINBASE_ADDRESS, "regtest")
  }
  // The commitment to the witnesses is the template's only output.
  const commitment = { value: 0n, script: futureTemplate.coinbaseTxOutputs.subarray(9) }
  const times: Array<number> = []
  for (let requestId = 0; requestId < Number(jobs); requestId++) {
    const seconds = Math.floor(Date.now() / 1000)
    const token = {
      mode: "coinbase-only",
      expiresAt: seconds + 600,
      serial: randomBytes(16),
      user: tokenUser("bench")
    } as const
    const job: Mining.SetCustomMiningJob = {
      _tag: "SetCustomMiningJob",
      channelId,
      requestId,
      miningJobToken: tokens.allocate(token),
      version: futureTemplate.version,
      prevHash,
      minNtime: seconds,
      nbits,
      coinbaseTxVersion: futureTemplate.coinbaseTxVersion,
      coinbasePrefix: futureTemplate.coinbasePrefix,
      coinbaseTxInputNSequence: futureTemplate.coinbaseTxInputSequence,
      coinbaseTxOutputs: serializeCountedOutputs([payout, commitment]),
      coinbaseTxLocktime: futureTemplate.coinbaseTxLocktime - 1,
      merklePath: futureTemplate.merklePath
    }
    const sentAt = performance.now()
    yield* connection.send([job])
    const { at, message } = yield* answered(answers)
    if (message._tag !== "SetCustomMiningJob.Success") throw new Error(`got ${JSON.stringify(message)}`)
    times.push(at - sentAt)
    yield* Effect.sleep(PAUSE)
  }
  process.send!({ _tag: "Ready", times })
})

/** The answer to a job. The pool may send a new target before it. */
const answered = (answers: Queue.Dequeue<Received>): Effect.Effect<Received> =>
  Effect.flatMap(Queue.take(answers), (answer) =>
    answer.message._tag === "SetTarget" ? answered(answers) : Effect.succeed(answer)
  )

process.on("disconnect", () => process.exit())
Effect.runFork(
  run.pipe(
    Effect.scoped,
    Effect.provide(
      Setup.client(MiningDialer).pipe(
        Layer.provide(Security.dialer()),
        Layer.provide([Tcp.dialer, layerWasm]),
        Layer.provideMerge(Logger.layer([]))
      )
    )
  )
)
