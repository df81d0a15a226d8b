/** A client of a template provider that a test drives message by message. */
import { TemplateDistribution } from "@sluice/protocol"
import { type ConnectionError, Memory, type ServerAddress, TemplateDialer } from "@sluice/transport"
import { Effect, Queue, Stream } from "effect"

export const MEMORY_SERVER: ServerAddress = { ...Memory.ADDRESS, security: { _tag: "plain" } }

export const connect = Effect.fnUntraced(function* (server: ServerAddress = MEMORY_SERVER) {
  const dialer = yield* TemplateDialer
  const connection = yield* dialer.dial(server)
  const inbox = yield* Queue.unbounded<TemplateDistribution.ToClient, ConnectionError>()
  yield* connection.receive.pipe(
    Stream.runForEach((message) => Queue.offer(inbox, message)),
    Effect.catchCause((cause) => Queue.failCause(inbox, cause)),
    Effect.forkScoped
  )
  const next = Queue.take(inbox)

  const expect = <Tag extends TemplateDistribution.ToClient["_tag"]>(tag: Tag) =>
    Effect.flatMap(next, (message) =>
      message._tag === tag
        ? Effect.succeed(message as Extract<TemplateDistribution.ToClient, { readonly _tag: Tag }>)
        : Effect.die(new Error(`expected ${tag}, got ${message._tag}`))
    )

  return {
    send: connection.send,
    next,
    expect,
    /** How many messages have come that the test has not looked at. */
    waiting: Queue.size(inbox),
    /** A future template and the SetNewPrevHash that names it. */
    expectTip: Effect.gen(function* () {
      const template = yield* expect("NewTemplate")
      const prevHash = yield* expect("SetNewPrevHash")
      return { template, prevHash }
    }),
    constrain: (size = 0, sigops = 0) =>
      connection.send([
        TemplateDistribution.CoinbaseOutputConstraints.make({
          coinbaseOutputMaxAdditionalSize: size,
          coinbaseOutputMaxAdditionalSigops: sigops
        })
      ])
  }
})
