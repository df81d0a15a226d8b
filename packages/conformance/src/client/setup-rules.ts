/** Rules for the client of any protocol: SetupConnection, extensions, frames (3.2 to 3.6). */
import { Common, Frame, JobDeclaration, Mining, TemplateDistribution } from "@sluice/protocol"
import { Effect } from "effect"
import { lastBitFlipped, oneByteAtATime } from "../wire.ts"
import { type ClientKit, type ClientRule, clientRule } from "./kit.ts"
import { observedIn } from "./observed.ts"
import { workingClient, expectWork } from "./busy.ts"
import { answer, receiveSetup, expectNoTrust, setupError, setupSuccess } from "./reception.ts"
import { RuleSkipped } from "../verdict.ts"

const rule = clientRule("common")
const observed = observedIn("common")

/** An extension of the experimental range (3.4), which no client knows. */
const UNKNOWN_EXTENSION = 0x7abc

export const clientSetupRules: ReadonlyArray<ClientRule> = [
  observed("client-setup.first", "3.6.1", "The first message is SetupConnection", "no message came"),
  observed(
    "client-setup.once",
    "3.6.1",
    "The client sends SetupConnection once",
    "no message came after SetupConnection"
  ),
  observed("client-setup.patience", "5.3.2", "The client sends nothing before the answer to SetupConnection"),
  observed("client-setup.versions", "3.6.1", "Version 2 is between min_version and max_version"),
  observed(
    "client-setup.flags",
    "3.6.3",
    "The client sets no undefined flags, or none again after SetupConnection.Error listed them"
  ),
  observed("client-setup.vendor", "3.6.1", "SetupConnection names the vendor"),
  observed("client-setup.endpoint", "3.6.1", "endpoint_host is the server's host in ASCII"),
  observed("client-frames.channel-bit", "3.2.1", "Messages for a channel have the channel bit, others do not"),
  observed("client-frames.direction", "3.2", "The client sends only messages to a server of the protocol"),
  observed("client-frames.readable", "3.1", "Every message is readable: it has all its fields, with valid lengths"),
  observed(
    "client-extensions.first",
    "0x0001, 4",
    "The client sends RequestExtensions before all other messages of the protocol",
    "the client requested no extensions"
  ),
  observed(
    "client-extensions.negotiated",
    "3.4.2",
    "The client sends no messages of extensions that were not negotiated"
  ),

  rule(
    "client-extensions.unknown-message",
    "3.4.1",
    "The client discards messages of an unknown extension, for a channel or not, and stays connected",
    (kit) =>
      Effect.gen(function* () {
        const visitor = yield* workingClient(kit)
        const unknown = (extension: number, type: number) =>
          Uint8Array.of(extension & 0xff, extension >> 8, type, 4, 0, 0, 1, 0, 0, 0)
        const forChannel = UNKNOWN_EXTENSION | Frame.channelBit
        yield* visitor.peer.send(
          unknown(UNKNOWN_EXTENSION, 0x00),
          unknown(UNKNOWN_EXTENSION, 0x20),
          unknown(forChannel, 0x01)
        )
        yield* expectWork(kit, visitor)
      })
  ),

  rule(
    "client-frames.unknown-message",
    "3.4.1",
    "The client discards a message of an unknown type and stays connected",
    (kit) =>
      Effect.gen(function* () {
        const visitor = yield* workingClient(kit)
        yield* visitor.peer.send(Uint8Array.of(0, 0, 0xfe, 2, 0, 0, 1, 2))
        yield* expectWork(kit, visitor)
      })
  ),

  rule("client-frames.in-pieces", "3.2", "The client reads bytes that come one at a time", (kit) =>
    Effect.gen(function* () {
      const visitor = yield* workingClient(kit)
      visitor.peer.wire.alter(oneByteAtATime)
      yield* Effect.ensuring(
        expectWork(kit, visitor),
        Effect.sync(() => visitor.peer.wire.leave())
      )
    })
  ),

  rule(
    "client-setup.error",
    "3.6.3",
    "After SetupConnection.Error, whatever its code, the client does not go on",
    (kit) =>
      Effect.gen(function* () {
        const visitor = yield* receiveSetup(kit)
        yield* answer(visitor, setupError("conformance-test-refusal", 0))
        yield* visitor.peer.expectNone(...firstMessagesOf(kit))
      })
  ),

  rule("client-setup.version-chosen", "3.6.2", "The client does not accept a version that it did not propose", (kit) =>
    Effect.gen(function* () {
      const visitor = yield* receiveSetup(kit)
      yield* answer(visitor, setupSuccess(0, (visitor.setup.maxVersion + 7) & 0xffff))
      yield* visitor.peer.expectNone(...firstMessagesOf(kit))
    })
  ),

  rule("client-frames.bad-tag", "4.6", "The client ends the connection on a frame that was changed on the way", (kit) =>
    Effect.gen(function* () {
      yield* onlyEncrypted(kit)
      const visitor = yield* receiveSetup(kit)
      const { peer } = visitor
      peer.wire.alter(lastBitFlipped)
      yield* answer(visitor, setupSuccess(0))
      yield* peer.expectNone(...firstMessagesOf(kit))
      yield* peer.expectEnd
    })
  ),

  rule(
    "client-frames.too-long",
    "3.2",
    "The client does not act on the first bytes of a frame that claims 16 MB",
    (kit) =>
      Effect.gen(function* () {
        const visitor = yield* receiveSetup(kit)
        const { peer } = visitor
        const success = setupSuccess(0)
        success.fill(0xff, 3, 6)
        if (kit.encrypted) {
          // Encrypts a whole frame and sends only its beginning.
          const whole = new Uint8Array(Frame.headerSize + Frame.maxPayload)
          whole.set(success)
          peer.wire.alter((bytes) => [bytes.slice(0, 64)])
          yield* answer(visitor, whole)
        } else yield* answer(visitor, success)
        yield* peer.expectNone(...firstMessagesOf(kit))
        if (yield* peer.ends) return
        return yield* new RuleSkipped({
          why: "the client does not limit frames before the setup: it waits for the rest"
        })
      })
  ),

  ...(
    [
      ["authority", "4.5.3", "a certificate that another authority signed"],
      ["expired", "4.5.3", "an expired certificate"],
      ["not-yet-valid", "4.5.3", "a certificate that is not valid yet"],
      ["version", "4.5.3", "a certificate whose version was changed"]
    ] as const
  ).map(([forgery, section, which]) =>
    rule(`client-noise.${forgery}`, section, `The client does not trust a server with ${which}`, (kit) =>
      Effect.gen(function* () {
        yield* onlyEncrypted(kit)
        yield* expectNoTrust(kit, { forgery })
      })
    )
  ),

  rule(
    "client-noise.act-changed",
    "4.5",
    "The client does not go on with a handshake that was changed on the way",
    (kit) =>
      Effect.gen(function* () {
        yield* onlyEncrypted(kit)
        yield* expectNoTrust(kit, { alter: lastBitFlipped })
      })
  ),

  rule("client-noise.in-pieces", "4.5.2", "The client reads act 2 one byte at a time", (kit) =>
    Effect.gen(function* () {
      yield* onlyEncrypted(kit)
      const { peer } = yield* kit.accept({ alter: oneByteAtATime })
      yield* peer.expect(Common.SetupConnection)
    })
  )
]

const onlyEncrypted = (kit: ClientKit): Effect.Effect<void, RuleSkipped> =>
  kit.encrypted ? Effect.void : Effect.fail(new RuleSkipped({ why: "the client is served without Noise" }))

/** The messages that a client may send first once it considers itself connected. */
const firstMessagesOf = ({ protocol }: ClientKit) => FIRST_MESSAGES[protocol]

const FIRST_MESSAGES = {
  mining: [Mining.OpenStandardMiningChannel, Mining.OpenExtendedMiningChannel],
  "job-declaration": [JobDeclaration.AllocateMiningJobToken],
  "template-distribution": [TemplateDistribution.CoinbaseOutputConstraints]
}
