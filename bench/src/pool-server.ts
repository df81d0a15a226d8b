/**
 * The pool of the benchmark, alone in its process, so that only its CPU time is counted. It listens on a free port of this
 * machine, with Noise, and answers its parent's questions.
 */
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Pool } from "@sluice/pool"
import { TemplateFeed, TemplateSourceMemory } from "@sluice/template-provider"
import { formatServerAddress, MiningListener, Noise, Setup, Tcp } from "@sluice/transport"
import { Effect, Layer, Logger } from "effect"
import { serveBare } from "./bare-sockets.ts"
import { futureTemplate, newPrevHash, poolOptions, shareOf } from "./pool-work.ts"
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
  /** CPU time of the process in microseconds, how many shares it accepted, and how many bare replies it gave, in all. */
  | {
      readonly _tag: "Usage"
      readonly cpu: number
      readonly accepted: number
      readonly refused: number
      readonly bare: number
    }
  | { readonly _tag: "Bare"; readonly port: number }
  | { readonly _tag: "Cryptography"; readonly cryptography: ShareCryptography }

const answer = (message: Answer): void => {
  process.send!(message)
}

const program = Effect.gen(function* () {
  const { publicKey, secretKey } = yield* AuthorityKey.generate
  const context = yield* Layer.build(
    Pool.layer(poolOptions).pipe(
      Layer.provideMerge(TemplateSourceMemory.layer),
      Layer.provide(Setup.server(MiningListener)),
      Layer.provide(Noise.responder()),
      Layer.provide([Tcp.listener({ host: "127.0.0.1", port: 0 }), CertificateAuthority.layer({ secretKey })])
    )
  )
  yield* Effect.gen(function* () {
    const { address, stats } = yield* Pool
    const { publish } = yield* TemplateFeed
    yield* publish([futureTemplate, newPrevHash(1)])
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
      const refusals = Object.values(refused).reduce((sum, count) => sum + count, 0)
      answer({ _tag: "Usage", cpu: user + system, accepted, refused: refusals, bare: bare.replies() })
    })
    answer({
      _tag: "Ready",
      url: formatServerAddress({ ...address, security: { _tag: "noise", authorityKey: publicKey } })
    })
    yield* Effect.never
  }).pipe(Effect.provide(context))
}).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

process.on("disconnect", () => process.exit())
Effect.runFork(program)
