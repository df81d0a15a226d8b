import { assert, describe, it } from "@effect/vitest"
import { sha256 } from "@noble/hashes/sha2.js"
import type { BlockTemplate } from "@sluice/node"
import { Frame, TemplateDistribution } from "@sluice/protocol"
import { hex } from "@scure/base"
import { RawTx, Script, Transaction } from "@scure/btc-signer"
import { Schema, Result } from "effect"
import { reservedWeight } from "../src/coinbase-constraints.ts"
import {
  type Answered,
  type CoinbaseConstraints,
  fitsBlock,
  TemplateMachine,
  type TemplateMachineOptions,
  TemplateProtocolError
} from "../src/index.ts"
import { coinbaseFor } from "@sluice/testing/solution"
import { RECORDED, SUBSIDY, templateAt, templateOf } from "./templates.ts"

const NOW = 1_700_000_000_000

const options: TemplateMachineOptions = {
  firstTemplateId: 5_000n,
  feeDelta: 1_000n,
  intervalMs: 30_000,
  renewAfterMs: 300_000,
  emptyTemplates: false,
  maxRetained: 4,
  maxRetainedBytes: 1_000_000
}

const constraints = (size = 0, sigops = 0): CoinbaseConstraints => ({
  coinbaseOutputMaxAdditionalSize: size,
  coinbaseOutputMaxAdditionalSigops: sigops
})

const machineWith = (template?: BlockTemplate, changes: Partial<TemplateMachineOptions> = {}) => {
  const machine = new TemplateMachine<string>({ ...options, ...changes })
  if (template !== undefined) machine.onAnswer(template, machine.beginRequest(), NOW)
  return machine
}

/** As the client reads them. */
const decode = (messages: ReadonlyArray<TemplateDistribution.ToClient>) => {
  const { toClient } = TemplateDistribution.protocol
  return messages.map((message) => toClient.decode(Frame.read(toClient.encode(message))!)!)
}

const received = (answered: Answered<string>, client: string) =>
  decode(answered.deliveries.find((delivery) => delivery.client === client)?.messages ?? [])

const requested = (machine: TemplateMachine<string>, templateId: bigint) => decode([machine.onRequest(templateId)])[0]!

const newTemplate = (message: TemplateDistribution.ToClient | undefined): TemplateDistribution.NewTemplate => {
  assert.strictEqual(message?._tag, "NewTemplate")
  return message as TemplateDistribution.NewTemplate
}

const sha256d = (...bytes: ReadonlyArray<Uint8Array>) => sha256(sha256(new Uint8Array(Buffer.concat(bytes))))

const internal = (display: string) => hex.decode(display).toReversed()

/** The merkle root as one writes it on a page. */
const referenceRoot = (hashes: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (hashes.length === 1) return hashes[0]!
  const parents: Array<Uint8Array> = []
  for (let index = 0; index < hashes.length; index += 2) {
    parents.push(sha256d(hashes[index]!, hashes[index + 1] ?? hashes[index]!))
  }
  return referenceRoot(parents)
}

const solve = (template: TemplateDistribution.NewTemplate, coinbaseTx = coinbaseFor(template), headerNonce = 0) =>
  TemplateDistribution.SubmitSolution.make({
    templateId: template.templateId,
    version: template.version,
    headerTimestamp: RECORDED.curtime,
    headerNonce,
    coinbaseTx
  })

