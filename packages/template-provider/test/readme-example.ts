import { DevNode } from "@sluice/dev-node"
import { TemplateClient, TemplateProvider, TemplateSource } from "@sluice/template-provider"
import { Memory, Plain, Setup, TemplateDialer, TemplateListener } from "@sluice/transport"
import { Console, Effect, Layer, Stream } from "effect"

// A provider over a node. For Bitcoin Core: NodeRpcHttp.layer and NodeNotificationsZmq.layer.
const provider = TemplateProvider.layer({ feeDelta: 1_000n, interval: "30 seconds" }).pipe(
  Layer.provide(DevNode.layerInMemory()),
  Layer.provide(Setup.server(TemplateListener)),
  Layer.provide(Plain.listener)
)

// Its client. For another machine: Noise.initiator and Tcp.dialer.
const client = TemplateClient.layer({
  servers: [{ ...Memory.ADDRESS, security: { _tag: "plain" } }]
}).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(Plain.dialer))

const program = Effect.gen(function* () {
  const source = yield* TemplateSource
  yield* source.constrain({ coinbaseOutputMaxAdditionalSize: 43, coinbaseOutputMaxAdditionalSigops: 0 })
  yield* source.messages.pipe(
    Stream.take(2),
    Stream.runForEach((message) =>
      message._tag === "NewTemplate"
        ? Console.log(`template ${message.templateId}: ${message.coinbaseTxValueRemaining} satoshis`)
        : Console.log(`work on template ${message.templateId} from ${message.headerTimestamp} on`)
    )
  )
}).pipe(Effect.provide(Layer.merge(provider, client).pipe(Layer.provide(Memory.network()))))

await Effect.runPromise(program)
