import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { createHash } from "node:crypto"
import {
  BlockTemplate,
  decodeBlockTemplate,
  readTemplateAnswer,
  type TemplateTransaction,
  transactionsOf,
  withoutTransactions
} from "../src/index.ts"
import { DevNode } from "@sluice/dev-node"

const digits = (seed: number, count: number): string => {
  let text = ""
  for (let i = 0; text.length < count; i++) text += createHash("sha512").update(`${seed} ${i}`).digest("hex")
  return text.slice(0, count)
}

/** A transaction whose data has so many digits, in the order in which Bitcoin Core writes its fields. */
const transaction = (seed: number, length = 2 * (60 + (seed % 300))): TemplateTransaction => ({
  data: digits(seed, length),
  txid: digits(seed + 0.25, 64),
  hash: digits(seed + 0.5, 64),
  depends: seed % 3 === 2 ? [1, seed % 2] : [],
  fee: 1_000 + seed,
  sigops: seed % 5,
  weight: 400 + seed
})

const template = (transactions: ReadonlyArray<unknown>) => ({
  version: 0x20000000,
  rules: ["csv", "!segwit", "{täproot}"],
  vbavailable: {},
  vbrequired: 0,
  previousblockhash: digits(-1, 64),
  transactions,
  coinbaseaux: { '{"data":"': digits(-2, 80) },
  coinbasevalue: 312_500_000,
  longpollid: `${digits(-3, 64)}17`,
  target: digits(-4, 64),
  mintime: 1_700_000_000,
  mutable: ["time", "transactions", "prevblock"],
  noncerange: "00000000ffffffff",
  sigoplimit: 80_000,
  sizelimit: 4_000_000,
  weightlimit: 4_000_000,
  curtime: 1_700_000_100,
  bits: "17034219",
  height: 850_000,
  default_witness_commitment: `6a24aa21a9ed${digits(-5, 64)}`
})

const answerOf = (result: unknown): string => JSON.stringify({ result, error: null, id: 7 })
const read = (text: string) => readTemplateAnswer(Buffer.from(text), 7)

/** What JSON and the Schema make of the answer. */
const plain = Option.liftThrowable((text: string) =>
  decodeBlockTemplate((JSON.parse(text) as { result: unknown }).result)
)

