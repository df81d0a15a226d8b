import {
  TemplateFeed,
  type TemplateMessage,
  TemplateSourceMemory,
  type TemplateSourceState
} from "@sluice/template-provider"
import { TemplateDistribution } from "@sluice/protocol"
import { Effect, Layer, Queue } from "effect"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { COINBASE_ADDRESS } from "@sluice/testing/pool-worlds"
import { headerOf, rootOf, WorkSourceDriver, workSourceSuite } from "@sluice/testing/work-source-suite"
import { type PayoutOptions, Payouts, Templates, type WorkSource } from "../src/index.ts"

/** A driver that plays the template provider. */
const driver = (others: Pick<WorkSourceDriver["Service"], "users" | "refusedUser">) =>
  Layer.effect(
    WorkSourceDriver,
    Effect.gen(function* () {
      const feed = yield* TemplateFeed
      const publish = (...messages: ReadonlyArray<TemplateMessage>) => Effect.orDie(feed.publish(messages))
      const setState = (_tag: TemplateSourceState["_tag"]) => feed.setState({ _tag, server: "memory", reason: "test" })
      const sent = new Map<bigint, TemplateDistribution.NewTemplate>()
      const prevHashes = new Map<bigint, Uint8Array>()
      let lastId = 0
      let prevHash = bytes(0)
      let futures: Array<number> = []
      /** A template whose merkle path no other one has. */
      const make = (of: typeof template, fields: Partial<TemplateDistribution.NewTemplate> = {}) => {
        const made = of(++lastId, { merklePath: [bytes(lastId % 256), bytes(lastId >>> 8)], ...fields })
        sent.set(made.templateId, made)
        prevHashes.set(made.templateId, prevHash)
        return made
      }
      return {
        ...others,
        maxFutureJobs: TemplateDistribution.MAX_FUTURE_TEMPLATES,
        newBlock: (future) =>
          Effect.suspend(() => {
            const own = future === undefined ? [make(futureTemplate)] : []
            const id = future === undefined ? lastId : futures[future]!
            futures = []
            prevHash = Uint8Array.from(bytes(id >>> 8)).with(0, id % 256)
            prevHashes.set(BigInt(id), prevHash)
            return publish(...own, newPrevHash(id, { prevHash, target: ANY_TARGET, nbits: NBITS }))
          }),
        newJob: Effect.suspend(() => publish(make(template))),
        futureJob: Effect.suspend(() => {
          const made = make(futureTemplate)
          futures.push(lastId)
          return publish(made)
        }),
        unusable: {
          job: Effect.suspend(() => publish(make(template, NO_COINBASE))),
          block: Effect.suspend(() => publish(make(futureTemplate, NO_COINBASE), newPrevHash(lastId)))
        },
        disconnect: setState("Disconnected"),
        reconnect: setState("Connected"),
        submitted: Effect.map(Queue.clear(feed.solutions), (solutions) =>
          solutions.map((solution) => {
            const { coinbaseTx, headerNonce, headerTimestamp, templateId, version } = solution
            const merkleRoot = rootOf(withoutWitness(coinbaseTx), sent.get(templateId)!.merklePath)
            const fields = { version, nonce: headerNonce, ntime: headerTimestamp, nbits: NBITS }
            return headerOf({ ...fields, merkleRoot, prevHash: prevHashes.get(templateId)! })
          })
        )
      }
    })
  )

const NBITS = 0x207fffff
const NO_COINBASE = { coinbaseTxOutputsCount: 3 }

/** Takes the marker, the flag and the one item of the witness out (BIP144). */
const withoutWitness = (coinbase: Uint8Array): Uint8Array =>
  Buffer.concat([coinbase.subarray(0, 4), coinbase.subarray(6, -(4 + 34)), coinbase.subarray(-4)])

const templates = (
  payout: PayoutOptions,
  others: Pick<WorkSourceDriver["Service"], "users" | "refusedUser">
): Layer.Layer<WorkSource | WorkSourceDriver, unknown> =>
  Layer.merge(Templates.layer().pipe(Layer.provide(Payouts.layer(payout))), driver(others)).pipe(
    Layer.provide(TemplateSourceMemory.layer)
  )

workSourceSuite(
  "Templates with fixed outputs",
  templates({ coinbaseAddress: COINBASE_ADDRESS }, { users: ["alice.1", "bob"] })
)

const OTHER_ADDRESS = "2N3oefVeg6stiTb5Kh3ozCSkaqmx91FDbsm"

workSourceSuite(
  "Templates in solo mining",
  templates({ solo: { feePercent: 0 } }, { users: [`${COINBASE_ADDRESS}.1`, OTHER_ADDRESS], refusedUser: "alice" })
)
