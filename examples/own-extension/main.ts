/**
 * An own extension: miners send their temperature with each share, and the server sets their fans. Both ends are in this
 * process, over TCP with Noise; `device` and `server` would be two programs that share the declarations.
 *
 *     node examples/own-extension/main.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Extension, Message, Mining, Protocol, Tlv, U16, U32, U8 } from "@sluice/protocol"
import { type ConnectionDialer, type ConnectionListener, Noise, Setup, Tcp } from "@sluice/transport"
import { Console, Context, Effect, Layer, Stream } from "effect"

// Declared once: a message of the extension, and a field behind a message of the core. 0x4000 to 0x7fff are for experiments.
const SetFanSpeed = Message.make("SetFanSpeed", {
  type: 0x00,
  to: "client",
  channel: true,
  extension: 0x4fa0,
  spec: "examples/own-extension",
  fields: { channelId: U32, percent: U8 }
})
const Temperature = Tlv.make("Temperature", {
  extension: 0x4fa0,
  type: 0x00,
  on: [Mining.SubmitSharesStandard, Mining.SubmitSharesExtended],
  spec: "examples/own-extension",
  fields: { decikelvin: U16 }
})
const Cooling = Extension.make({
  id: 0x4fa0,
  name: "Cooling",
  spec: "examples/own-extension",
  messages: [SetFanSpeed],
  tlvs: [Temperature]
})

// Mining with these messages, and the services of its two ends.
const protocol = Protocol.extend(Mining.protocol, Cooling.messages)
type ToClient = Mining.ToClient | typeof SetFanSpeed.Type
class CooledListener extends Context.Service<CooledListener, ConnectionListener<Mining.ToServer, ToClient>>()(
  "example/CooledListener"
) {
  static readonly protocol = protocol
}
class CooledDialer extends Context.Service<CooledDialer, ConnectionDialer<ToClient, Mining.ToServer>>()(
  "example/CooledDialer"
) {
  static readonly protocol = protocol
}

const server = Effect.flatMap(CooledListener, ({ run }) =>
  run(
    ({ receive, send }) =>
      Stream.runForEachArray(receive, (messages) =>
        send(
          messages.flatMap((message) => {
            const temperature = Temperature.get(message)
            if (message._tag !== "SubmitSharesStandard" || temperature === undefined) return []
            const percent = Math.min(100, Math.max(20, (temperature.decikelvin - 3131) / 4))
            return [SetFanSpeed.make({ channelId: message.channelId, percent: Math.round(percent) })]
          })
        )
      ),
    { extensions: [Cooling] }
  )
)

const share = { channelId: 1, jobId: 1, nonce: 0, ntime: 1_785_000_000, version: 0x2000_0000 }

const program = Effect.gen(function* () {
  const authority = yield* AuthorityKey.generate
  const listener = Setup.server(CooledListener).pipe(
    Layer.provide(Noise.responder()),
    Layer.provide(CertificateAuthority.layer({ secretKey: authority.secretKey })),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
  )
  const dialer = Setup.client(CooledDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))

  const device = Effect.gen(function* () {
    const { address } = yield* CooledListener
    const { dial } = yield* CooledDialer
    const connection = yield* dial(
      { ...address, security: { _tag: "noise", authorityKey: authority.publicKey } },
      { extensions: [Cooling], device: { vendor: "examples" } }
    )
    yield* Console.log(`both ends support ${connection.setup.extensions.map((id) => `0x${id.toString(16)}`).join()}`)
    // 30, 60 and 85 degrees Celsius.
    const shares = [3031, 3331, 3581].map((decikelvin, sequenceNumber) =>
      Temperature.put(Mining.SubmitSharesStandard.make({ ...share, sequenceNumber }), { decikelvin })
    )
    yield* connection.send(shares)
    yield* connection.receive.pipe(
      Stream.take(shares.length),
      Stream.runForEach((message) =>
        Console.log(message._tag === "SetFanSpeed" ? `fans of channel ${message.channelId}: ${message.percent} %` : "")
      )
    )
  })

  yield* Effect.gen(function* () {
    yield* Effect.forkScoped(server)
    yield* device
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(listener, dialer)))
})

NodeRuntime.runMain(program)
