/** Deliberately broken twins of our pool as a template client: each fault is found by the name of the rule that it breaks. */
import { describe, expect, it } from "@effect/vitest"
import { TemplateDistribution } from "@sluice/protocol"
import { Effect } from "effect"
import { failedOf, type Twin } from "./client-twins.ts"
import { dropping, isOf, receiving, sending, withEachSolution } from "./faults.ts"

const { SubmitSolution } = TemplateDistribution

const twins: ReadonlyArray<Twin> = [
  {
    does: "does not say what it will add to the coinbase",
    fault: () => dropping(TemplateDistribution.CoinbaseOutputConstraints),
    answerTimeout: "2 seconds",
    breaks: "client-templates.constraints"
  },
  {
    does: "asks for less room than it takes",
    fault: () =>
      sending(TemplateDistribution.CoinbaseOutputConstraints, (value) => ({
        ...value,
        coinbaseOutputMaxAdditionalSize: 10
      })),
    breaks: "client-solutions.size"
  },
  {
    does: "waits with new templates for a new block",
    fault: () => ({
      receive: (frame) => {
        const isTemplate = frame.messageType === TemplateDistribution.NewTemplate.type
        const { NewTemplate } = TemplateDistribution
        return isTemplate && !NewTemplate.codec.decode(frame.payload).futureTemplate ? [] : [frame]
      }
    }),
    shareTimeout: "2 seconds",
    breaks: "client-templates.active"
  },
  {
    does: "asks for the transactions of templates that never were",
    fault: () => withEachSolution(() => 1_000_000n),
    breaks: "client-transactions.known"
  },
  {
    does: "falls silent where it is refused the transactions",
    fault: () => {
      const asking = withEachSolution((templateId) => templateId)
      let isRefused = false
      return {
        send: (frame) => (isRefused ? [] : asking.send!(frame)),
        receive: (frame) => {
          isRefused ||= isOf(frame, TemplateDistribution.RequestTransactionDataError)
          return [frame]
        }
      }
    },
    quietTime: "2 seconds",
    breaks: "client-transactions.error"
  },
  {
    does: "submits solutions of templates that never were",
    fault: () => sending(SubmitSolution, (value) => ({ ...value, templateId: 1_000_000n })),
    breaks: "client-solutions.template"
  },
  {
    does: "strips the witness from the coinbase",
    fault: () =>
      sending(SubmitSolution, (value) => ({
        ...value,
        coinbaseTx: new Uint8Array([
          ...value.coinbaseTx.subarray(0, 4),
          ...value.coinbaseTx.subarray(6, -38),
          ...value.coinbaseTx.subarray(-4)
        ])
      })),
    breaks: "client-solutions.witness"
  },
  {
    does: "submits the coinbase of another height",
    fault: () =>
      sending(SubmitSolution, (value) => ({ ...value, coinbaseTx: changed(value.coinbaseTx, SCRIPT_AT + 2) })),
    breaks: "client-solutions.prefix"
  },
  {
    does: "changes the locktime",
    fault: () =>
      sending(SubmitSolution, (value) => ({
        ...value,
        coinbaseTx: changed(value.coinbaseTx, value.coinbaseTx.length - 1)
      })),
    breaks: "client-solutions.fields"
  },
  {
    does: "pays itself more than there is",
    fault: () =>
      receiving(TemplateDistribution.NewTemplate, (value) => ({
        ...value,
        coinbaseTxValueRemaining: value.coinbaseTxValueRemaining + 1n
      })),
    breaks: "client-solutions.value"
  },
  {
    does: "leaves out the witness commitment",
    fault: () =>
      receiving(TemplateDistribution.NewTemplate, (value) => ({
        ...value,
        coinbaseTxOutputsCount: 0,
        coinbaseTxOutputs: new Uint8Array(0)
      })),
    breaks: "client-solutions.outputs"
  },
  {
    does: "submits what is no block",
    fault: () => sending(SubmitSolution, (value) => [value, ...wrongNonces(value)]),
    breaks: "client-solutions.target"
  },
  {
    does: "goes by a clock that is late",
    fault: () => sending(SubmitSolution, (value) => ({ ...value, headerTimestamp: value.headerTimestamp - 600 })),
    breaks: "client-solutions.time"
  },
  {
    does: "rolls bits of the version that it must not",
    fault: () => sending(SubmitSolution, (value) => ({ ...value, version: (value.version ^ 2) >>> 0 })),
    breaks: "client-solutions.version"
  }
]

/** Behind version, marker and flag, count, outpoint and length. */
const SCRIPT_AT = 4 + 2 + 1 + 36 + 1

const changed = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))

/** One of ten others at the least is no block where half of all are. */
const wrongNonces = (value: TemplateDistribution.SubmitSolution) =>
  Array.from({ length: 10 }, (_, index) => ({ ...value, headerNonce: (value.headerNonce + index + 1) >>> 0 }))

// Each test mostly waits for messages that must not come, so they run at the same time.
describe.concurrent("a pool that", () => {
  for (const twin of twins) {
    it.live(`${twin.does} breaks ${twin.breaks}`, () =>
      Effect.map(failedOf("template-distribution", twin), (failed) => {
        expect(failed).toEqual([twin.breaks])
      })
    )
  }
})
