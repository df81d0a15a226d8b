/**
 * Drives the machine of one connection through random sequences of messages, verdicts, tips and waits, beside a model that knows which
 * declarations are open and what each may become. A quarter of `SLUICE_SEQUENCES` is the number of sequences.
 */
import { assert, describe, it } from "@effect/vitest"
import { hashToDisplay, legacySigopsCost, parseBlock, parseTransaction } from "@sluice/bitcoin"
import { JobDeclaration } from "@sluice/protocol"
import { buildPayment } from "@sluice/testing/blocks"
import { DeclaratorMachine, declaredJob, EXTRANONCE_SIZE } from "@sluice/testing/declarator-machine"
import { Result } from "effect"
import * as fc from "fast-check"
import { type ChainTip, type SessionOutbox, sessionOutbox } from "../../src/index.ts"

const RUNS = Number(process.env["SLUICE_SEQUENCES"] ?? 1_000)
const NOW = 1_800_000_000_000
const payout = { scripts: [Uint8Array.of(0, 20, ...new Uint8Array(20).fill(7))], minPercent: 100 }

/** Every hash is a block. */
const tipAt = (height: number, branch = 0): ChainTip => ({
  prevHash: new Uint8Array(32).fill(height).fill(branch, 31),
  height,
  bits: 0x207fffff,
  target: new Uint8Array(32).fill(0xff),
  minTime: 1_700_000_000,
  time: 1_700_000_001,
  subsidy: 5_000_000_000n,
  weightLimit: 4_000_000
})

const TRANSACTIONS = Array.from({ length: 8 }, (_, seed) => parseTransaction(buildPayment({ seed }).bytes))
/** The first ones are in the mempool beside. */
const KNOWN = 4

const step = fc.oneof(
  { arbitrary: fc.constant({ kind: "allocate" as const }), weight: 4 },
  {
    arbitrary: fc.record({
      kind: fc.constant("declare" as const),
      token: fc.constantFrom("fresh", "fresh", "fresh", "fresh", "used", "forged"),
      height: fc.constantFrom(0, 0, 0, 0, 0, 1, -1),
      mask: fc.nat(255),
      pays: fc.constantFrom(true, true, true, true, false)
    }),
    weight: 6
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("provide" as const),
      which: fc.nat(10),
      how: fc.constantFrom("right", "right", "right", "swapped", "short", "broken", "unasked")
    }),
    weight: 4
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("verdict" as const),
      which: fc.nat(10),
      verdict: fc.constantFrom(null, null, null, "bad-cb-amount", "inconclusive-not-best-prevblk", undefined)
    }),
    weight: 5
  },
  { arbitrary: fc.record({ kind: fc.constant("push" as const), which: fc.nat(10), nonce: fc.nat(3) }), weight: 3 },
  { arbitrary: fc.record({ kind: fc.constant("tip" as const), move: fc.constantFrom(1, 1, 0, -1) }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1, 3_000, 8_000) }), weight: 2 }
)
type Step = typeof step extends fc.Arbitrary<infer A> ? A : never

interface Open {
  readonly job: JobDeclaration.DeclareMiningJob
  readonly height: number
  readonly transactions: ReadonlyArray<number>
  /** Positions that the server asked for, and whether the client has sent them all. */
  asked: ReadonlyArray<number> | undefined
  isSent: boolean
  /** That the job was accepted on. */
  prevHash: Uint8Array
}

const NONE = new Uint8Array(0)

class Run {
  readonly machine: DeclaratorMachine
  readonly session
  readonly hasProposals: boolean
  now = NOW
  readonly fresh: Array<Uint8Array> = []
  readonly used: Array<Uint8Array> = []
  readonly open = new Map<number, Open>()
  readonly accepted: Array<Open> = []
  readonly proposals: Array<{ readonly declaration: SessionOutbox["proposals"][number]; readonly asked: number }> = []
  readonly blocks = new Set<string>()
  /** The verdict that the model gave last. */
  accepts = false
  requestId = 0
  branch = 0

