/** A client of a template provider that a test drives message by message. */
import { assert } from "@effect/vitest"
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
  /** By number, as far as the test has looked. */
  const templates = new Map<bigint, TemplateDistribution.NewTemplate>()
  const next = Queue.take(inbox).pipe(
    Effect.tap((message) =>
      Effect.sync(() => message._tag === "NewTemplate" && templates.set(message.templateId, message))
    )
  )

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
    /** The next SetNewPrevHash and the future template that it names; other templates may come before it. */
    expectTip: Effect.gen(function* () {
      while (true) {
        const message = yield* next
        if (message._tag === "NewTemplate") continue
        if (message._tag !== "SetNewPrevHash") {
          return yield* Effect.die(new Error(`expected NewTemplate or SetNewPrevHash, got ${message._tag}`))
        }
        const template = templates.get(message.templateId)
        assert.isTrue(template?.futureTemplate, "SetNewPrevHash names a future template")
        for (const id of templates.keys()) if (id < message.templateId) templates.delete(id)
        return { template: template!, prevHash: message }
      }
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
