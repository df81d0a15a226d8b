/**
 * Times Job Declaration. The server: from the bytes of DeclareMiningJob to those of DeclareMiningJob.Success, against hashing the two
 * trees of the same block, and the memory of the mempool beside, against the transactions' bytes. The client is in
 * declaration-client.ts.
 */
import { coinbaseMerklePath, doubleSha256, legacySigopsCost, parseTransaction, type Transaction } from "@sluice/bitcoin"
import { type ChainTip, type DeclarationSession, sessionOutbox, TransactionStore } from "@sluice/job-declaration"
import { Frame, JobDeclaration } from "@sluice/protocol"
import { DeclaratorMachine, declaredJob } from "@sluice/testing/declarator-machine"
import { heldBytes } from "@sluice/testing/memory"
import { randomBytes } from "node:crypto"
import { type AsyncCase, type Case, keep } from "./case.ts"

const TRANSACTIONS = 5_000
const UNKNOWN = 50
const NOW = 1_800_000_000_000

export const payout = { scripts: [Uint8Array.of(0, 20, ...randomBytes(20))], minPercent: 100 }

export const tip: ChainTip = {
  prevHash: new Uint8Array(randomBytes(32)),
  height: 900_000,
  bits: 0x17034219,
  target: new Uint8Array(32),
  minTime: NOW / 1000 - 600,
  time: NOW / 1000,
  subsidy: 312_500_000n,
  weightLimit: 4_000_000
}

/** A transaction of one input and two outputs with a witness of this many bytes: 222 bytes with 108, as most are. */
export const makeTransaction = (witnessSize = 108): Transaction => {
  const script = Buffer.concat([Buffer.from("0014", "hex"), randomBytes(20)])
  const value = Buffer.from("e803000000000000", "hex")
  const output = Buffer.concat([value, Buffer.of(script.length), script])
  const witness = Buffer.concat([Buffer.from("fd", "hex"), Buffer.of(witnessSize & 255, witnessSize >> 8)])
  return parseTransaction(
    new Uint8Array(
      Buffer.concat([
        Buffer.from("02000000000101", "hex"),
        randomBytes(36),
        Buffer.from("00ffffffff02", "hex"),
        output,
        output,
        Buffer.of(1),
        witnessSize < 0xfd ? Buffer.of(witnessSize) : witness,
        randomBytes(witnessSize),
        Buffer.from("00000000", "hex")
      ])
    )
  )
}

const transactions = Array.from({ length: TRANSACTIONS }, () => makeTransaction())
const wtxids = transactions.map(({ wtxid }) => wtxid)
const txids = transactions.map(({ txid }) => txid)
/** Every hundredth, so that they lie among the others. */
const isUnknown = (index: number): boolean => index % (TRANSACTIONS / UNKNOWN) === 0

const { toClient, toServer } = JobDeclaration.protocol
const allocate = JobDeclaration.AllocateMiningJobToken.make({ userIdentifier: "bench", requestId: 1 })

/** A declarator that has all transactions, or all but `UNKNOWN`, and bytes of declarations of them. */
const declarator = (known: (index: number) => boolean) => {
  const machine = new DeclaratorMachine({ tip, payout })
  transactions.forEach((transaction, index) => {
    if (known(index)) machine.store.enterMempool({ ...transaction, sigopsCost: legacySigopsCost(transaction) })
  })
  const answer = toServer.encode(
    JobDeclaration.ProvideMissingTransactionsSuccess.make({
      requestId: 2,
      transactionList: transactions.filter((_, index) => !known(index)).map(({ bytes }) => bytes)
    })
  )
  const declaration = declaredJob({ tip, payout, token: new Uint8Array(0), requestId: 2, wtxids })
  const receive = (session: DeclarationSession, bytes: Uint8Array) => {
    const out = sessionOutbox()
    session.onMessage(toServer.decode(Frame.read(bytes)!)!, NOW, out)
    machine.finish(session, NOW, out)
    return out.replies.map((reply) => {
      keep(toClient.encode(reply))
      return reply
    })
  }
  return {
    /** A connection with a token, and the bytes of its declaration. */
    begin: () => {
      const session = machine.connect("full-template")
      const out = sessionOutbox()
      session.onMessage(allocate, NOW, out)
      const [reply] = out.replies
      const miningJobToken = (reply as JobDeclaration.AllocateMiningJobTokenSuccess).miningJobToken
      return { session, bytes: toServer.encode({ ...declaration, miningJobToken }) }
    },
    receive,
    answer,
    end: (session: DeclarationSession) => {
      session.close()
      machine.jobs.onTip(tip.height + 2)
    }
  }
}

/** One declaration after the other, of which only the part between the bytes counts. */
const declaring = (known: (index: number) => boolean): (() => void) => {
  const server = declarator(known)
  return () => {
    const { bytes, session } = server.begin()
    let [reply] = server.receive(session, bytes)
    if (reply?._tag === "ProvideMissingTransactions") [reply] = server.receive(session, server.answer)
    if (reply?._tag !== "DeclareMiningJob.Success") throw new Error(`expected Success, got ${reply?._tag}`)
    server.end(session)
  }
}

const trees = (): void => {
  keep(coinbaseMerklePath(txids))
  keep(coinbaseMerklePath(wtxids))
}

const stripped = transactions.map(({ bytes }) => bytes.subarray(0, bytes.length - 110))
const unknownHashes = (): void => {
  for (let index = 0; index < TRANSACTIONS; index++) {
    if (!isUnknown(index)) continue
    keep(doubleSha256(transactions[index]!.bytes))
    keep(doubleSha256(stripped[index]!))
  }
}

export const cases: ReadonlyArray<Case> = [
  {
    name: `declared job of ${TRANSACTIONS} transactions, all known: from DeclareMiningJob to Success`,
    unit: "ns/op",
    run: declaring(() => true),
    baselines: [{ name: "hashing its two trees", run: trees }]
  },
  {
    name: `declared job of ${TRANSACTIONS} transactions, ${UNKNOWN} unknown: from DeclareMiningJob to Success`,
    unit: "ns/op",
    run: declaring((index) => !isUnknown(index)),
    baselines: [
      {
        name: "hashing its two trees and those transactions",
        run: () => {
          trees()
          unknownHashes()
        }
      }
    ]
  }
]

const POOL_SIZE = 50_000

/** Sizes as on mainnet: most are small, a few are large. */
const sizeAt = (index: number): number => (index % 20 === 0 ? 1_800 : index % 4 === 0 ? 400 : 108)

const memory: AsyncCase = {
  name: `mempool beside of ${POOL_SIZE} transactions: memory held`,
  rows: () => {
    const fill = (count: number) => {
      const store = new TransactionStore(1)
      for (let index = 0; index < count; index++) {
        const transaction = makeTransaction(sizeAt(index))
        store.enterMempool({ ...transaction, sigopsCost: legacySigopsCost(transaction) })
      }
      return store
    }
    keep(fill(1_000))
    const before = heldBytes()
    const store = fill(POOL_SIZE)
    const value = heldBytes() - before
    const baselineValue = store.transactionBytes
    const row = { name: memory.name, unit: "bytes", value, baseline: "the transactions' bytes", baselineValue }
    return Promise.resolve([{ ...row, ratio: value / baselineValue }])
  }
}

export const asyncCases: ReadonlyArray<AsyncCase> = [memory]