describe("a template", () => {
  it("has the node's values, in the protocol's types", () => {
    const machine = machineWith(RECORDED)
    const [template, prevHash] = decode(Result.getOrThrow(machine.onConstraints("a", constraints(), NOW)))
    assert.deepStrictEqual(
      { ...newTemplate(template), merklePath: [] },
      {
        _tag: "NewTemplate",
        templateId: 5_000n,
        futureTemplate: true,
        version: 0x20000000,
        coinbaseTxVersion: 2,
        coinbasePrefix: hex.decode("03c94325"),
        coinbaseTxInputSequence: 0xfffffffe,
        coinbaseTxValueRemaining: 2_465_717n,
        coinbaseTxOutputsCount: 1,
        coinbaseTxOutputs: hex.decode(
          "0000000000000000266a24aa21a9edbd3d1d916aa0b57326a2d88ebe1b68a1d7c48585f26d8335fe6a94b62755f64c"
        ),
        coinbaseTxLocktime: 2_442_184,
        merklePath: []
      }
    )
    assert.deepStrictEqual(prevHash, {
      _tag: "SetNewPrevHash",
      templateId: 5_000n,
      prevHash: internal("00000000000000022246451e9af7ac4f8bff2527d223f6e623740e92171592f2"),
      headerTimestamp: 1_689_514_989,
      nbits: 0x192495f8,
      target: internal("000000000000002495f800000000000000000000000000000000000000000000")
    })
  })

  it("has a height that a library reads from the coinbase prefix", () => {
    for (const height of [1, 16, 17, 128, 840_000]) {
      const machine = machineWith(templateAt(height))
      const [template] = decode(Result.getOrThrow(machine.onConstraints("a", constraints(), NOW)))
      const [first] = Script.decode(newTemplate(template).coinbasePrefix)
      const number =
        typeof first === "number" ? first : Number(BigInt(`0x${hex.encode((first as Uint8Array).toReversed())}`))
      assert.strictEqual(number, height)
    }
  })

  it("has the node's own witness commitment even if the node does not give it", () => {
    const { default_witness_commitment: commitment, ...template } = RECORDED
    const machine = machineWith(template)
    const [message] = decode(Result.getOrThrow(machine.onConstraints("a", constraints(), NOW)))
    assert.strictEqual(hex.encode(newTemplate(message).coinbaseTxOutputs.subarray(9)), commitment)
  })

  it("starts the header's time at the node's present clock, and never below the median time past", () => {
    const late = machineWith(RECORDED)
    const [, prevHash] = decode(Result.getOrThrow(late.onConstraints("a", constraints(), NOW + 9_999)))
    assert.strictEqual((prevHash as TemplateDistribution.SetNewPrevHash).headerTimestamp, RECORDED.curtime + 9)
    const early = machineWith({ ...RECORDED, mintime: RECORDED.curtime + 60 })
    const [, least] = decode(Result.getOrThrow(early.onConstraints("a", constraints(), NOW)))
    assert.strictEqual((least as TemplateDistribution.SetNewPrevHash).headerTimestamp, RECORDED.curtime + 60)
  })
})