  constructor(hasProposals: boolean) {
    this.hasProposals = hasProposals
    this.machine = new DeclaratorMachine({ tip: tipAt(100), payout, hasProposals })
    for (const transaction of TRANSACTIONS.slice(0, KNOWN)) {
      this.machine.store.enterMempool({ ...transaction, sigopsCost: legacySigopsCost(transaction) })
    }
    this.session = this.machine.connect("full-template")
  }

  do(step: Step): void {
    const out = sessionOutbox()
    const { machine, session } = this
    this.accepts = !this.hasProposals
    switch (step.kind) {
      case "allocate":
        this.requestId++
        session.onMessage(
          JobDeclaration.AllocateMiningJobToken.make({ userIdentifier: "a", requestId: this.requestId }),
          this.now,
          out
        )
        break
      case "declare": {
        const token = step.token === "fresh" ? this.fresh.shift() : step.token === "used" ? this.used.at(-1) : undefined
        if (step.token === "fresh" && token === undefined) return
        const transactions = [...TRANSACTIONS.keys()].filter((index) => ((step.mask >> index) & 1) === 1)
        const height = machine.tip.height + step.height
        const job = declaredJob({
          tip: tipAt(height),
          payout: step.pays ? payout : { ...payout, scripts: [Uint8Array.of(0x51)] },
          token: token ?? new Uint8Array(86),
          requestId: ++this.requestId,
          wtxids: transactions.map((index) => TRANSACTIONS[index]!.wtxid)
        })
        if (step.token === "fresh") this.used.push(token!)
        this.open.set(job.requestId, { job, height, transactions, asked: undefined, isSent: false, prevHash: NONE })
        session.onMessage(job, this.now, out)
        if (step.token !== "fresh" || !step.pays || step.height < 0) this.expectRefused(job.requestId, out)
        break
      }
      case "provide": {
        const asked = [...this.open.values()].filter((each) => each.asked !== undefined && !each.isSent)
        const one = asked[step.which % Math.max(1, asked.length)]
        const list = one?.asked!.map((position) => TRANSACTIONS[one.transactions[position]!]!.bytes) ?? []
        const requestId = one === undefined || step.how === "unasked" ? 0xffff : one.job.requestId
        const isRight = step.how === "right" || (step.how === "swapped" && list.length === 1)
        if (step.how === "swapped") list.reverse()
        if (step.how === "short") list.pop()
        if (step.how === "broken" && list.length > 0) list[0] = list[0]!.subarray(1)
        session.onMessage(
          JobDeclaration.ProvideMissingTransactionsSuccess.make({ requestId, transactionList: list }),
          this.now,
          out
        )
        if (one === undefined || step.how === "unasked") break
        if (isRight) one.isSent = true
        else {
          machine.finish(session, this.now, out)
          this.expectRefused(requestId, out)
        }
        break
      }
      case "verdict": {
        const [one] = this.proposals.splice(step.which % Math.max(1, this.proposals.length), 1)
        if (one === undefined) return
        this.accepts = step.verdict === null
        session.onVerdict(one.declaration, one.asked, step.verdict, "why", this.now, out)
        break
      }
      case "push": {
        const one = this.accepted[step.which % Math.max(1, this.accepted.length)]
        if (one === undefined) return
        const { prevHash } = one
        session.onMessage(
          JobDeclaration.PushSolution.make({
            extranonce: new Uint8Array(EXTRANONCE_SIZE),
            prevHash,
            nonce: step.nonce,
            ntime: 1_700_000_002,
            nbits: 0x207fffff,
            version: 0x20000000
          }),
          this.now,
          out
        )
        break
      }
      case "tip":
        machine.tip = tipAt(machine.tip.height + step.move, ++this.branch)
        machine.jobs.onTip(machine.tip.height)
        session.onTip(machine.tip, this.now, out)
        break
      case "wait":
        this.now += step.ms
        session.onTick(this.now, out)
    }
    machine.finish(session, this.now, out)
    this.check(out)
  }

  expectRefused(requestId: number, out: SessionOutbox): void {
    assert.isTrue(
      out.replies.some((reply) => reply._tag === "DeclareMiningJob.Error" && reply.requestId === requestId),
      "a declaration at fault is refused at once"
    )
  }

