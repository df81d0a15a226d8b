import { Dialer, Memory, MiningListener } from "@sluice/transport"
import { Translator } from "@sluice/translator"
import { Console, Effect, Layer, Stream } from "effect"

// Where a pool or a proxy would be: it says what it gets, opens a channel, gives it a job, and takes every share.
const role = Effect.flatMap(MiningListener, ({ run }) =>
  run((connection) =>
    Stream.runForEach(connection.receive, (message) => {
      switch (message._tag) {
        case "OpenExtendedMiningChannel": {
          const { maxTarget, requestId, userIdentity } = message
          const at = { channelId: 2, groupChannelId: 1 }
          const extranonce = { extranoncePrefix: Uint8Array.of(0xca, 0xfe), extranonceSize: 8 }
          const coinbase = { coinbaseTxPrefix: Uint8Array.of(1), coinbaseTxSuffix: Uint8Array.of(2) }
          const job = {
            jobId: 7,
            minNtime: undefined,
            version: 0x20000000,
            versionRollingAllowed: true,
            merklePath: []
          }
          const prevHash = { prevHash: new Uint8Array(32), minNtime: 1_800_000_000, nbits: 0x1d00ffff }
          return Effect.andThen(
            Console.log(`the role: ${userIdentity} opens a channel from a ${connection.setup.device.vendor}`),
            connection.send([
              { _tag: "OpenExtendedMiningChannel.Success", requestId, target: maxTarget, ...at, ...extranonce },
              { _tag: "NewExtendedMiningJob", channelId: 2, ...job, ...coinbase },
              { _tag: "SetNewPrevHash", channelId: 2, jobId: 7, ...prevHash }
            ])
          )
        }
        case "SubmitSharesExtended": {
          const { channelId, jobId, sequenceNumber } = message
          const answer = { lastSequenceNumber: sequenceNumber, newSubmitsAcceptedCount: 1, newSharesSum: 1n }
          return Effect.andThen(
            Console.log(`the role: share ${sequenceNumber} for job ${jobId}`),
            connection.send([{ _tag: "SubmitShares.Success", channelId, ...answer }])
          )
        }
        default:
          return Effect.void
      }
    })
  )
)

const miner = Effect.gen(function* () {
  const { pull, write } = yield* Effect.flatMap(Dialer, ({ dial }) => dial(Memory.ADDRESS))
  const send = (lines: string) => write(() => Buffer.from(lines))
  const read = Effect.map(pull, (chunks) => Buffer.concat(chunks).toString().trimEnd().split("\n"))
  yield* send('{"id":1,"method":"mining.subscribe","params":["bitaxe/2.8"]}\n')
  yield* Effect.forEach(yield* read, (line) => Console.log(`the miner: ${line}`))
  yield* send('{"id":2,"method":"mining.authorize","params":["alice.rig","d=512"]}\n')
  const lines = yield* read
  yield* Effect.forEach(lines.slice(0, 2), (line) => Console.log(`the miner: ${line}`))
  const [jobId] = JSON.parse(lines[2]!).params
  yield* send(`{"id":3,"method":"mining.submit","params":["alice.rig","${jobId}","00000001","6b49d200","00000002"]}\n`)
  yield* Effect.forEach(yield* read, (line) => Console.log(`the miner: ${line}`))
})

await Effect.runPromise(
  Effect.raceFirst(role, miner).pipe(
    Effect.scoped,
    Effect.provide(Translator.listener().pipe(Layer.provideMerge(Memory.network())))
  )
)