describe("a new block", () => {
  it("gives every client a future template and then the SetNewPrevHash that names it", () => {
    const machine = machineWith()
    assert.deepStrictEqual(
      Result.getOrThrow(machine.onConstraints("early", constraints(), NOW)),
      [],
      "the node has not answered yet"
    )
    const first = machine.onAnswer(templateAt(100), machine.beginRequest(), NOW)
    assert.strictEqual(first.change, "tip")
    assert.deepStrictEqual(
      received(first, "early").map(({ _tag }) => _tag),
      ["NewTemplate", "SetNewPrevHash"]
    )

    const [joined] = decode(Result.getOrThrow(machine.onConstraints("late", constraints(), NOW)))
    assert.strictEqual(newTemplate(joined).templateId, 5_000n, "equal constraints share a template")
    const second = machine.onAnswer(templateAt(101), machine.beginRequest(), NOW)
    for (const client of ["early", "late"]) {
      const [template, prevHash] = received(second, client)
      assert.isTrue(newTemplate(template).futureTemplate)
      assert.strictEqual(newTemplate(template).templateId, 5_001n)
      assert.strictEqual((prevHash as TemplateDistribution.SetNewPrevHash).templateId, 5_001n)
    }
    assert.strictEqual(second.deliveries[0]!.messages[0], second.deliveries[1]!.messages[0], "encoded once")
  })

  it("is also assumed when only the bits change, as on a test network after twenty minutes", () => {
    const machine = machineWith(templateAt(100))
    const { change } = machine.onAnswer(templateAt(100, { bits: "1d00ffff" }), machine.beginRequest(), NOW)
    assert.strictEqual(change, "tip")
  })

  it("is not undone by an answer to an earlier request", () => {
    const machine = machineWith(templateAt(100))
    const [slow, fast] = [machine.beginRequest(), machine.beginRequest()]
    assert.strictEqual(machine.onAnswer(templateAt(101), fast, NOW).change, "tip")
    assert.strictEqual(machine.onAnswer(templateAt(100), slow, NOW).change, "outdated")
    assert.strictEqual(machine.current?.height, 101)
  })

  it("may be lower or at the same height if the node confirms it", () => {
    const machine = machineWith(templateAt(100))
    const other = { previousblockhash: "ab".repeat(32) }
    assert.strictEqual(machine.onAnswer(templateAt(100, other), machine.beginRequest(), NOW).change, "tip")
    assert.strictEqual(machine.onAnswer(templateAt(99), machine.beginRequest(), NOW).change, "tip")
  })

  it("in the answer to an earlier request counts if it is higher", () => {
    const machine = machineWith(templateAt(100))
    const longPoll = machine.beginRequest()
    machine.onAnswer(templateAt(101), machine.beginRequest(), NOW)
    assert.strictEqual(machine.onAnswer(templateAt(102), longPoll, NOW).change, "tip")
  })
})

describe("better fees", () => {
  const withValue = (gain: number) => templateAt(100, { coinbasevalue: RECORDED.coinbasevalue + gain })

  const after = (ms: number, template: BlockTemplate) => {
    const machine = machineWith(templateAt(100))
    Result.getOrThrow(machine.onConstraints("a", constraints(), NOW))
    return machine.onAnswer(template, machine.beginRequest(), NOW + ms)
  }

  it("give a template to work on at once when they gain more than the delta", () => {
    const answered = after(30_000, withValue(1_001))
    assert.strictEqual(answered.change, "fees")
    const [template, ...others] = received(answered, "a")
    assert.deepStrictEqual(others, [])
    assert.isFalse(newTemplate(template).futureTemplate)
    assert.strictEqual(newTemplate(template).templateId, 5_001n)
    assert.strictEqual(newTemplate(template).coinbaseTxValueRemaining, 2_466_718n)
  })

  it("wait for the delta and for the interval", () => {
    assert.strictEqual(after(30_000, withValue(1_000)).change, "none")
    assert.strictEqual(after(29_999, withValue(1_001)).change, "none")
    assert.strictEqual(after(299_999, withValue(-500)).change, "none")
  })

  it("are not needed to replace an old template that has changed", () => {
    assert.strictEqual(after(300_000, withValue(-500)).change, "fees")
    assert.strictEqual(after(300_000, templateAt(100)).change, "none")
  })
})

describe("a node that was away", () => {
  const others = { transactions: RECORDED.transactions.slice(0, -1) }

  it("may have lost transactions: its template is sent at once, also with lower fees", () => {
    const machine = machineWith(templateAt(100))
    Result.getOrThrow(machine.onConstraints("a", constraints(), NOW))
    const fewer = templateAt(100, { ...others, coinbasevalue: RECORDED.coinbasevalue - 500 })
    const answer = (template: BlockTemplate) => machine.onAnswer(template, machine.beginRequest(), NOW + 1)
    assert.strictEqual(answer(fewer).change, "none")
    machine.onAway()
    const answered = answer(fewer)
    assert.strictEqual(answered.change, "fees")
    assert.strictEqual(newTemplate(received(answered, "a")[0]).coinbaseTxValueRemaining, 2_465_717n - 500n)
    assert.strictEqual(answer(templateAt(100)).change, "none", "once")
  })

  it("causes no message to clients if its template is the same", () => {
    const machine = machineWith(templateAt(100))
    machine.onAway()
    assert.strictEqual(machine.onAnswer(templateAt(100), machine.beginRequest(), NOW).change, "none")
  })
})

