/** Rules for a template provider (7). */
import {
  BlockDecodeError,
  coinbaseMerklePath,
  isWitnessCommitment,
  parseTransaction,
  witnessCommitment
} from "@sluice/bitcoin"
import { Frame, TemplateDistribution } from "@sluice/protocol"
import { Effect, type Scope } from "effect"
import type { Peer } from "../peer.ts"
import { type Kit, type Rule, serverRule } from "../rule.ts"
import { expectThat, setUp } from "./setup-session.ts"
import { RuleBroken, RuleSkipped } from "../verdict.ts"

const {
  CoinbaseOutputConstraints,
  NewTemplate,
  RequestTransactionData,
  RequestTransactionDataError,
  RequestTransactionDataSuccess,
  SetNewPrevHash,
  SubmitSolution
} = TemplateDistribution

const rule = serverRule("template-distribution")

interface Tip {
  readonly peer: Peer
  readonly template: TemplateDistribution.NewTemplate
  readonly prevHash: TemplateDistribution.SetNewPrevHash
  /** All templates that came before it, in order. */
  readonly templates: ReadonlyArray<TemplateDistribution.NewTemplate>
}

const constrain = (size = 100): Uint8Array =>
  CoinbaseOutputConstraints.codec.encode(
    CoinbaseOutputConstraints.make({ coinbaseOutputMaxAdditionalSize: size, coinbaseOutputMaxAdditionalSigops: 0 })
  )

/** Waits for the next SetNewPrevHash; gives it with the template that it names and all templates before it. */
const nextTip = Effect.fnUntraced(function* (
  peer: Peer,
  known: ReadonlyArray<TemplateDistribution.NewTemplate> = []
): Effect.fn.Return<Tip, RuleBroken> {
  const templates = [...known]
  while (true) {
    const next = yield* peer.expect(NewTemplate, SetNewPrevHash)
    if (next._tag === "NewTemplate") {
      templates.push(next)
      continue
    }
    const template = templates.find(({ templateId }) => templateId === next.templateId)
    if (template !== undefined) return { peer, template, prevHash: next, templates }
    return yield* new RuleBroken({
      expected: "SetNewPrevHash for a template that was sent",
      came: `one for template ${next.templateId}; sent were ${templates.map(({ templateId }) => templateId).join(", ") || "none"}`
    })
  }
})

/** Connects and waits for the first template and previous hash. */
const firstTip = Effect.fnUntraced(function* (kit: Kit): Effect.fn.Return<Tip, RuleBroken, Scope.Scope> {
  const { peer } = yield* setUp(kit)
  yield* peer.send(constrain())
  return yield* nextTip(peer)
})

const request = (templateId: bigint): Uint8Array =>
  RequestTransactionData.codec.encode(RequestTransactionData.make({ templateId }))

/** Connects and requests the transactions of the first template. */
const firstData = Effect.fnUntraced(function* (kit: Kit) {
  const tip = yield* firstTip(kit)
  const { templateId } = tip.template
  yield* tip.peer.send(request(templateId))
  const data = yield* tip.peer.expect(RequestTransactionDataSuccess, RequestTransactionDataError)
  if (data._tag === "RequestTransactionData.Error") {
    return yield* new RuleBroken({
      expected: "RequestTransactionData.Success for the current template",
      came: `RequestTransactionData.Error "${data.errorCode}"`
    })
  }
  const transactions = yield* parsed(() => data.transactionList.map((bytes) => parseTransaction(bytes)), "transactions")
  return { ...tip, data, transactions }
})

const parsed = <A>(parse: () => A, what: string): Effect.Effect<A, RuleBroken> =>
  Effect.try({
    try: parse,
    catch: (error) => {
      if (!(error instanceof BlockDecodeError)) throw error
      return new RuleBroken({ expected: `${what} that can be read`, came: error.message })
    }
  })