  check(out: SessionOutbox): void {
    for (const declaration of out.proposals) {
      const block = parseBlock(this.session.proposalOf(declaration)!)
      const { transactions } = this.open.get(declaration.requestId)!
      assert.deepStrictEqual(
        wtxidsOf(block),
        transactions.map((index) => hashToDisplay(TRANSACTIONS[index]!.wtxid))
      )
      this.proposals.push({ declaration, asked: declaration.asked })
    }
    for (const reply of out.replies) {
      switch (reply._tag) {
        case "AllocateMiningJobToken.Success":
          this.fresh.push(reply.miningJobToken)
          break
        case "ProvideMissingTransactions": {
          const one = this.open.get(reply.requestId)!
          const missing = one.transactions.flatMap((index, position) => (index < KNOWN ? [] : [position]))
          // Accepted jobs hold transactions that clients have sent, so these are known too.
          for (const position of reply.unknownTxPositionList) assert.include(missing, position)
          assert.isUndefined(one.asked, "a client is asked once")
          one.asked = reply.unknownTxPositionList
          break
        }
        case "DeclareMiningJob.Success": {
          const one = this.open.get(reply.requestId)
          assert.isDefined(one, "one answer for each declaration")
          assert.isTrue(this.accepts, "the node has accepted the block")
          assert.strictEqual(one!.height, this.machine.tip.height)
          assert.isTrue(one!.asked === undefined || one!.isSent)
          const token = Result.getOrThrow(this.machine.tokens.read(reply.newMiningJobToken, this.now / 1000))
          assert.deepStrictEqual(token.declared?.prevHash, this.machine.tip.prevHash)
          this.open.delete(reply.requestId)
          one!.prevHash = this.machine.tip.prevHash
          this.accepted.push(one!)
          break
        }
        case "DeclareMiningJob.Error":
          assert.isTrue(this.open.delete(reply.requestId), "one answer for each declaration")
          break
        default:
          assert.fail(reply._tag)
      }
    }
    for (const { block, hash } of out.blocks) {
      assert.isFalse(this.blocks.has(hash), "each block once")
      this.blocks.add(hash)
      const parsed = parseBlock(block)
      assert.strictEqual(hashToDisplay(parsed.hash), hash)
      const lists = this.accepted.map(({ transactions }) => transactions.map((index) => TRANSACTIONS[index]!.wtxid))
      assert.isTrue(lists.some((list) => list.map(hashToDisplay).join() === wtxidsOf(parsed).join()))
    }
    assert.strictEqual(this.machine.limits.declarations.total, this.open.size)
  }

  end(): void {
    this.now += 3_600_000
    this.do({ kind: "wait", ms: 1 })
    assert.strictEqual(this.open.size, 0, "every declaration has an answer")
    this.session.close()
    this.machine.jobs.onTip(1_000)
    const { bytes, declarations, tokens } = this.machine.limits
    assert.deepStrictEqual([bytes.total, declarations.total, tokens.total, this.machine.jobs.size], [0, 0, 0, 0])
    assert.strictEqual(this.machine.store.count, KNOWN)
  }
}

const wtxidsOf = (block: ReturnType<typeof parseBlock>): ReadonlyArray<string> =>
  block.transactions.slice(1).map(({ wtxid }) => hashToDisplay(wtxid))

describe("DeclarationSession", () => {
  it("answers each declaration once, accepts only what was checked, and holds nothing after its end", () => {
    let accepted = 0
    let blocks = 0
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(step, { minLength: 10, maxLength: 60, size: "max" }),
        (hasProposals, steps) => {
          const run = new Run(hasProposals)
          for (const each of steps) run.do(each)
          run.end()
          accepted += run.accepted.length
          blocks += run.blocks.size
        }
      ),
      {
        numRuns: RUNS / 4,
        ...(process.env["SLUICE_SEED"] === undefined ? {} : { seed: Number(process.env["SLUICE_SEED"]) })
      }
    )
    assert.isAbove(accepted, RUNS / 40, "the sequences reach accepted jobs")
    assert.isAbove(blocks, RUNS / 400, "and blocks")
  })
})
