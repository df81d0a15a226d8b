/**
 * What `npm run fuzz` throws at the client's end of a connection of Job Declaration (specification, section 6): whatever a server may
 * send behind the setup. What it may not is a fault by name, and nothing else is thrown.
 */
import {
  type AllocatedToken,
  DeclarationClient,
  type DeclarationClientEvent,
  DeclarationFault
} from "@sluice/job-declaration"
import { Common, DecodeError, Frame, JobDeclaration } from "@sluice/protocol"
import { deepStrictEqual, ok } from "node:assert/strict"
import type { FuzzTarget } from "./target.ts"

const NOW = 1_800_000_000_000
const TRANSACTIONS = 4
const MAX_TOKENS = 2
const MAX_PENDING = 4

const { toClient, toServer } = JobDeclaration.protocol

/** The first byte is the mode; behind it come frames. The client declares a job with every token that it gets. */
const run = (input: Uint8Array): void => {
  const mode = ((input[0] ?? 0) & 1) === 0 ? "full-template" : "coinbase-only"
  const stream = input.slice(1)
  const client = new DeclarationClient({ mode, userIdentifier: "fuzz" }, NOW)
  const taken: Array<{ readonly token: AllocatedToken; readonly copy: AllocatedToken }> = []
  speak(client)
  let at = 0
  let failed = false
  for (let frame = Frame.read(stream, at); frame !== undefined; frame = Frame.read(stream, at)) {
    at += Frame.headerSize + frame.payload.length
    const message = decoded(frame)
    if (message === undefined) continue
    const now = NOW + at * 100
    const events = client.receive([message], now)
    ok(!failed || events.length === 0, "it goes on after a fault")
    failed ||= check(events)
    ok(failed === (client.fault !== undefined), "a fault without an event")
    // The bytes are the transport's again.
    frame.payload.fill(0xa5)
    const token = client.takeToken(now)
    if (token !== undefined) {
      ok(!failed, "a token after a fault")
      taken.push({ token, copy: structuredClone(token) })
      if (mode === "full-template") declare(client, token, now)
    }
    ok(client.tokenCount <= MAX_TOKENS, "more tokens than are kept ahead")
    ok(client.pendingCount <= MAX_PENDING, "more declarations than may wait")
    speak(client)
  }
  for (const { copy, token } of taken) deepStrictEqual(token, copy, "the client keeps a view on the bytes of a message")
  check(client.tick(NOW + 3_600_000))
  speak(client)
}

const decoded = (frame: Frame): JobDeclaration.ToClient | undefined => {
  try {
    return toClient.decode(frame)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return undefined
  }
}

/** Whether the last event is a fault, which must have a name; no other event may be one. */
const check = (events: ReadonlyArray<DeclarationClientEvent>): boolean => {
  for (const [index, event] of events.entries()) {
    if (event._tag === "Declared") ok(event.token.length > 0 && event.token.length <= 255, "a token of no size")
    if (event._tag !== "Failed") continue
    ok(event.fault instanceof DeclarationFault && event.fault.message !== "", "a fault without a name")
    ok(index === events.length - 1, "a fault is not the last word")
    return true
  }
  return false
}

const declare = (client: DeclarationClient, token: AllocatedToken, now: number): void => {
  const transactions = Array.from({ length: TRANSACTIONS }, (_, index) => new Uint8Array(70 + index).fill(index))
  client.declare(
    {
      token,
      version: 0x2000_0000,
      coinbasePrefix: new Uint8Array(60).fill(1),
      coinbaseSuffix: new Uint8Array(80).fill(2),
      wtxids: transactions.map((_, index) => new Uint8Array(32).fill(index)),
      transactions,
      excessData: new Uint8Array(0)
    },
    now
  )
}

/** What it says must be what a server reads. */
const speak = (client: DeclarationClient): void => {
  for (const message of client.takeMessages()) {
    deepStrictEqual(toServer.decode(Frame.read(toServer.encode(message))!), message, "it says what nobody can read")
  }
}

const seeds = (): ReadonlyArray<Uint8Array> => {
  const outputs = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 22, 0, 20, ...new Uint8Array(20).fill(7))
  const allocated = (requestId: number) =>
    JobDeclaration.AllocateMiningJobTokenSuccess.make({
      requestId,
      miningJobToken: new Uint8Array(16).fill(requestId),
      coinbaseTxOutputs: outputs
    })
  const missing = (requestId: number, ...unknownTxPositionList: ReadonlyArray<number>) =>
    JobDeclaration.ProvideMissingTransactions.make({ requestId, unknownTxPositionList })
  const success = (requestId: number) =>
    JobDeclaration.DeclareMiningJobSuccess.make({ requestId, newMiningJobToken: new Uint8Array(20).fill(3) })
  const error = (requestId: number) =>
    JobDeclaration.DeclareMiningJobError.make({
      requestId,
      errorCode: "invalid-job",
      errorDetails: new TextEncoder().encode("bad-txns")
    })
  const session = (mode: number, ...messages: ReadonlyArray<JobDeclaration.ToClient>) =>
    new Uint8Array(Buffer.concat([Uint8Array.of(mode), ...messages.map((message) => toClient.encode(message))]))
  return [
    // The client's requests for tokens have the ids 1 and 2; each token that it takes makes it ask for one more and declare.
    session(0, allocated(1), missing(4, 0, 3), success(4), allocated(2), success(6), error(6)),
    session(0, allocated(1), error(4), Common.Reconnect.make({ newHost: "pool", newPort: 3334 })),
    session(1, allocated(1), allocated(2), allocated(3))
  ]
}

export const declarationClientTarget: FuzzTarget = { name: "declaration-client", run, seeds }
