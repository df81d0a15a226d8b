/**
 * What `npm run fuzz` throws at the server's end of a connection of Job Declaration (specification, section 6): whatever a client may
 * send behind the setup, with any verdicts of the node and with new tips in between.
 */
import { legacySigopsCost, parseTransaction } from "@sluice/bitcoin"
import { type ChainTip, sessionOutbox, tokenUser } from "@sluice/job-declaration"
import { DecodeError, Frame, JobDeclaration } from "@sluice/protocol"
import { buildPayment } from "@sluice/testing/blocks"
import { DeclaratorMachine, declaredJob, EXTRANONCE_SIZE, serialOf } from "@sluice/testing/declarator-machine"
import { deepStrictEqual, ok } from "node:assert/strict"
import type { FuzzTarget } from "./target.ts"

const NOW = 1_800_000_000_000
const payout = { scripts: [Uint8Array.of(0, 20, ...new Uint8Array(20).fill(7))], minPercent: 100 }
const { toClient, toServer } = JobDeclaration.protocol

/** Every hash is a block. */
const tipAt = (height: number): ChainTip => ({
  prevHash: new Uint8Array(32).fill(height),
  height,
  bits: 0x207fffff,
  target: new Uint8Array(32).fill(0xff),
  minTime: NOW / 1000 - 600,
  time: NOW / 1000,
  subsidy: 5_000_000_000n,
  weightLimit: 4_000_000
})

const HEIGHT = 100
/** The first three are in the mempool beside. */
const TRANSACTIONS = Array.from({ length: 5 }, (_, seed) => parseTransaction(buildPayment({ seed }).bytes))
const KNOWN = 3
const VERDICTS = [null, "bad-txns-inputs-missingorspent", undefined, "inconclusive-not-best-prevblk"]

/** The first byte has the mode and what the node answers; behind it come frames. */
const run = (input: Uint8Array): void => {
  const flags = input[0] ?? 0
  const stream = input.slice(1)
  const machine = new DeclaratorMachine({ tip: tipAt(HEIGHT), payout, hasProposals: (flags & 2) !== 0 })
  for (const transaction of TRANSACTIONS.slice(0, KNOWN)) {
    machine.store.enterMempool({ ...transaction, sigopsCost: legacySigopsCost(transaction) })
  }
  const session = machine.connect((flags & 1) === 0 ? "full-template" : "coinbase-only")
  const out = sessionOutbox()
  const accepted = new Map<string, unknown>()
  let at = 0
  let frames = 0
  for (let frame = Frame.read(stream, at); frame !== undefined; frame = Frame.read(stream, at)) {
    at += Frame.headerSize + frame.payload.length
    const message = decoded(frame)
    if (message === undefined) continue
    session.onMessage(message, NOW, out)
    machine.finish(session, NOW, out)
    while (out.proposals.length > 0) {
      const declaration = out.proposals.shift()!
      session.proposalOf(declaration)
      session.onVerdict(declaration, declaration.asked, VERDICTS[(flags >> 3) & 3], "why", NOW, out)
      machine.finish(session, NOW, out)
    }
    // A new block in the middle.
    if ((flags & 4) !== 0 && ++frames === 4) {
      machine.tip = tipAt(HEIGHT + 1)
      machine.jobs.onTip(machine.tip.height)
      session.onTip(machine.tip, NOW, out)
      machine.finish(session, NOW, out)
    }
    // The bytes are the transport's again: what it keeps of a job must not change with them.
    for (let number = 1; number <= 64; number++) {
      const serial = Buffer.from(serialOf(number)).toString("hex")
      const job = machine.jobs.get(serial)
      if (job !== undefined && !accepted.has(serial)) accepted.set(serial, structuredClone(job.block.coinbase))
    }
    frame.payload.fill(0xa5)
    for (const [serial, coinbase] of accepted) {
      const job = machine.jobs.get(serial)
      if (job !== undefined) deepStrictEqual(job.block.coinbase, coinbase, "it keeps a view on the bytes of a message")
    }
    for (const block of out.blocks) ok(block.block.length > 80, "a block without transactions")
    for (const reply of out.replies.splice(0)) {
      const encoded = Frame.read(toClient.encode(reply))!
      ok(toClient.decode(encoded) !== undefined, "it says what nobody can read")
    }
    ok(machine.limits.declarations.total <= 8, "more declarations than one connection may have")
    if (out.end !== undefined) break
  }
  session.onTick(NOW + 3_600_000, out)
  session.close()
  machine.jobs.onTip(HEIGHT + 10)
  // Nothing is held for a connection that has ended, once its jobs are old.
  const { bytes, declarations, tokens } = machine.limits
  deepStrictEqual([tokens.total, declarations.total, bytes.total, machine.jobs.size], [0, 0, 0, 0])
  ok(machine.store.count === KNOWN, "transactions are held that nobody needs")
}

const decoded = (frame: Frame): JobDeclaration.ToServer | undefined => {
  try {
    return toServer.decode(frame)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return undefined
  }
}

/** The nth token that a connection in full-template mode gets. */
const token = (number: number): Uint8Array =>
  new DeclaratorMachine({ tip: tipAt(HEIGHT), payout }).tokens.allocate({
    mode: "full-template",
    expiresAt: NOW / 1000 + 600,
    serial: serialOf(number),
    user: tokenUser("fuzz")
  })

const seeds = (): ReadonlyArray<Uint8Array> => {
  const { AllocateMiningJobToken, ProvideMissingTransactionsSuccess, PushSolution } = JobDeclaration
  const allocate = (requestId: number) => AllocateMiningJobToken.make({ userIdentifier: "fuzz", requestId })
  const declare = (number: number, count: number, height = HEIGHT) =>
    declaredJob({
      tip: tipAt(height),
      payout,
      token: token(number),
      requestId: 10 + number,
      wtxids: TRANSACTIONS.slice(0, count).map(({ wtxid }) => wtxid)
    })
  const provide = (number: number, ...positions: ReadonlyArray<number>) =>
    ProvideMissingTransactionsSuccess.make({
      requestId: 10 + number,
      transactionList: positions.map((position) => TRANSACTIONS[position]!.bytes)
    })
  const push = PushSolution.make({
    extranonce: new Uint8Array(EXTRANONCE_SIZE),
    prevHash: tipAt(HEIGHT).prevHash,
    nonce: 1,
    ntime: NOW / 1000,
    nbits: 0x207fffff,
    version: 0x2000_0000
  })
  const session = (flags: number, ...messages: ReadonlyArray<JobDeclaration.ToServer>) =>
    new Uint8Array(Buffer.concat([Uint8Array.of(flags), ...messages.map((message) => toServer.encode(message))]))
  return [
    session(0, allocate(1), allocate(2), declare(1, 3), push, declare(2, 5), provide(2, 3, 4), push),
    session(2, allocate(1), declare(1, 3), push),
    session(2 + 8, allocate(1), declare(1, 3)),
    session(2 + 16, allocate(1), declare(1, 5), provide(1, 4, 3)),
    session(4 + 2 + 24, allocate(1), declare(1, 0), allocate(2), declare(2, 5), provide(2, 3, 4)),
    session(4, allocate(1), declare(1, 2, HEIGHT + 1), allocate(2), push),
    session(1, allocate(1), declare(1, 3), allocate(2))
  ]
}

export const declarationServerTarget: FuzzTarget = { name: "declaration-server", run, seeds }
