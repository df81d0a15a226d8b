/** A connection that receives one byte at a time behaves like one that receives all at once: handshake, setup, each protocol. */
import { assert, describe, it } from "@effect/vitest"
import { type Direction, type Protocol, WorkerIdentity } from "@sluice/protocol"
import {
  type ConnectionDialer,
  type ConnectionListener,
  DeclarationDialer,
  DeclarationListener,
  Memory,
  MiningDialer,
  MiningListener,
  Noise,
  Plain,
  TemplateDialer,
  TemplateListener
} from "@sluice/transport"
import { dialerWith, listenerWith } from "@sluice/testing/bound-setup"
import { Arbitrary, Context, Effect, Layer, Queue, Stream } from "effect"
import { authorityKey, noise, plain, responder, strangerKey } from "./fixture.ts"

type Any = { readonly _tag: string }
interface Ends {
  readonly name: string
  readonly listener: Context.Key<unknown, ConnectionListener<Any, Any>> & { readonly protocol: Protocol<Any, Any> }
  readonly dialer: Context.Key<unknown, ConnectionDialer<Any, Any>> & { readonly protocol: Protocol<Any, Any> }
}
const ends = (name: string, listener: unknown, dialer: unknown) => ({ name, listener, dialer }) as Ends

const protocols = [
  ends("Mining", MiningListener, MiningDialer),
  ends("Job Declaration", DeclarationListener, DeclarationDialer),
  ends("Template Distribution", TemplateListener, TemplateDialer)
]
const securities = [
  { secured: "with Noise", security: noise, layer: Layer.merge(responder(), Noise.initiator()) },
  { secured: "without", security: plain, layer: Layer.merge(Plain.listener, Plain.dialer) }
] as const

const everyMessage = Effect.fnUntraced(function* (direction: Direction<Any>) {
  const samples = yield* Effect.forEach(direction.messages, (message) =>
    Arbitrary.sampleEffect(message.arbitrary as Arbitrary.Arbitrary<Any>, { count: 1, seed: 7, size: 6 })
  )
  return samples.flat()
})

const byteByByte = (bytes: Uint8Array) => Array.from(bytes, (byte) => Uint8Array.of(byte))

describe.each(protocols.flatMap((one) => securities.map((how) => ({ ...one, ...how }))))(
  "$name, $secured",
  ({ dialer, layer, listener, security }) => {
    /** Each side sends one message of each kind and checks what it receives. */
    const exchange = (network: Memory.NetworkOptions) =>
      Effect.gen(function* () {
        const { address, run } = yield* listener
        const { toClient, toServer } = listener.protocol
        const replies = yield* everyMessage(toClient)
        const requests = yield* everyMessage(toServer)
        const atServer = yield* Queue.unbounded<Any>()
        yield* Effect.forkScoped(
          run((connection) =>
            Effect.andThen(
              Effect.forkChild(connection.send(replies)),
              Stream.runForEachArray(connection.receive, (batch) => Queue.offerAll(atServer, batch))
            )
          )
        )
        const connection = yield* (yield* dialer).dial({ ...address, security })
        yield* connection.send(requests)
        const read = yield* connection.receive.pipe(Stream.take(replies.length), Stream.runCollect)
        const received = yield* Queue.takeN(atServer, requests.length)
        assert.deepStrictEqual(read, replies)
        assert.deepStrictEqual(received, requests)
        return connection.setup
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.merge(
            listenerWith(listener as never, { supportedFlags: 7, extensions: [WorkerIdentity.extension] }),
            dialerWith(dialer as never, { flags: 1, extensions: [WorkerIdentity.extension] })
          ).pipe(Layer.provide(layer), Layer.provide(Memory.network(network))) as Layer.Layer<unknown>
        )
      )

    it.effect("receives the same messages byte by byte", () =>
      Effect.gen(function* () {
        const whole = yield* exchange({})
        const cut = yield* exchange({ split: byteByByte })
        assert.deepStrictEqual({ ...cut }, { ...whole })
        assert.deepStrictEqual(cut.extensions, [WorkerIdentity.extension.id])
      })
    )
  }
)

describe("the error that ends a connection", () => {
  /** The error of a client that expects this key and requires these flags. */
  const failure = (network: Memory.NetworkOptions, key: Uint8Array, flags: number) =>
    Effect.gen(function* () {
      const { address, run } = yield* MiningListener
      yield* Effect.forkScoped(run(() => Effect.never))
      const { dial } = yield* MiningDialer
      return String(yield* Effect.flip(dial({ ...address, security: { _tag: "noise", authorityKey: key } })))
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.merge(listenerWith(MiningListener, { supportedFlags: 1 }), dialerWith(MiningDialer, { flags })).pipe(
          Layer.provide(Layer.merge(responder(), Noise.initiator())),
          Layer.provide(Memory.network(network))
        )
      )
    )

  it.effect.each([
    { what: "an unexpected authority", key: strangerKey, flags: 1, error: /authority/ },
    { what: "a refused setup", key: authorityKey, flags: 4, error: /unsupported-feature-flags/ }
  ])("is the same byte by byte: $what", ({ error, flags, key }) =>
    Effect.gen(function* () {
      const whole = yield* failure({}, key, flags)
      assert.match(whole, error)
      assert.strictEqual(yield* failure({ split: byteByByte }, key, flags), whole)
    })
  )
})
