import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { MiningDialer, MiningListener, Noise, Setup, Tcp } from "@sluice/transport"
import { Console, Effect, Layer, Stream } from "effect"

const authority = Effect.runSync(AuthorityKey.generate)

// A server: the protocol over SetupConnection over Noise over TCP, each a layer that another can replace.
const server = Setup.server(MiningListener).pipe(
  Layer.provide(Noise.responder()),
  Layer.provide(CertificateAuthority.layer({ secretKey: authority.secretKey })),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
)

const client = Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))

const program = Effect.gen(function* () {
  const { address, run } = yield* MiningListener
  // One fiber for each connection; all messages of a read come as one array, and its replies leave in one write.
  yield* Effect.forkScoped(
    run((connection) =>
      Stream.runForEachArray(connection.receive, (messages) =>
        connection.send(messages.map(() => ({ _tag: "Reconnect", newHost: "other.example", newPort: 3333 })))
      )
    )
  )

  const { dial } = yield* MiningDialer
  const connection = yield* dial({ ...address, security: { _tag: "noise", authorityKey: authority.publicKey } })
  yield* connection.send([{ _tag: "CloseChannel", channelId: 1, reasonCode: "done" }])
  const [reply] = yield* connection.receive.pipe(Stream.take(1), Stream.runCollect)
  yield* Console.log(reply)
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Layer.merge(server, client))))