describe("a template held ahead", () => {
  /** Above the first halvings, at the recorded subsidy. */
  const HEIGHT = 2_400_000

  it("is sent again behind every fourth template, because a miner may hold only the last few jobs", () => {
    const machine = machineWith(templateAt(HEIGHT), { emptyTemplates: true, intervalMs: 0 })
    Result.getOrThrow(machine.onConstraints("a", constraints(), NOW))
    const ahead = () => decode([machine.ahead("a")].filter((message) => message !== undefined)).map(newTemplate)
    const [held] = ahead()
    const better = (round: number) =>
      templateAt(HEIGHT, { coinbasevalue: RECORDED.coinbasevalue + round * 2_000, longpollid: `${round}` })
    const renewed: Array<number> = []
    let newest = held!
    for (let round = 1; round <= 9; round++) {
      assert.strictEqual(machine.onAnswer(better(round), machine.beginRequest(), NOW).change, "fees")
      const [again] = ahead()
      if (again === undefined) continue
      renewed.push(round)
      assert.deepStrictEqual({ ...again, templateId: 0n }, { ...held!, templateId: 0n })
      assert.isTrue(again.templateId > newest.templateId)
      newest = again
    }
    assert.deepStrictEqual(renewed, [4, 8])
    // The block that is announced names the newest one.
    const { bits, height, mintime, previousblockhash } = templateAt(HEIGHT)
    const header = { hash: "aa".repeat(32), previousblockhash, height, bits, mediantime: mintime, confirmations: 1 }
    const [prevHash] = received(machine.onHeader(header, NOW), "a")
    assert.strictEqual(prevHash?._tag === "SetNewPrevHash" && prevHash.templateId, newest.templateId)
  })
})

