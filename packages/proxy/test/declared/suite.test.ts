/** The rules for sources of work hold for declared jobs, in both modes. */
import { WorkSource } from "@sluice/mining-server"
import type { TemplateDistribution } from "@sluice/protocol"
import {
  TemplateFeed,
  type TemplateMessage,
  type TemplateSource,
  TemplateSourceMemory
} from "@sluice/template-provider"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, NO_TARGET, template } from "@sluice/testing/templates"
import { WorkSourceDriver, workSourceSuite } from "@sluice/testing/work-source-suite"
import { DeclarationDialer, MiningDialer } from "@sluice/transport"
import { Effect, Layer, Logger, Option, Queue } from "effect"
import { TestClock } from "effect/testing"
import { Declared } from "../../src/index.ts"
import { addressOf, PoolNetwork, ScriptedPool } from "../scripted-pool.ts"
import { ScriptedDeclarator } from "./scripted-declarator.ts"

const PORT = 1

/** Lets two servers answer one after the other. */
const settled = Effect.repeat(TestClock.adjust(1), { times: 20 })

const make = (declareTransactions: boolean) =>
  Layer.unwrap(
    Effect.sync(() => {
      const network = new PoolNetwork()
      const pool = new ScriptedPool({ target: ANY_TARGET })
      const declarator = new ScriptedDeclarator()
      network.listen(PORT, pool)
      let looked = 0
      const driver = Layer.effect(
        WorkSourceDriver,
        Effect.gen(function* () {
          const feed = yield* TemplateFeed
          // The source announces the room that the pool's outputs need, and only then a provider sends templates.
          yield* WorkSource
          while (Option.isNone(yield* Queue.poll(feed.constraints))) yield* TestClock.adjust(1)

          const publish = (...messages: ReadonlyArray<TemplateMessage>) => Effect.orDie(feed.publish(messages))
          let lastId = 0
          let blocks = 0
          let futures: Array<number> = []
          /** A template whose merkle path no other one has. */
          const next = (of: typeof template): TemplateDistribution.NewTemplate =>
            of(++lastId, { merklePath: [bytes(lastId % 256), bytes(lastId >>> 8)] })
          return WorkSourceDriver.of({
            newBlock: (future) =>
              Effect.suspend(() => {
                const own = future === undefined ? [next(futureTemplate)] : []
                const id = future === undefined ? lastId : futures[future]!
                futures = []
                const prevHash = bytes(7).with(0, ++blocks % 256)
                return publish(...own, newPrevHash(id, { prevHash, target: NO_TARGET, nbits: 0x03000001 }))
              }),
            newJob: Effect.suspend(() => publish(next(template))),
            futureJob: Effect.suspend(() => {
              const made = next(futureTemplate)
              futures.push(lastId)
              return publish(made)
            }),
            maxFutureJobs: 64,
            disconnect: Effect.andThen(network.kill(PORT), settled),
            reconnect: Effect.andThen(
              Effect.sync(() => network.listen(PORT, pool)),
              TestClock.adjust("2 seconds")
            ),
            submitted: Effect.gen(function* () {
              for (let turn = 0; turn < 200 && pool.shares.length === looked; turn++) yield* TestClock.adjust(1)
              yield* settled
              const headers = pool.shares.slice(looked).map(({ header }) => header)
              looked = pool.shares.length
              return headers
            }),
            users: ["alice.1", "bob"]
          })
        })
      )
      const source: Layer.Layer<WorkSource, unknown, TemplateSource> = Declared.layer({
        upstreams: [{ server: addressOf(PORT), declarator: addressOf(2) }],
        declareTransactions,
        minFeeDelta: 0n,
        declareInterval: 0
      }).pipe(
        Layer.provide([
          Layer.succeed(MiningDialer, network.dialer),
          Layer.succeed(DeclarationDialer, declarator.dialer)
        ]),
        Layer.provide(Logger.layer([]))
      )
      return driver.pipe(Layer.provideMerge(source)).pipe(Layer.provide(TemplateSourceMemory.layer))
    })
  )

workSourceSuite("Declared, with transactions", make(true))
workSourceSuite("Declared, without transactions", make(false))
