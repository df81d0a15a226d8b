/** The client's end of one connection, message by message: tokens, declarations, and the limits that servers meet. */
import { compactSize, type Output, serializeOutputs } from "@sluice/bitcoin"
import type { JobDeclaration } from "@sluice/protocol"
import { assert, describe, it } from "vitest"
import {
  DeclarationClient,
  type DeclarationClientOptions,
  type DeclarationClientEvent,
  type DeclarationFault
} from "../../src/index.ts"

const script = (fill: number): Uint8Array => Uint8Array.of(0, 20, ...new Uint8Array(20).fill(fill))
const counted = (...outputs: ReadonlyArray<Output>): Uint8Array =>
  new Uint8Array(Buffer.concat([compactSize(outputs.length), serializeOutputs(outputs)]))
const PAYOUT = counted({ value: 0n, script: script(1) })

/** A client, and a server that a test plays. */
const connect = (options: Partial<DeclarationClientOptions> = {}) => {
  const client = new DeclarationClient({ mode: "full-template", userIdentifier: "farm", ...options }, 0)
  const sent: Array<JobDeclaration.ToServer> = []
  const take = () => {
    sent.push(...client.takeMessages())
    return sent
  }
  const say = (message: JobDeclaration.ToClient, now = 0) => client.receive([message], now)
  const allocate = (fields: Partial<JobDeclaration.AllocateMiningJobTokenSuccess> = {}, now = 0) => {
    const request = take().find(
      (message) => message._tag === "AllocateMiningJobToken" && !answered.has(message.requestId)
    )
    const requestId = (request as JobDeclaration.AllocateMiningJobToken).requestId
    answered.add(requestId)
    const token = { miningJobToken: Uint8Array.of(requestId), coinbaseTxOutputs: PAYOUT }
    return say({ _tag: "AllocateMiningJobToken.Success", requestId, ...token, ...fields }, now)
  }
  const answered = new Set<number>()
  /** Declares a job of so many transactions. */
  const declare = (count = 3, now = 0) => {
    const transactions = Array.from({ length: count }, (_, index) => Uint8Array.of(index))
    const wtxids = transactions.map(([fill]) => new Uint8Array(32).fill(fill!))
    const fields = { version: 1, coinbasePrefix: script(2), coinbaseSuffix: script(3), excessData: new Uint8Array(0) }
    return client.declare({ token: client.takeToken(now)!, transactions, wtxids, ...fields }, now)
  }
  return { client, take, say, allocate, declare }
}

const faultOf = (events: ReadonlyArray<DeclarationClientEvent>): DeclarationFault => {
  const last = events.at(-1)
  assert(last?._tag === "Failed")
  return last.fault
}

