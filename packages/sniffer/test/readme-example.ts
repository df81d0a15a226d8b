import { HashInProcess, Miner, type MinerOptions } from "@sluice/miner"
import { Common, Mining } from "@sluice/protocol"
import { Sniffer, Verdict } from "@sluice/sniffer"
import { MiningDialer, parseServerAddress, Security, Setup, Tcp } from "@sluice/transport"
import { Console, Effect, Layer, Result } from "effect"

const url = process.env["POOL"] ?? "stratum2+tcp+plain://127.0.0.1:3333"
const options: MinerOptions = { servers: [Result.getOrThrow(parseServerAddress(url))], user: "alice" }

// Between the miner and its pool: the second share never gets there.
const sniffer = Sniffer.layer({
  protocol: Mining.protocol,
  rule: (message) =>
    message._tag === "SubmitSharesStandard" && message.sequenceNumber === 2 ? Verdict.drop : Verdict.pass
}).pipe(Layer.provide(Security.dialer()), Layer.provide(Tcp.dialer))

const miner = Miner.layer(options).pipe(
  Layer.provide([Setup.client(MiningDialer), HashInProcess.layer()]),
  Layer.provideMerge(sniffer)
)

const program = Effect.gen(function* () {
  const { inject, waitFor } = yield* Sniffer
  const { connectionId, message } = yield* waitFor(Common.SetupConnection)
  yield* Console.log(`connection ${connectionId} is of ${message.vendor}`)

  const dropped = yield* waitFor(Mining.SubmitSharesStandard, { where: (share) => share.sequenceNumber === 2 })
  yield* Console.log(`share 2 was ${dropped.fate}`)
  const third = yield* waitFor(Mining.SubmitSharesStandard, { where: (share) => share.sequenceNumber === 3 })
  yield* waitFor(Mining.SubmitSharesSuccess, { after: third })
  yield* Console.log("the pool has accepted the third")

  // The pool knows nothing of this; the miner connects anew.
  yield* inject(connectionId, Common.Reconnect, { newHost: "", newPort: 0 })
  const again = yield* waitFor(Common.SetupConnection)
  yield* Console.log(`connection ${again.connectionId} is of ${again.message.vendor}`)
})

await Effect.runPromise(Effect.provide(program, miner))
