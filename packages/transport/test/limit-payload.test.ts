/** A role that accepts long messages only at times. */
import { assert, it } from "@effect/vitest"
import { JobDeclaration } from "@sluice/protocol"
import { Deferred, Effect, Layer, Stream } from "effect"
import { DeclarationDialer, DeclarationListener, Memory, Plain, type ServerAddress, Setup } from "../src/index.ts"

const SERVER: ServerAddress = { ...Memory.ADDRESS, security: { _tag: "plain" } }

const network = Layer.merge(
  Setup.server(DeclarationListener).pipe(Layer.provide(Plain.listener)),
  Setup.client(DeclarationDialer).pipe(Layer.provide(Plain.dialer))
).pipe(Layer.provide(Memory.network()))

const ask = JobDeclaration.AllocateMiningJobToken.make({ userIdentifier: "a", requestId: 1 })
/** 3,000 bytes and some more. */
const long = JobDeclaration.ProvideMissingTransactionsSuccess.make({
  requestId: 1,
  transactionList: [new Uint8Array(3_000)]
})
const answer = JobDeclaration.ProvideMissingTransactions.make({ requestId: 1, unknownTxPositionList: [] })

it.live("a message longer than the role accepts at the moment ends the connection, and not a moment before", () =>
  Effect.gen(function* () {
    const listener = yield* DeclarationListener
    const ended = yield* Deferred.make<string>()
    const seen: Array<string> = []
    yield* Effect.forkScoped(
      listener.run(({ limitPayload, receive, send }) => {
        limitPayload?.(100)
        return Stream.runForEach(receive, ({ _tag }) => {
          seen.push(_tag)
          limitPayload?.(_tag === ask._tag ? 4_000 : 100)
          return send([answer])
        }).pipe(Effect.tapError(({ message }) => Deferred.succeed(ended, message)))
      })
    )
    const { dial } = yield* DeclarationDialer
    const { receive, send } = yield* dial(SERVER)
    // Each message is sent when the one before was answered.
    const messages = [long, long]
    yield* send([ask])
    yield* receive.pipe(
      Stream.runForEach(() => {
        const next = messages.shift()
        return next === undefined ? Effect.void : send([next])
      }),
      Effect.ignore
    )
    assert.deepStrictEqual(seen, [ask._tag, long._tag])
    assert.match(yield* Deferred.await(ended), /of 3009 bytes; at most 1124 are allowed here/)
  }).pipe(Effect.scoped, Effect.provide(network))
)