describe("room for the coinbase", () => {
  it("is the sum of section 7.1, and at least Bitcoin Core's minimum", () => {
    assert.strictEqual(reservedWeight(constraints(0)), 2_000)
    assert.strictEqual(reservedWeight(constraints(208)), 2_000)
    assert.strictEqual(reservedWeight(constraints(209)), 1_168 + 836)
    assert.isTrue(fitsBlock(constraints(999_708), { weight: 4_000_000, sigops: 80_000 }))
    assert.isFalse(fitsBlock(constraints(999_709), { weight: 4_000_000, sigops: 80_000 }))
  })

  it("leaves out transactions from the end, with their fees and their place in tree and commitment", () => {
    const { transactions } = RECORDED
    const total = transactions.reduce((sum, { weight }) => sum + weight, 0)
    for (let kept = 0; kept <= transactions.length; kept++) {
      const left = transactions.slice(0, kept)
      const weight = left.reduce((sum, transaction) => sum + transaction.weight, 0)
      const template = { ...templateOf(transactions), weightlimit: 2_000 + weight }
      const machine = machineWith(template)
      const [message] = decode(Result.getOrThrow(machine.onConstraints("a", constraints(), NOW)))
      const { coinbaseTxOutputs, coinbaseTxValueRemaining, merklePath } = newTemplate(message)
      assert.strictEqual(coinbaseTxValueRemaining, BigInt(SUBSIDY + left.reduce((sum, { fee }) => sum + fee, 0)))
      const coinbase = sha256(new Uint8Array([kept]))
      const root = merklePath.reduce((hash, node) => sha256d(hash, node), coinbase)
      assert.deepStrictEqual(root, referenceRoot([coinbase, ...left.map(({ txid }) => internal(txid))]))
      const zero = new Uint8Array(32)
      const witnessRoot = referenceRoot([zero, ...left.map(({ hash }) => internal(hash))])
      assert.deepStrictEqual(coinbaseTxOutputs.subarray(-32), sha256d(witnessRoot, zero))
      assert.isAtMost(weight, total)
    }
  })

  it("is kept in signature operations too", () => {
    const template = { ...templateOf(RECORDED.transactions), sigoplimit: 16 }
    const machine = machineWith(template)
    const count = (sigops: number, client: string) => {
      const [message] = decode(Result.getOrThrow(machine.onConstraints(client, constraints(0, sigops), NOW)))
      const answer = requested(machine, newTemplate(message).templateId)
      return (answer as TemplateDistribution.RequestTransactionDataSuccess).transactionList.length
    }
    // The transactions have 1, 12, 1, 1 and 8.
    assert.deepStrictEqual(
      [0, 1, 2, 3, 4, 15, 16].map((sigops) => count(sigops, `client ${sigops}`)),
      [4, 4, 3, 2, 1, 1, 0]
    )
  })

  it("makes one template for all clients that need the same room, and others for other needs", () => {
    const machine = machineWith({ ...RECORDED, weightlimit: 6_500 })
    const ids = [0, 100, 400, 208].map((size) => {
      const [message] = decode(Result.getOrThrow(machine.onConstraints(`client ${size}`, constraints(size), NOW)))
      return newTemplate(message).templateId
    })
    assert.deepStrictEqual(ids, [5_000n, 5_000n, 5_001n, 5_000n])
  })

  it("is refused if no block has that much", () => {
    const machine = machineWith(RECORDED)
    for (const impossible of [constraints(1_000_000), constraints(0xffffffff)]) {
      assert.throws(
        () => Result.getOrThrow(machine.onConstraints("a", impossible, NOW)),
        TemplateProtocolError,
        /4000000 weight units/
      )
    }
    assert.throws(
      () => Result.getOrThrow(machineWith().onConstraints("a", constraints(0xffffffff), NOW)),
      TemplateProtocolError
    )
  })

  it("can be changed, and the numbers still only grow", () => {
    const machine = machineWith({ ...RECORDED, weightlimit: 6_500 })
    const ids = [0, 400, 0, 400].map((size) => {
      const [template, prevHash] = decode(Result.getOrThrow(machine.onConstraints("a", constraints(size), NOW)))
      assert.strictEqual(prevHash?._tag, "SetNewPrevHash")
      return newTemplate(template).templateId
    })
    assert.deepStrictEqual(ids, [5_000n, 5_001n, 5_002n, 5_003n])
    assert.deepStrictEqual(
      Result.getOrThrow(machine.onConstraints("a", constraints(400), NOW)),
      [],
      "the same once more is no change"
    )
  })
})

describe("RequestTransactionData", () => {
  it("is answered with the transactions, witness and all, and the commitment", () => {
    const machine = machineWith(RECORDED)
    Result.getOrThrow(machine.onConstraints("a", constraints(), NOW))
    const answer = requested(machine, 5_000n) as TemplateDistribution.RequestTransactionDataSuccess
    assert.strictEqual(answer._tag, "RequestTransactionData.Success")
    assert.deepStrictEqual(
      answer.transactionList.map(hex.encode),
      RECORDED.transactions.map(({ data }) => data)
    )
    const ids = answer.transactionList.map(
      (bytes) => Transaction.fromRaw(bytes, { allowUnknownInputs: true, allowUnknownOutputs: true }).id
    )
    assert.deepStrictEqual(
      ids,
      RECORDED.transactions.map(({ txid }) => txid)
    )
    assert.strictEqual(hex.encode(answer.excessData), RECORDED.default_witness_commitment!.slice(12))
  })

  it("is answered with an error for a template of an earlier block and for an unknown one", () => {
    const machine = machineWith(templateAt(100))
    Result.getOrThrow(machine.onConstraints("a", constraints(), NOW))
    machine.onAnswer(templateAt(101), machine.beginRequest(), NOW)
    const code = (id: bigint) => (requested(machine, id) as TemplateDistribution.RequestTransactionDataError).errorCode
    assert.strictEqual(code(5_000n), "stale-template-id")
    assert.strictEqual(requested(machine, 5_001n)._tag, "RequestTransactionData.Success")
    assert.strictEqual(code(5_002n), "template-id-not-found")
    assert.strictEqual(code(4_999n), "template-id-not-found")
    for (let height = 102; height < 120; height++) machine.onAnswer(templateAt(height), machine.beginRequest(), NOW)
    assert.strictEqual(code(5_001n), "stale-template-id", "also when it is forgotten")
  })
})

