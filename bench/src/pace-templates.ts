/**
 * The source of templates for the benchmarks of whole pools: a development node with a template provider behind Noise, in a process
 * of its own. The parent says when there is another job or a block.
 */
import { DevNode, solveTemplate } from "@sluice/dev-node"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { TemplateProvider } from "@sluice/template-provider"
import { Noise, Setup, Tcp, TemplateListener } from "@sluice/transport"
import { Context, Effect, Layer, Logger } from "effect"
import { endWithParent } from "./child.ts"

export interface Question {
  /** A block, or new transactions and so another job on the same block. */
  readonly _tag: "Block" | "Transactions"
}

export interface Answer {
  readonly _tag: "Ready"
  readonly port: number
  /** The public key of its authority. */
  readonly key: string
}

/** 65,536 hashes a block: this process finds one in a tenth of a second, and shares are hardly ever blocks. */
const BITS = 0x1f00ffff
const TRANSACTIONS_AT_ONCE = 20

const program = Effect.gen(function* () {
  const { publicKey, secretKey } = yield* AuthorityKey.generate
  const node = yield* DevNode
  const provider = TemplateProvider.layer({ feeDelta: 0n, interval: "1 second" }).pipe(
    Layer.provide([DevNode.nodeRpc, DevNode.nodeNotifications]),
    Layer.provide(Setup.server(TemplateListener)),
    Layer.provide(Noise.responder()),
    Layer.provide(CertificateAuthority.layer({ secretKey })),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
  )
  const { address } = Context.get(yield* Layer.build(provider), TemplateProvider)
  const block = Effect.flatMap(node.getBlockTemplate(), (template) => node.submitBlock(solveTemplate(template)!))
  process.on("message", ({ _tag }: Question) => {
    const happen = _tag === "Block" ? block : node.addMadeUpTransactions(TRANSACTIONS_AT_ONCE)
    void Effect.runPromise(Effect.ignore(happen))
  })
  process.send!({ _tag: "Ready", port: address.port, key: AuthorityKey.formatPublicKey(publicKey) } satisfies Answer)
  yield* Effect.never
})

endWithParent()
await Effect.runPromise(
  program.pipe(
    Effect.provide(DevNode.layer({ bits: BITS, transactionsPerSecond: 0, longPollFirstCheck: "1 second" })),
    Effect.scoped,
    Effect.provide(Logger.layer([]))
  )
)