describe("a template read from an answer's text", () => {
  it("equals the one that JSON and the Schema read", () => {
    for (const count of [1, 2, 3, 50]) {
      const text = answerOf(template(Array.from({ length: count }, (_, seed) => transaction(seed))))
      const found = read(text)!
      assert.deepStrictEqual(JSON.parse(JSON.stringify(found)), JSON.parse(text).result)
      assert.deepStrictEqual({ ...found }, Option.getOrThrow(plain(text)))
    }
  })

  it.prop("whatever its other fields are", [BlockTemplate], ([head]) => {
    const text = answerOf({ ...head, transactions: [transaction(1), transaction(2)] })
    assert.deepStrictEqual({ ...read(text)! }, Option.getOrThrow(plain(text)))
  })

  it("is right with data of every length at every offset", () => {
    for (let length = 0; length < 200; length++) {
      const transactions = [transaction(1, length), transaction(2, 200 - length), transaction(3, 7)]
      const result = template(transactions)
      assert.deepStrictEqual(read(answerOf({ pad: " ".repeat(length % 17), ...result }))?.transactions, transactions)
    }
  })

  it("has costs, digits and merkle path before its transactions are made, and the same ones after", () => {
    const transactions = Array.from({ length: 21 }, (_, seed) => transaction(seed))
    const found = read(answerOf(template(transactions)))!
    const expected = transactionsOf(template(transactions) as BlockTemplate)
    const list = transactionsOf(found)
    assert.strictEqual(list.digits, expected.digits)
    assert.deepStrictEqual(list.merklePath(), expected.merklePath())
    assert.deepStrictEqual(
      list.costs.map(({ depends, fee, sigops, weight }) => ({ depends, fee, sigops, weight })),
      transactions.map(({ depends, fee, sigops, weight }) => ({ depends, fee, sigops, weight }))
    )
    assert.deepStrictEqual(withoutTransactions(found), { ...found, transactions: [] })
    assert.strictEqual(found.transactions, list.all())
    assert.strictEqual(found.transactions, list.costs)
    assert.deepStrictEqual(list.merklePath(), expected.merklePath())
  })

  it("is undefined for another request's answer, and for an error", () => {
    const result = template([transaction(1)])
    assert.isDefined(read(JSON.stringify({ jsonrpc: "2.0", result, id: 7 })))
    assert.isUndefined(read(JSON.stringify({ result, error: null, id: 8 })))
    assert.isUndefined(read(JSON.stringify({ result, error: null })))
    assert.isUndefined(read(JSON.stringify({ result, error: { code: -9, message: "" }, id: 7 })))
  })

  it("is undefined if the node writes in another form than Bitcoin Core", () => {
    const right = transaction(1)
    const { data, hash, txid, ...costs } = right
    const each = (value: unknown) => answerOf(template([right, value]))
    const ways = [
      JSON.stringify(JSON.parse(each(right)), undefined, 1),
      each({ txid, hash, data, ...costs }),
      each({ data, hash, txid, ...costs }),
      each({ data: data.toUpperCase(), txid, hash, ...costs }),
      each({ data, txid: txid.toUpperCase(), hash, ...costs }),
      each({ data, txid, hash: `é${hash.slice(2)}`, ...costs }),
      each(right).replace('"data"', '"d\\u0061ta"'),
      answerOf(template([]))
    ]
    for (const text of ways) assert.isUndefined(read(text), text.slice(0, 80))
  })

  it("is refused if a field stands twice or is wrong", () => {
    const right = transaction(1)
    const texts = [
      ...["data", "txid", "hash"].map((key) =>
        answerOf(template([right])).replace('"depends"', `"${key}":"00","depends"`)
      ),
      ...Object.entries({ depends: ["1"], fee: 0.5, sigops: null, weight: "400" }).map(([key, value]) =>
        answerOf(template([right, { ...right, [key]: value }]))
      ),
      answerOf({ ...template([right]), height: "850000" }),
      answerOf({ ...template([right]), bits: undefined }),
      answerOf({ ...template([right]), other: right }),
      answerOf(template([right, { ...right, hash: right.hash.slice(1) }])),
      answerOf(template([{ ...right, data: `${right.data}"` }])),
      answerOf(template([{ ...right, data: `${right.data}\\` }])),
      answerOf(right),
      answerOf([right]),
      answerOf({ transactions: right })
    ]
    for (const text of texts) assert.isUndefined(read(text), text.slice(0, 80))
  })

  it("agrees with JSON when any byte of the text is changed, missing or doubled", () => {
    const text = answerOf(template([transaction(1, 10), transaction(2, 66)]))
    const [from, to] = [text.indexOf('"transactions"'), text.indexOf('"coinbaseaux"')]
    const replacements = [
      "",
      '"',
      "\\",
      "{",
      "}",
      ",",
      ":",
      "0",
      "g",
      "\n",
      "\0",
      '"data":"',
      '{"data":"',
      '","txid":"',
      "é"
    ]
    let [same, slow] = [0, 0]
    for (let at = from; at < to; at++) {
      for (const replacement of [...replacements, text[at]!.repeat(2)]) {
        const changed = text.slice(0, at) + replacement + text.slice(at + 1)
        const found = read(changed)
        if (found === undefined) slow++
        else {
          same++
          assert.deepStrictEqual({ ...found }, Option.getOrUndefined(plain(changed)), `${replacement} at ${at}`)
        }
      }
    }
    assert.isAbove(same, 500)
    assert.isAbove(slow, 500)
  })

  it.effect("is read from the answer of the development node", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      yield* node.addMadeUpTransactions(40)
      const text = answerOf(yield* node.getBlockTemplate())
      const found = read(text)!
      assert.strictEqual(found.transactions.length, 40)
      assert.deepStrictEqual({ ...found }, Option.getOrThrow(plain(text)))
    }).pipe(Effect.provide(DevNode.layerInMemory({ transactionsPerSecond: 0 })))
  )
})