describe("a solution", () => {
  /** Tries nonces until the machine takes one: every second does. */
  const firstBlock = (machine: TemplateMachine<string>, template: TemplateDistribution.NewTemplate) => {
    for (let nonce = 0; nonce < 200; nonce++) {
      const solution = solve(template, coinbaseFor(template), nonce)
      const outcome = machine.onSolution(solution)
      if (outcome._tag === "Block") return { outcome, solution }
    }
    return assert.fail("no nonce in 200")
  }

  it("makes a block that a library reads back, with the right root, commitment and hash", () => {
    const template = { ...templateAt(100), weightlimit: 5_800 }
    const machine = machineWith(template)
    const [message] = decode(Result.getOrThrow(machine.onConstraints("a", constraints(400), NOW)))
    const { outcome, solution } = firstBlock(machine, newTemplate(message))
    const block = hex.decode(outcome.block)
    const header = block.subarray(0, 80)
    assert.strictEqual(hex.encode(sha256d(header).toReversed()), outcome.hash)
    assert.strictEqual(outcome.height, 100)
    assert.deepStrictEqual(header.subarray(4, 36), internal(template.previousblockhash))
    const transactions = [hex.encode(solution.coinbaseTx), ...template.transactions.slice(0, 3).map(({ data }) => data)]
    assert.strictEqual(hex.encode(block.subarray(80)), `04${transactions.join("")}`)
    const parsed = transactions.map((data) =>
      Transaction.fromRaw(hex.decode(data), {
        allowUnknownInputs: true,
        allowUnknownOutputs: true,
        disableScriptCheck: true
      })
    )
    assert.deepStrictEqual(header.subarray(36, 68), referenceRoot(parsed.map(({ id }) => internal(id))))
    const witnessRoot = referenceRoot([
      new Uint8Array(32),
      ...transactions.slice(1).map((data) => sha256d(hex.decode(data)))
    ])
    const commitment = sha256d(witnessRoot, new Uint8Array(32))
    assert.deepStrictEqual(RawTx.decode(solution.coinbaseTx).outputs.at(-1)!.script.subarray(6), commitment)
  })

  it("is given out once at a tip", () => {
    const machine = machineWith(templateAt(100))
    const [message] = decode(Result.getOrThrow(machine.onConstraints("a", constraints(), NOW)))
    const { outcome, solution } = firstBlock(machine, newTemplate(message))
    assert.deepStrictEqual(machine.onSolution(solution), {
      _tag: "Refused",
      reason: { _tag: "Repeated", hash: outcome.hash }
    })
    machine.onAnswer(templateAt(101), machine.beginRequest(), NOW)
    assert.strictEqual(machine.onSolution(solution)._tag, "Block", "a node may have lost it")
  })

  it("makes a block also for a template of an earlier block, as long as that is kept", () => {
    const machine = machineWith(templateAt(100))
    const [message] = decode(Result.getOrThrow(machine.onConstraints("a", constraints(), NOW)))
    for (let height = 101; height < 104; height++) machine.onAnswer(templateAt(height), machine.beginRequest(), NOW)
    assert.strictEqual(firstBlock(machine, newTemplate(message)).outcome.height, 100)
    machine.onAnswer(templateAt(104), machine.beginRequest(), NOW)
    assert.deepStrictEqual(machine.onSolution(solve(newTemplate(message))), {
      _tag: "Refused",
      reason: { _tag: "UnknownTemplate" }
    })
  })

  it("that misses the target is refused, with its hash", () => {
    const machine = machineWith(RECORDED)
    const [message] = decode(Result.getOrThrow(machine.onConstraints("a", constraints(), NOW)))
    const outcome = machine.onSolution(solve(newTemplate(message)))
    assert.strictEqual(outcome._tag === "Refused" && outcome.reason._tag, "HighHash")
  })

  it("without its witness gets one", () => {
    const machine = machineWith(templateAt(100))
    const [message] = decode(Result.getOrThrow(machine.onConstraints("a", constraints(), NOW)))
    const whole = coinbaseFor(newTemplate(message))
    const stripped = RawTx.encode({ ...RawTx.decode(whole), segwitFlag: false, witnesses: [] })
    for (let nonce = 0; nonce < 200; nonce++) {
      const outcome = machine.onSolution(solve(newTemplate(message), stripped, nonce))
      if (outcome._tag === "Block") return assert.include(outcome.block, hex.encode(whole))
    }
    assert.fail("no nonce in 200")
  })

  it.prop("with any bytes as a coinbase is refused with a typed reason", [Schema.Uint8Array], ([bytes]) => {
    const machine = machineWith(RECORDED)
    const [message] = decode(Result.getOrThrow(machine.onConstraints("a", constraints(), NOW)))
    const outcome = machine.onSolution(solve(newTemplate(message), bytes))
    assert.include(["BadCoinbase", "HighHash"], outcome._tag === "Refused" ? outcome.reason._tag : "Block")
  })
})

