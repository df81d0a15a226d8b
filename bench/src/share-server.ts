/**
 * A server of miners for the benchmarks of shares, alone in its process, so that only its CPU time is counted. It listens on a free
 * port of this machine, with Noise, and answers its parent's questions.
 */
import type { MiningServerCalls } from "@sluice/mining-server"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { formatServerAddress, MiningListener, Noise, Setup, Tcp } from "@sluice/transport"
import { Context, Effect, Layer, Logger } from "effect"
import { serveBare } from "./bare-sockets.ts"
import { endWithParent } from "./child.ts"
import { futureTemplate, shareOf } from "./pool-work.ts"
import { measureShareCryptography, type ShareCryptography } from "./share-cryptography.ts"

/** The questions of the parent. */
export type Question =
  | { readonly _tag: "Usage" }
  /** The port of the server that measures the sockets alone. */
  | { readonly _tag: "Bare" }
  | { readonly _tag: "Cryptography"; readonly channel: "standard" | "extended" }

/** The answers. */
export type Answer =
  | { readonly _tag: "Ready"; readonly url: string }
  /** CPU time of the process in microseconds, and the counts of shares and of bare replies, in all. */
  | {
      readonly _tag: "Usage"
      readonly cpu: number
      readonly accepted: number
      readonly refused: number
      /** Shares that were passed on to an upstream, and those that it refused or did not get. */
      readonly passedOn: number
      readonly inVain: number
      readonly bare: number
    }
  | { readonly _tag: "Bare"; readonly port: number }
  | { readonly _tag: "Cryptography"; readonly cryptography: ShareCryptography }

/** What a server passed on to its upstream. */
export type PassedOn = Pick<Extract<Answer, { readonly _tag: "Usage" }>, "passedOn" | "inVain">

const answer = (message: Answer): void => {
  process.send!(message)
}

/** Serves until the parent ends this process. */
export const serveShares = <Self, Others = never>(options: {
  readonly service: Context.Key<Self, MiningServerCalls>
  readonly layer: Layer.Layer<Self | Others, unknown, MiningListener>
  /** By default the server has no upstream. */
  readonly passedOn?: Effect.Effect<PassedOn, never, Others>
}): void => {
  const { passedOn = Effect.succeed({ passedOn: 0, inVain: 0 }) } = options
  const program = Effect.gen(function* () {
    const { publicKey, secretKey } = yield* AuthorityKey.generate
    const context = yield* Layer.build(
      options.layer.pipe(
        Layer.provide(Setup.server(MiningListener)),
        Layer.provide(Noise.responder()),
        Layer.provide([Tcp.listener({ host: "127.0.0.1", port: 0 }), CertificateAuthority.layer({ secretKey })])
      )
    )
    const { address, stats } = Context.get(context as Context.Context<Self>, options.service)
    const bare = yield* Effect.promise(() => serveBare())
    process.on("message", (question: Question) => {
      if (question._tag === "Bare") return answer({ _tag: "Bare", port: bare.port })
      if (question._tag === "Cryptography") {
        answer({
          _tag: "Cryptography",
          cryptography: measureShareCryptography(shareOf(question.channel, 1), futureTemplate)
        })
        return
      }
      const { system, user } = process.cpuUsage()
      const { accepted, refused } = Effect.runSync(stats)
      const upstream = Effect.runSync(Effect.provideContext(passedOn, context as Context.Context<Others>))
      const refusals = Object.values(refused).reduce((sum, count) => sum + count, 0)
      answer({ _tag: "Usage", cpu: user + system, accepted, refused: refusals, ...upstream, bare: bare.replies() })
    })
    answer({
      _tag: "Ready",
      url: formatServerAddress({ ...address, security: { _tag: "noise", authorityKey: publicKey } })
    })
    yield* Effect.never
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

  endWithParent()
  Effect.runFork(program)
}
