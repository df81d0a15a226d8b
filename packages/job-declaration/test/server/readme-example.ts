import { DevNode } from "@sluice/dev-node"
import { DeclarationServer, TokenKey } from "@sluice/job-declaration"
import { JobDeclaration } from "@sluice/protocol"
import { DeclarationDialer, DeclarationListener, Memory, Plain, Setup } from "@sluice/transport"
import { Console, Effect, Layer, Stream } from "effect"
import { randomBytes } from "node:crypto"

// A declarator over a node. For Bitcoin Core: NodeRpcHttp.layer and NodeNotificationsZmq.layer.
const script = Buffer.from("0014751e76e8199196d454941c45d1b3a323f1433bd6", "hex")
const declarator = DeclarationServer.layer({
  tokenKey: TokenKey(randomBytes(32)),
  payout: () => ({ scripts: [script], minPercent: 100 })
}).pipe(
  Layer.provide(DevNode.layerInMemory()),
  Layer.provide(Setup.server(DeclarationListener)),
  Layer.provide(Plain.listener)
)

const dialer = Setup.client(DeclarationDialer).pipe(Layer.provide(Plain.dialer))

const program = Effect.gen(function* () {
  const { dial } = yield* DeclarationDialer
  const connection = yield* dial(
    { ...Memory.ADDRESS, security: { _tag: "plain" } },
    { flags: JobDeclaration.DECLARE_TX_DATA }
  )
  yield* connection.send([JobDeclaration.AllocateMiningJobToken.make({ userIdentifier: "alice", requestId: 1 })])
  yield* connection.receive.pipe(
    Stream.take(1),
    Stream.runForEach((message) => Console.log(message._tag))
  )
}).pipe(Effect.scoped, Effect.provide(Layer.merge(declarator, dialer).pipe(Layer.provide(Memory.network()))))

await Effect.runPromise(program)