describe("memory", () => {
  it("holds no more answers of the node than it may, by number and by bytes", () => {
    const machine = machineWith(templateAt(1))
    for (let height = 2; height < 40; height++) machine.onAnswer(templateAt(height), machine.beginRequest(), NOW)
    assert.strictEqual(machine.retainedCount, 4)
    const tight = machineWith(templateAt(1), { maxRetainedBytes: 1 })
    Result.getOrThrow(tight.onConstraints("a", constraints(), NOW))
    const answered = tight.onAnswer(templateAt(2), tight.beginRequest(), NOW)
    assert.strictEqual(tight.retainedCount, 1, "the current one stays whatever its size")
    assert.strictEqual(received(answered, "a").length, 2)
  })

  it("is shared by answers that have the same transactions, without a change to their templates", () => {
    // Each answer has strings and objects of its own, as JSON.parse makes them.
    const parsed = (template: BlockTemplate) => JSON.parse(JSON.stringify(template)) as BlockTemplate
    const transactionsOf = (machine: TemplateMachine<string>) => machine.current!.source.transactions
    const machine = machineWith(parsed(templateAt(100)))
    machine.compact()
    const before = [...transactionsOf(machine)]
    const [first, second, ...rest] = before
    // At another height, in another order, one of them with a parent, and one that lies about its data.
    const changed = [second!, { ...first!, depends: [1] }, ...rest.slice(1), { ...rest[0]!, data: "00" }]
    machine.onAnswer(parsed(templateAt(101, { transactions: changed })), machine.beginRequest(), NOW)
    const merklePath = machine.current!.work(0).merklePath
    machine.compact()
    const after = transactionsOf(machine)
    assert.deepStrictEqual(after, changed)
    assert.strictEqual(after[0], before[1], "the same object")
    assert.notStrictEqual(after[1], before[0])
    assert.deepStrictEqual(machine.current!.work(0).merklePath, merklePath)
  })

  it("no longer holds a client that has disconnected", () => {
    const machine = machineWith(templateAt(1))
    Result.getOrThrow(machine.onConstraints("a", constraints(), NOW))
    machine.remove("a", NOW)
    assert.strictEqual(machine.clientCount, 0)
    assert.deepStrictEqual(machine.onAnswer(templateAt(2), machine.beginRequest(), NOW).deliveries, [])
  })
})
