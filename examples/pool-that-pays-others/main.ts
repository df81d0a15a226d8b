/**
 * A pool that pays its miners in the coinbase, with other outputs in every block: in proportion to the work of the last shares.
 * It is the composition of `Pool.layer` with another service in the place of `Payouts`. Miners' user names are addresses.
 *
 *     node examples/pool-that-pays-others/main.ts stratum2+tcp+plain://127.0.0.1:18447 bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import {
  minerScript,
  MiningServer,
  Payouts,
  payoutScript,
  type ShareSink,
  Templates,
  type ValidateUser
} from "@sluice/mining-server"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { TemplateClient } from "@sluice/template-provider"
import {
  formatServerAddress,
  MiningListener,
  Noise,
  parseServerAddress,
  Security,
  Setup,
  Tcp,
  TemplateDialer
} from "@sluice/transport"
import { Console, Effect, Layer, Stream, SubscriptionRef } from "effect"
import { LastShares } from "./last-shares.ts"

const [templateProvider = "", poolAddress = "", listen = "3333"] = process.argv.slice(2)

/** The room of one output in a coinbase: a script of 34 bytes with its length and value, or one signature operation (7.1). */
const OUTPUT = { size: 43, sigops: 4 }

const program = Effect.gen(function* () {
  const server = yield* Effect.fromResult(parseServerAddress(templateProvider))
  const poolScript = yield* Effect.fromResult(payoutScript(poolAddress))
  const authority = yield* AuthorityKey.generate

  const shares = new LastShares()
  // Room for twice as many outputs as there are: the template provider hears of more room before there are more outputs.
  const room = yield* SubscriptionRef.make(2)

  const payouts = Layer.succeed(Payouts, {
    constraints: Stream.map(SubscriptionRef.changes(room), (outputs) => ({
      coinbaseOutputMaxAdditionalSize: outputs * OUTPUT.size,
      coinbaseOutputMaxAdditionalSigops: outputs * OUTPUT.sigops
    })),
    outputs: (reward) => shares.outputs(reward, poolScript)
  })

  const sink: ShareSink = {
    record: Effect.fnUntraced(function* (accepted) {
      for (const { channel, difficulty, height, isBlock } of accepted) {
        const script = minerScript(channel.userIdentity)
        if (script !== undefined) shares.add({ script, work: difficulty })
        if (isBlock) yield* Console.log(`block ${height} is found; outputs of the next coinbase: ${shares.outputCount}`)
      }
      const needed = 2 * shares.outputCount
      if (needed <= (yield* SubscriptionRef.get(room))) return
      yield* SubscriptionRef.set(room, needed)
      yield* Console.log(`room for ${needed} outputs`)
    })
  }

  const validateUser: ValidateUser = ({ identity }) =>
    Effect.succeed(minerScript(identity) === undefined ? "invalid-user-identity" : undefined)

  const templates = TemplateClient.layer({ servers: [server] }).pipe(
    Layer.provide(Setup.client(TemplateDialer)),
    Layer.provide(Security.dialer()),
    Layer.provide(Tcp.dialer)
  )

  const miners = Setup.server(MiningListener).pipe(
    Layer.provide(Noise.responder()),
    Layer.provide(CertificateAuthority.layer({ secretKey: authority.secretKey })),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: Number(listen) }))
  )

  const pool = MiningServer.layer({ shareSinks: [sink], validateUser }).pipe(
    Layer.provide(Templates.layer({ tag: "pays others" })),
    Layer.provide([templates, miners, payouts])
  )

  yield* Effect.gen(function* () {
    const security = { _tag: "noise", authorityKey: authority.publicKey } as const
    yield* Console.log(`miners connect to ${formatServerAddress({ ...(yield* MiningServer).address, security })}`)
    yield* Effect.never
  }).pipe(Effect.provide(pool))
})

NodeRuntime.runMain(program)
