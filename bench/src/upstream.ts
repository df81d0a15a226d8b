/**
 * An upstream of the benchmark's proxies, alone in its process: `node upstream.ts easy|hard`. It gives extended channels work, and
 * accepts all shares without checking them, so that it leaves the machine to the proxy. All hashes meet its target if that is easy,
 * and none does if it is hard. It announces a new block at each message of its parent.
 */
import { jobFromTemplate, withJobId } from "@sluice/channels"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import type { Mining } from "@sluice/protocol"
import { type Connection, formatServerAddress, MiningListener, Noise, Setup, Tcp } from "@sluice/transport"
import { Effect, Layer, Logger, Result, Stream } from "effect"
import { endWithParent } from "./child.ts"
import { coinbaseRules, futureTemplate, newPrevHash } from "./pool-work.ts"

type ProxyConnection = Connection<Mining.ToServer, Mining.ToClient>

const CHANNEL_ID = 2
const EXTRANONCE_PREFIX = new Uint8Array(4).fill(7)
const EXTRANONCE_SIZE = 16
/** As the pool's `shareBatchSize`. */
const SHARE_BATCH_SIZE = 10
const target = new Uint8Array(32).fill(0xff, 0, process.argv[2] === "hard" ? 20 : 32)

const opened = ({ requestId }: Mining.OpenExtendedMiningChannel): Mining.OpenExtendedMiningChannelSuccess => ({
  _tag: "OpenExtendedMiningChannel.Success",
  requestId,
  channelId: CHANNEL_ID,
  groupChannelId: 1,
  target,
  extranonceSize: EXTRANONCE_SIZE,
  extranoncePrefix: EXTRANONCE_PREFIX
})

/** The messages of a new block: a future job, and the previous hash that makes it current. */
const block = (number: number): ReadonlyArray<Mining.ToClient> => {
  const rules = { ...coinbaseRules, extranonceSize: EXTRANONCE_PREFIX.length + EXTRANONCE_SIZE }
  const job = Result.getOrThrow(Result.flatMap(jobFromTemplate(number, futureTemplate, rules), withJobId))
  const { headerTimestamp, nbits, prevHash } = newPrevHash(number)
  const common = { channelId: CHANNEL_ID, jobId: number }
  return [
    {
      _tag: "NewExtendedMiningJob",
      ...common,
      minNtime: undefined,
      version: job.version,
      versionRollingAllowed: job.versionRollingAllowed,
      merklePath: job.merklePath,
      coinbaseTxPrefix: job.coinbasePrefix,
      coinbaseTxSuffix: job.coinbaseSuffix
    },
    { _tag: "SetNewPrevHash", ...common, prevHash, minNtime: headerTimestamp, nbits }
  ]
}

/** Acknowledges the shares of one read as a pool does. */
const acknowledgements = (batch: ReadonlyArray<Mining.ToServer>): Array<Mining.ToClient> => {
  const shares = batch.filter((message) => message._tag === "SubmitSharesExtended")
  const messages: Array<Mining.ToClient> = []
  for (let first = 0; first < shares.length; first += SHARE_BATCH_SIZE) {
    const some = shares.slice(first, first + SHARE_BATCH_SIZE)
    messages.push({
      _tag: "SubmitShares.Success",
      channelId: CHANNEL_ID,
      lastSequenceNumber: some.at(-1)!.sequenceNumber,
      newSubmitsAcceptedCount: some.length,
      newSharesSum: 0n
    })
  }
  return messages
}

const program = Effect.gen(function* () {
  const { publicKey, secretKey } = yield* AuthorityKey.generate
  const { address, run } = yield* MiningListener.pipe(
    Effect.provideContext(
      yield* Layer.build(
        Setup.server(MiningListener).pipe(
          Layer.provide(Noise.responder()),
          Layer.provide([Tcp.listener({ host: "127.0.0.1", port: 0 }), CertificateAuthority.layer({ secretKey })])
        )
      )
    )
  )
  const connections = new Set<ProxyConnection>()
  let number = 1
  process.on("message", () => {
    const messages = block(++number)
    for (const { send } of connections) Effect.runFork(Effect.ignore(send(messages)))
  })
  const url = formatServerAddress({ ...address, security: { _tag: "noise", authorityKey: publicKey } })
  process.send!({ _tag: "Ready", url })
  yield* run((connection) => {
    connections.add(connection)
    return Stream.runForEachArray(connection.receive, (batch) => {
      const open = batch.find((message) => message._tag === "OpenExtendedMiningChannel")
      const answers = open === undefined ? [] : [opened(open), ...block(number)]
      return connection.send([...answers, ...acknowledgements(batch)])
    }).pipe(Effect.ensuring(Effect.sync(() => connections.delete(connection))))
  })
}).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

endWithParent()
Effect.runFork(program)
