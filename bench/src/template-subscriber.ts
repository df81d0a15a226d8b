/**
 * The template provider's client in the benchmark of block switches, in its own process, so that messages do not wait for
 * the provider's thread after they arrive.
 */
import { AuthorityKey } from "@sluice/noise"
import { TemplateDistribution } from "@sluice/protocol"
import { Noise, Setup, Tcp, TemplateDialer } from "@sluice/transport"
import { Context, Effect, Layer, Logger, Stream } from "effect"

/** The message to the parent after SetNewPrevHash and the transactions of its block, or of a later one. */
export interface TipSeen {
  /** When SetNewPrevHash was read and decrypted, in nanoseconds of the machine's monotonic clock. */
  readonly at: string
}

const [host, port, key] = process.argv.slice(2) as [string, string, string]

/** Reports a tip when its transactions have come, in the future template or in a later one. */
const makeTips = (tell: (tip: TipSeen) => void) => {
  const withTransactions = new Set<bigint>()
  let tipAt = ""
  return (message: TemplateDistribution.ToClient): void => {
    if (message._tag === "SetNewPrevHash") {
      tipAt = String(process.hrtime.bigint())
      if (withTransactions.has(message.templateId)) tell({ at: tipAt })
    }
    if (message._tag === "NewTemplate" && message.merklePath.length > 0) {
      if (message.futureTemplate) withTransactions.add(message.templateId)
      else tell({ at: tipAt })
    }
  }
}

const program = Effect.gen(function* () {
  // A client that names its vendor gets templates ahead of the block.
  const dialing = Setup.client(TemplateDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
  const dialer = Context.get(yield* Layer.build(dialing), TemplateDialer)
  const authorityKey = yield* Effect.fromResult(AuthorityKey.parsePublicKey(key))
  const connection = yield* dialer.dial({ host, port: Number(port), security: { _tag: "noise", authorityKey } })
  const constraints = { coinbaseOutputMaxAdditionalSize: 100, coinbaseOutputMaxAdditionalSigops: 4 }
  yield* connection.send([TemplateDistribution.CoinbaseOutputConstraints.make(constraints)])
  const onMessage = makeTips((tip) => void process.send!(tip))
  yield* connection.receive.pipe(Stream.runForEach((message) => Effect.sync(() => onMessage(message))))
})

process.on("disconnect", () => process.exit(0))
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Logger.layer([]))))