/** Parses the outputs of a template, by putting them into a transaction. */
const outputsOf = ({ coinbaseTxOutputs, coinbaseTxOutputsCount }: TemplateDistribution.NewTemplate) =>
  parsed(() => {
    const before = [Uint8Array.of(2, 0, 0, 0, 1), new Uint8Array(36), Uint8Array.of(0, 255, 255, 255, 255)]
    const bytes = Buffer.concat([
      ...before,
      Uint8Array.of(coinbaseTxOutputsCount),
      coinbaseTxOutputs,
      new Uint8Array(4)
    ])
    return parseTransaction(new Uint8Array(bytes)).outputs
  }, `${coinbaseTxOutputsCount} outputs`)

const UNKNOWN_TEMPLATE = 0xfedcba9876543210n

export const templateRules: ReadonlyArray<Rule> = [
  rule(
    "templates.first",
    "7",
    "The server answers CoinbaseOutputConstraints with a template and a SetNewPrevHash that names it",
    (kit) => Effect.asVoid(firstTip(kit))
  ),

  rule(
    "templates.not-before-constraints",
    "7",
    "The server sends no template before CoinbaseOutputConstraints",
    (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* setUp(kit)
        yield* peer.expectNone(NewTemplate, SetNewPrevHash)
      })
  ),

  rule("templates.future", "7.3", "SetNewPrevHash names a template that was sent before as a future template", (kit) =>
    Effect.gen(function* () {
      const { template } = yield* firstTip(kit)
      yield* expectThat(
        template.futureTemplate,
        "future_template",
        `template ${template.templateId}, which is not a future template`
      )
    })
  ),

  rule("templates.increasing", "7.2", "Template ids are strictly increasing", (kit) =>
    Effect.gen(function* () {
      const { peer, templates } = yield* firstTip(kit)
      const ids = templates.map(({ templateId }) => templateId)
      // A changed size makes the server send another template.
      yield* peer.send(constrain(5_000))
      const more = yield* peer.maybe(NewTemplate)
      if (more !== undefined) ids.push(more.templateId)
      const increasing = ids.every((id, index) => index === 0 || id > ids[index - 1]!)
      yield* expectThat(increasing, "ids that increase", ids.join(", "))
    })
  ),

  rule("templates.prefix-size", "7.2", "coinbase_prefix has at most 8 bytes", (kit) =>
    Effect.gen(function* () {
      const { coinbasePrefix } = (yield* firstTip(kit)).template
      yield* expectThat(coinbasePrefix.length <= 8, "at most 8 bytes", `${coinbasePrefix.length}`)
    })
  ),

  rule(
    "templates.outputs",
    "7.2",
    "coinbase_tx_outputs has coinbase_tx_outputs_count outputs, without a count before them",
    (kit) =>
      Effect.gen(function* () {
        const { template } = yield* firstTip(kit)
        yield* outputsOf(template)
      })
  ),

  rule(
    "templates.witness-commitment",
    "7.2",
    "The outputs of a template with segwit transactions contain the witness commitment",
    (kit) =>
      Effect.gen(function* () {
        const { template, transactions } = yield* firstData(kit)
        if (transactions.every(({ witnesses }) => witnesses.length === 0)) {
          return yield* new RuleSkipped({ why: "the template has no segwit transactions" })
        }
        const outputs = yield* outputsOf(template)
        const script = outputs.findLast((output) => isWitnessCommitment(output.script))?.script
        const expected = hexOf(witnessCommitment(transactions.map(({ wtxid }) => wtxid)))
        const came = script === undefined ? "none" : hexOf(script.subarray(6, 38))
        yield* expectThat(came === expected, `the commitment ${expected}`, came)
      })
  ),

  rule("templates.merkle-path", "7.2", "merkle_path is computed from the transactions", (kit) =>
    Effect.gen(function* () {
      const { template, transactions } = yield* firstData(kit)
      const expected = coinbaseMerklePath(transactions.map(({ txid }) => txid)).map(hexOf)
      const came = template.merklePath.map(hexOf)
      const same = expected.join() === came.join()
      yield* expectThat(same, `path ${expected.join(" ") || "of nothing"}`, came.join(" ") || "an empty path")
    })
  ),

  rule("templates.target", "7.3", "The target of SetNewPrevHash is at most the target that nbits encodes", (kit) =>
    Effect.gen(function* () {
      const { nbits, target } = (yield* firstTip(kit)).prevHash
      const exponent = nbits >>> 24
      const mantissa = BigInt(nbits & 0x7fffff)
      const limit = exponent > 3 ? mantissa << BigInt(8 * (exponent - 3)) : mantissa >> BigInt(8 * (3 - exponent))
      const number = BigInt(`0x${hexOf(target.toReversed())}`)
      yield* expectThat(number > 0n && number <= limit, `1 to ${limit.toString(16)}`, number.toString(16))
    })
  ),

  rule("transactions.answer", "7.5", "RequestTransactionData.Success names the requested template", (kit) =>
    Effect.gen(function* () {
      const { data, template } = yield* firstData(kit)
      yield* expectThat(
        data.templateId === template.templateId,
        `template ${template.templateId}`,
        `${data.templateId}`
      )
    })
  ),

  rule(
    "transactions.unknown",
    "7.6",
    "A request for an unknown template gets RequestTransactionData.Error with its id",
    (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* firstTip(kit)
        yield* peer.send(request(UNKNOWN_TEMPLATE))
        const answer = yield* peer.expect(RequestTransactionDataError, RequestTransactionDataSuccess)
        yield* expectThat(answer._tag === "RequestTransactionData.Error", "RequestTransactionData.Error", answer._tag)
        yield* expectThat(
          answer.templateId === UNKNOWN_TEMPLATE,
          `template ${UNKNOWN_TEMPLATE}`,
          `${answer.templateId}`
        )
      })
  ),

  rule("frames.no-channel-bit", "3.2.1", "No message of Template Distribution has the channel bit", (kit) =>
    Effect.gen(function* () {
      const { peer } = yield* firstTip(kit)
      const wrong = peer.seen.filter(Frame.isChannelMessage).map(({ messageType }) => `0x${messageType.toString(16)}`)
      yield* expectThat(wrong.length === 0, "no channel bit", `one on ${wrong.join(", ")}`)
    })
  ),

  rule(
    "solutions.unknown-template",
    "7.7",
    "A solution for an unknown template does not stop the templates of other clients",
    (kit) =>
      Effect.gen(function* () {
        const { peer, prevHash, template } = yield* firstTip(kit)
        const solution = {
          templateId: UNKNOWN_TEMPLATE,
          version: template.version,
          headerTimestamp: prevHash.headerTimestamp,
          headerNonce: 0,
          coinbaseTx: new Uint8Array(100)
        }
        yield* peer.send(SubmitSolution.codec.encode(SubmitSolution.make(solution)))
        yield* firstTip(kit)
      })
  ),

  {
    ...rule(
      "templates.new-block",
      "7.3",
      "On a new block the server sends a future template first, then SetNewPrevHash for it",
      (kit) =>
        Effect.gen(function* () {
          const { newBlock } = kit
          if (newBlock === undefined) return yield* new RuleSkipped({ why: "there is no way to make a new block" })
          const first = yield* firstTip(kit)
          yield* newBlock
          const second = yield* nextTip(first.peer, first.templates)
          yield* expectThat(
            second.template.futureTemplate,
            "a future template",
            `template ${second.template.templateId}`
          )
          const isNew = second.template.templateId !== first.template.templateId
          yield* expectThat(isNew, "a new template", `template ${first.template.templateId} again`)
          const changed = Buffer.compare(second.prevHash.prevHash, first.prevHash.prevHash) !== 0
          yield* expectThat(changed, "another prev_hash", "the same")
        })
    ),
    alone: true
  }
]

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
