/** Rules for the client of any protocol: SetupConnection, extensions, frames (3.2 to 3.6). */
import { Common, Frame, Mining, TemplateDistribution } from "@sluice/protocol"
import { Effect } from "effect"
import { lastBitFlipped, oneByteAtATime } from "../wire.ts"
import { type ClientKit, type ClientRule, clientRule } from "./kit.ts"
import { observedIn } from "./observed.ts"
import { busy, goesOn } from "./busy.ts"
import { answer, greeted, refuses, setupError, setupSuccess } from "./reception.ts"
import { RuleSkipped } from "../verdict.ts"

const rule = clientRule("common")
const observed = observedIn("common")

/** Of the range that is for experiments (3.4): nobody knows it. */
const UNKNOWN_EXTENSION = 0x7abc

export const clientSetupRules: ReadonlyArray<ClientRule> = [
  observed("client-setup.first", "3.6.1", "The first message is SetupConnection", "no message came"),
  observed("client-setup.once", "3.6.1", "SetupConnection comes once", "nothing came after SetupConnection"),
  observed("client-setup.patience", "5.3.2", "Nothing is sent before SetupConnection is answered"),
  observed("client-setup.versions", "3.6.1", "Version 2 is between min_version and max_version"),
  observed(
    "client-setup.flags",
    "3.6.3",
    "Flags that nobody defined are not set, or not again after SetupConnection.Error has named them"
  ),
  observed("client-setup.vendor", "3.6.1", "The vendor is named"),
  observed("client-setup.endpoint", "3.6.1", "endpoint_host is the server's host in ASCII"),
  observed("client-frames.channel-bit", "3.2.1", "Messages for a channel have the channel bit, others not"),
  observed("client-frames.direction", "3.2", "Only messages come that go to a server of the protocol"),
  observed("client-frames.readable", "3.1", "Messages have all of their fields, of the right form"),
  observed(
    "client-extensions.first",
    "0x0001, 4",
    "RequestExtensions comes before all other messages of the protocol",
    "the client asked for no extensions"
  ),
  observed("client-extensions.negotiated", "3.4.2", "No messages come of extensions that were not agreed on"),

  rule(
    "client-extensions.unknown-message",
    "3.4.1",
    "Messages of an unknown extension, for a channel or not, are discarded, and nothing ends",
    (kit) =>
      Effect.gen(function* () {
        const visitor = yield* busy(kit)
        const unknown = (extension: number, type: number) =>
          Uint8Array.of(extension & 0xff, extension >> 8, type, 4, 0, 0, 1, 0, 0, 0)
        const forChannel = UNKNOWN_EXTENSION | Frame.channelBit
        yield* visitor.peer.send(
          unknown(UNKNOWN_EXTENSION, 0x00),
          unknown(UNKNOWN_EXTENSION, 0x20),
          unknown(forChannel, 0x01)
        )
        yield* goesOn(kit, visitor)
      })
  ),

  rule("client-frames.unknown-message", "3.4.1", "A message of an unknown type is discarded, and nothing ends", (kit) =>
    Effect.gen(function* () {
      const visitor = yield* busy(kit)
      yield* visitor.peer.send(Uint8Array.of(0, 0, 0xfe, 2, 0, 0, 1, 2))
      yield* goesOn(kit, visitor)
    })
  ),

  rule("client-frames.in-pieces", "3.2", "Bytes that come one at a time mean what they mean at once", (kit) =>
    Effect.gen(function* () {
      const visitor = yield* busy(kit)
      visitor.peer.wire.alter(oneByteAtATime)
      yield* Effect.ensuring(
        goesOn(kit, visitor),
        Effect.sync(() => visitor.peer.wire.leave())
      )
    })
  ),

  rule(
    "client-setup.error",
    "3.6.3",
    "After SetupConnection.Error, of whatever code, the client does not go on",
    (kit) =>
      Effect.gen(function* () {
        const visitor = yield* greeted(kit)
        yield* answer(visitor, setupError("conformance-test-refusal", 0))
        yield* visitor.peer.expectNone(...firstMessagesOf(kit))
      })
  ),

  rule("client-setup.version-chosen", "3.6.2", "A version that the client did not propose is not taken", (kit) =>
    Effect.gen(function* () {
      const visitor = yield* greeted(kit)
      yield* answer(visitor, setupSuccess(0, (visitor.setup.maxVersion + 7) & 0xffff))
      yield* visitor.peer.expectNone(...firstMessagesOf(kit))
    })
  ),

  rule("client-frames.bad-tag", "4.6", "A frame that was changed on its way ends the connection", (kit) =>
    Effect.gen(function* () {
      yield* onlyEncrypted(kit)
      const visitor = yield* greeted(kit)
      const { peer } = visitor
      peer.wire.alter(lastBitFlipped)
      yield* answer(visitor, setupSuccess(0))
      yield* peer.expectNone(...firstMessagesOf(kit))
      yield* peer.expectEnd
    })
  ),

  rule("client-frames.too-long", "3.2", "A frame that claims 16 MB is not taken for one of its first bytes", (kit) =>
    Effect.gen(function* () {
      const visitor = yield* greeted(kit)
      const { peer } = visitor
      const success = setupSuccess(0)
      success.fill(0xff, 3, 6)
      if (kit.encrypted) {
        // Whole for the encryption, of which only the beginning goes.
        const whole = new Uint8Array(Frame.headerSize + Frame.maxPayload)
        whole.set(success)
        peer.wire.alter((bytes) => [bytes.slice(0, 64)])
        yield* answer(visitor, whole)
      } else yield* answer(visitor, success)
      yield* peer.expectNone(...firstMessagesOf(kit))
      if (yield* peer.ends) return
      return yield* new RuleSkipped({
        why: "the client sets no limit to a frame before the setup: it waits for the rest"
      })
    })
  ),

  ...(
    [
      ["authority", "4.5.3", "that another authority has signed"],
      ["expired", "4.5.3", "whose time is over"],
      ["not-yet-valid", "4.5.3", "whose time is to come"],
      ["version", "4.5.3", "whose version was changed"]
    ] as const
  ).map(([forgery, section, which]) =>
    rule(`client-noise.${forgery}`, section, `A server with a certificate ${which} is not trusted`, (kit) =>
      Effect.gen(function* () {
        yield* onlyEncrypted(kit)
        yield* refuses(kit, { forgery })
      })
    )
  ),

  rule("client-noise.act-changed", "4.5", "A handshake that was changed on its way is not gone on with", (kit) =>
    Effect.gen(function* () {
      yield* onlyEncrypted(kit)
      yield* refuses(kit, { alter: lastBitFlipped })
    })
  ),

  rule("client-noise.in-pieces", "4.5.2", "Act 2 one byte at a time is as good as at once", (kit) =>
    Effect.gen(function* () {
      yield* onlyEncrypted(kit)
      const { peer } = yield* kit.accept({ alter: oneByteAtATime })
      yield* peer.expect(Common.SetupConnection)
    })
  )
]

const onlyEncrypted = (kit: ClientKit): Effect.Effect<void, RuleSkipped> =>
  kit.encrypted ? Effect.void : Effect.fail(new RuleSkipped({ why: "the client is served without Noise" }))

/** With what a client begins that takes itself for connected. */
const firstMessagesOf = ({ protocol }: ClientKit) =>
  protocol === "mining"
    ? [Mining.OpenStandardMiningChannel, Mining.OpenExtendedMiningChannel]
    : [TemplateDistribution.CoinbaseOutputConstraints]
