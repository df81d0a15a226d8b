/** Receives a client: reads SetupConnection and sends an answer, right or wrong (3.6). */
import { Common, ErrorCode, JobDeclaration, Mining } from "@sluice/protocol"
import { Effect } from "effect"
import type { ToServer } from "./conduct.ts"
import type { AcceptOptions, ClientKit, Visitor } from "./kit.ts"
import { RuleBroken, RuleSkipped } from "../verdict.ts"

/** Accepts connections until the client sends SetupConnection with the kit's protocol and with known flags. */
export const receiveSetup = Effect.fnUntraced(function* (
  kit: ClientKit,
  options?: AcceptOptions
): Effect.fn.Return<Visitor & { readonly setup: Common.SetupConnection }, RuleBroken | RuleSkipped> {
  const first = yield* acceptSetup(kit, options)
  const unknown = unknownFlags(kit, first.setup)
  if (unknown === 0) {
    kit.ledger.note("client-setup.flags", true, "", "")
    return first
  }
  // The client may have set all flags to see which ones the server knows (3.6.3).
  yield* answer(first, setupError(ErrorCode.setup.unsupportedFeatureFlags, unknown))
  const second = yield* acceptSetup(kit, options)
  const left = unknownFlags(kit, second.setup)
  if (left === 0) {
    kit.ledger.note("client-setup.flags", true, "", "")
    return second
  }
  const came = `flags 0x${left.toString(16)}`
  const expected = "no undefined flags, after SetupConnection.Error listed them"
  kit.ledger.note("client-setup.flags", false, expected, came)
  return yield* new RuleBroken({ expected, came })
})

const acceptSetup = Effect.fnUntraced(function* (kit: ClientKit, options?: AcceptOptions) {
  const visitor = yield* kit.accept(options)
  const setup = yield* visitor.peer.expect(Common.SetupConnection)
  if (setup.protocol === PROTOCOL[kit.protocol]) return Object.assign(visitor, { setup })
  yield* answer(visitor, setupError(ErrorCode.setup.unsupportedProtocol, 0))
  return yield* new RuleSkipped({ why: `the client requests protocol ${setup.protocol}, not ${kit.protocol}` })
})

/** Answers SetupConnection with this frame, right or wrong. */
export const answer = ({ conduct, peer }: Visitor, frame: Uint8Array): Effect.Effect<void> =>
  Effect.suspend(() => {
    conduct.answer()
    return peer.send(frame)
  })

export const setupError = (errorCode: string, flags: number): Uint8Array =>
  Common.SetupConnectionError.codec.encode(Common.SetupConnectionError.make({ flags, errorCode }))

export const setupSuccess = (flags: number, usedVersion: number = Common.PROTOCOL_VERSION): Uint8Array =>
  Common.SetupConnectionSuccess.codec.encode(Common.SetupConnectionSuccess.make({ usedVersion, flags }))

/** Sends SetupConnection.Success. The first time in a run, waits before it to see that the client stays silent. */
export const acceptClient = Effect.fnUntraced(function* (
  kit: ClientKit,
  visitor: Visitor,
  flags: number,
  host: (message: ToServer, now: number) => ReadonlyArray<Uint8Array>
) {
  if (kit.state.hasWaited !== true) {
    kit.state.hasWaited = true
    yield* Effect.sleep(kit.quietMs)
  }
  visitor.host = host
  yield* answer(visitor, setupSuccess(flags))
})

/** Checks that the client does not trust the handshake: it must send nothing and close the connection. */
export const expectNoTrust = Effect.fnUntraced(function* (kit: ClientKit, options: AcceptOptions) {
  const { peer } = yield* kit.accept(options)
  const speaks = yield* peer.speaks
  if (!speaks && peer.ended) return
  const expected = "the end of the connection, without a message"
  return yield* new RuleBroken({ expected, came: speaks ? "a message" : "no message, and the connection stays open" })
})

const PROTOCOL: Readonly<Record<ClientKit["protocol"], number>> = {
  mining: Common.MINING_PROTOCOL,
  "job-declaration": Common.JOB_DECLARATION_PROTOCOL,
  "template-distribution": Common.TEMPLATE_DISTRIBUTION_PROTOCOL
}

const MINING_FLAGS = Mining.REQUIRES_STANDARD_JOBS | Mining.REQUIRES_WORK_SELECTION | Mining.REQUIRES_VERSION_ROLLING

const FLAGS: Readonly<Record<ClientKit["protocol"], number>> = {
  mining: MINING_FLAGS,
  "job-declaration": JobDeclaration.DECLARE_TX_DATA,
  "template-distribution": 0
}

/** The flags of SetupConnection that the protocol does not define. */
const unknownFlags = ({ protocol }: ClientKit, { flags }: Common.SetupConnection): number =>
  (flags & ~FLAGS[protocol]) >>> 0
