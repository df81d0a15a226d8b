/** How the kit receives a client: SetupConnection and the answer to it, right or wrong (3.6). */
import { Common, ErrorCode, Mining } from "@sluice/protocol"
import { Effect } from "effect"
import type { ToServer } from "./conduct.ts"
import type { AcceptOptions, ClientKit, Visitor } from "./kit.ts"
import { RuleBroken, RuleSkipped } from "../verdict.ts"

/** A client's SetupConnection, whose protocol is the kit's and whose flags are all known. */
export const greeted = Effect.fnUntraced(function* (
  kit: ClientKit,
  options?: AcceptOptions
): Effect.fn.Return<Visitor & { readonly setup: Common.SetupConnection }, RuleBroken | RuleSkipped> {
  const first = yield* greet(kit, options)
  const unknown = unknownFlags(kit, first.setup)
  if (unknown === 0) {
    kit.ledger.note("client-setup.flags", true, "", "")
    return first
  }
  // It may have set all of them to see which the server knows (3.6.3).
  yield* answer(first, setupError(ErrorCode.setup.unsupportedFeatureFlags, unknown))
  const second = yield* greet(kit, options)
  const left = unknownFlags(kit, second.setup)
  if (left === 0) {
    kit.ledger.note("client-setup.flags", true, "", "")
    return second
  }
  const came = `flags 0x${left.toString(16)}`
  const expected = "no flags that nobody defined, after SetupConnection.Error named them"
  kit.ledger.note("client-setup.flags", false, expected, came)
  return yield* new RuleBroken({ expected, came })
})

const greet = Effect.fnUntraced(function* (kit: ClientKit, options?: AcceptOptions) {
  const visitor = yield* kit.accept(options)
  const setup = yield* visitor.peer.expect(Common.SetupConnection)
  if (setup.protocol === PROTOCOL[kit.protocol]) return Object.assign(visitor, { setup })
  yield* answer(visitor, setupError(ErrorCode.setup.unsupportedProtocol, 0))
  return yield* new RuleSkipped({ why: `the client asks for protocol ${setup.protocol}, not for ${kit.protocol}` })
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

/** Sends SetupConnection.Success, once in a run after a time in which nothing may come. */
export const welcome = Effect.fnUntraced(function* (
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

/** The client does not trust what it was shown in the handshake: it sends nothing, and closes the connection. */
export const refuses = Effect.fnUntraced(function* (kit: ClientKit, options: AcceptOptions) {
  const { peer } = yield* kit.accept(options)
  const speaks = yield* peer.speaks
  if (!speaks && peer.ended) return
  const expected = "the end of the connection, without a message"
  return yield* new RuleBroken({ expected, came: speaks ? "a message" : "nothing, and it stays open" })
})

const PROTOCOL: Readonly<Record<ClientKit["protocol"], number>> = {
  mining: Common.MINING_PROTOCOL,
  "template-distribution": Common.TEMPLATE_DISTRIBUTION_PROTOCOL
}

const MINING_FLAGS = Mining.REQUIRES_STANDARD_JOBS | Mining.REQUIRES_WORK_SELECTION | Mining.REQUIRES_VERSION_ROLLING

/** The flags of SetupConnection that the protocol does not define. */
const unknownFlags = ({ protocol }: ClientKit, { flags }: Common.SetupConnection): number =>
  (flags & ~(protocol === "mining" ? MINING_FLAGS : 0)) >>> 0