describe("a client of Job Declaration", () => {
  it("asks for two tokens at once, and for another with each that it takes", () => {
    const { allocate, client, take } = connect()
    assert.deepStrictEqual(
      take().map((message) => [message._tag, "userIdentifier" in message && message.userIdentifier]),
      [
        ["AllocateMiningJobToken", "farm"],
        ["AllocateMiningJobToken", "farm"]
      ]
    )
    assert.deepStrictEqual(allocate(), [{ _tag: "TokenReady" }])
    assert.deepStrictEqual(allocate(), [])
    const tokens = [client.takeToken(0), client.takeToken(0)].map((token) => token!.bytes[0])
    assert.deepStrictEqual([tokens, client.takeToken(0), take().length], [[1, 2], undefined, 4])
  })

  it("takes no token that is older than five minutes", () => {
    const { allocate, client, take } = connect()
    allocate()
    allocate({}, 200_000)
    client.tick(299_999)
    assert.strictEqual(client.tokenCount, 2)
    assert.deepStrictEqual(client.takeToken(300_000)!.bytes, Uint8Array.of(2))
    assert.strictEqual(take().length, 4)
  })

  it("gives the transactions of the positions that the server asks for, in its order", () => {
    const { allocate, declare, say, take } = connect()
    allocate()
    const requestId = declare(3)
    assert.deepStrictEqual(say({ _tag: "ProvideMissingTransactions", requestId, unknownTxPositionList: [2, 0] }), [])
    assert.deepStrictEqual(take().at(-1), {
      _tag: "ProvideMissingTransactions.Success",
      requestId,
      transactionList: [Uint8Array.of(2), Uint8Array.of(0)]
    })
  })

  it("says which declaration an answer is for, and takes late answers to those that it has given up", () => {
    const { allocate, client, declare, say } = connect()
    allocate()
    allocate()
    const [first, second] = [declare(), declare()]
    client.giveUp()
    const token = Uint8Array.of(9)
    assert.deepStrictEqual(say({ _tag: "DeclareMiningJob.Success", requestId: second, newMiningJobToken: token }), [
      { _tag: "Declared", requestId: second, token }
    ])
    const refusal = { errorCode: "invalid-job", errorDetails: Buffer.from("the\nreason") }
    assert.deepStrictEqual(say({ _tag: "DeclareMiningJob.Error", requestId: first, ...refusal }), [
      { _tag: "DeclarationRefused", requestId: first, errorCode: "invalid-job", details: "the\ufffdreason" }
    ])
    // A second answer changes nothing.
    assert.deepStrictEqual(say({ _tag: "DeclareMiningJob.Error", requestId: first, ...refusal }), [])
    assert.deepStrictEqual([client.fault, client.pendingCount], [undefined, 0])
  })

  it.each<[string, Uint8Array, RegExp]>([
    ["no outputs", counted(), /has no output/],
    ["an output that has a value already", counted({ value: 1n, script: script(1) }), /output 0 has a value of 1/],
    [
      "a first output that nobody can spend",
      counted({ value: 0n, script: Uint8Array.of(0x6a, 1, 2) }),
      /its first output, the pool's payout, begins with OP_RETURN/
    ],
    ["more outputs than there are bytes", Uint8Array.of(200, ...PAYOUT.subarray(1)), /200 outputs have 1800 bytes/],
    ["bytes behind the outputs", Uint8Array.of(...PAYOUT, 0), /1 more bytes follow/],
    ["a count in a longer form", Uint8Array.of(0xfd, 1, 0, ...PAYOUT.subarray(1)), /no count of outputs/],
    ["nothing", new Uint8Array(0), /no count of outputs/],
    [
      "more bytes than a coinbase has room for",
      counted({ value: 0n, script: script(1) }, { value: 0n, script: new Uint8Array(65_400).fill(0x51) }),
      /a coinbase has room for/
    ]
  ])("leaves a server whose token has %s", (_, coinbaseTxOutputs, message) => {
    const { allocate } = connect()
    const fault = faultOf(allocate({ coinbaseTxOutputs }))
    assert.strictEqual(fault.reason, "outputs")
    assert.match(fault.message, message)
  })

  it("leaves a server whose outputs take more room than it announced with its first token", () => {
    const { allocate } = connect()
    allocate()
    const more = counted({ value: 0n, script: script(1) }, { value: 0n, script: script(2) })
    const fault = faultOf(allocate({ coinbaseTxOutputs: more }))
    assert.strictEqual(fault.reason, "outputs")
    assert.include(fault.message, "62 bytes of outputs, and announced 31")
  })

  const violations: ReadonlyArray<[string, (requestId: number) => JobDeclaration.ToClient]> = [
    [
      "a token that nobody asked for",
      () => ({
        _tag: "AllocateMiningJobToken.Success",
        requestId: 99,
        miningJobToken: Uint8Array.of(1),
        coinbaseTxOutputs: PAYOUT
      })
    ],
    [
      "an empty token for a job",
      (requestId) => ({ _tag: "DeclareMiningJob.Success", requestId, newMiningJobToken: new Uint8Array(0) })
    ],
    [
      "an acceptance of a job that was not declared",
      () => ({ _tag: "DeclareMiningJob.Success", requestId: 99, newMiningJobToken: Uint8Array.of(1) })
    ],
    [
      "a refusal of a job that was not declared",
      () => ({ _tag: "DeclareMiningJob.Error", requestId: 99, errorCode: "", errorDetails: new Uint8Array(0) })
    ],
    [
      "a question about a position that does not exist",
      (requestId) => ({ _tag: "ProvideMissingTransactions", requestId, unknownTxPositionList: [0, 3] })
    ],
    [
      "a question about a position twice",
      (requestId) => ({ _tag: "ProvideMissingTransactions", requestId, unknownTxPositionList: [1, 1] })
    ],
    [
      "a question about a job that was not declared",
      () => ({ _tag: "ProvideMissingTransactions", requestId: 99, unknownTxPositionList: [0] })
    ]
  ]
  it.each(violations)("leaves a server that sends %s", (_, message) => {
    const { allocate, client, declare, say } = connect()
    allocate()
    const events = say(message(declare(3)))
    assert.strictEqual(faultOf(events).reason, "violation")
    // Nothing is sent to it any more.
    client.takeMessages()
    client.push({
      extranonce: new Uint8Array(1),
      prevHash: new Uint8Array(32),
      nonce: 0,
      ntime: 0,
      nbits: 0,
      version: 0
    })
    assert.deepStrictEqual([client.tick(1e9), client.takeMessages()], [[], []])
  })

  it("leaves a server that sends an empty token", () => {
    assert.strictEqual(faultOf(connect().allocate({ miningJobToken: new Uint8Array(0) })).reason, "violation")
  })

  it("leaves a server that asks for the same transactions again and again", () => {
    const { allocate, declare, say } = connect()
    allocate()
    const requestId = declare(3)
    const ask = () => say({ _tag: "ProvideMissingTransactions", requestId, unknownTxPositionList: [0] })
    for (let times = 0; times < 3; times++) assert.deepStrictEqual(ask(), [])
    assert.strictEqual(faultOf(ask()).reason, "violation")
  })

  it("leaves a server that floods it", () => {
    const { say } = connect()
    let events: ReadonlyArray<DeclarationClientEvent> = []
    for (let times = 0; times < 250 && events.at(-1)?._tag !== "Failed"; times++) {
      events = say({ _tag: "Reconnect", newHost: "", newPort: 0 })
    }
    assert.strictEqual(faultOf(events).reason, "too-many-messages")
  })

  it("leaves a server that allocates no token in time, or does not answer a declaration", () => {
    const { client } = connect({ tokenTimeoutMs: 1000 })
    assert.deepStrictEqual(client.tick(999), [])
    assert.strictEqual(faultOf(client.tick(1000)).reason, "no-token")
    const other = connect({ answerTimeoutMs: 1000 })
    other.allocate()
    other.allocate()
    other.declare()
    other.client.giveUp()
    other.declare(1, 500)
    assert.deepStrictEqual(other.client.tick(1499), [])
    assert.strictEqual(faultOf(other.client.tick(1500)).reason, "no-answer")
  })

  it("leaves a server that answers none of many declarations in time", () => {
    const { allocate, client, declare } = connect({ answerTimeoutMs: 1000 })
    for (let at = 0; at < 1000; at += 100) {
      allocate()
      declare(1, at)
    }
    assert.deepStrictEqual(client.tick(999), [])
    assert.strictEqual(faultOf(client.tick(1000)).reason, "no-answer")
  })

  it("stays with a server that answers the newest declaration only, or each one late", () => {
    for (const answered of [2, 1]) {
      const { allocate, client, declare, say } = connect({ answerTimeoutMs: 1000 })
      let ids: ReadonlyArray<number> = []
      for (let at = 0; at < 5000; at += 400) {
        allocate()
        ids = [...ids, declare(1, at)].slice(-2)
        if (ids.length === 2 && (answered === 1 || at % 800 === 0)) {
          say({ _tag: "DeclareMiningJob.Success", requestId: ids[answered - 1]!, newMiningJobToken: Uint8Array.of(9) })
        }
        assert.deepStrictEqual(client.tick(at + 399), [])
      }
    }
  })

  it("remembers a limited number of declarations", () => {
    const { allocate, client, declare } = connect()
    for (let job = 0; job < 100; job++) {
      allocate({}, job * 1000)
      declare(1, job * 1000)
    }
    assert.strictEqual(client.pendingCount, 4)
    assert.isUndefined(client.fault)
  })
})
