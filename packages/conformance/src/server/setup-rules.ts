/** Rules for the server of any protocol: framing, SetupConnection, extensions (3.2 to 3.6, extension 0x0001). */
import { Common, ExtensionsNegotiation, Frame, JobDeclaration, Mining, TemplateDistribution } from "@sluice/protocol"
import { Effect } from "effect"
import type { Peer } from "../peer.ts"
import { type Kit, type Rule, serverRule } from "../rule.ts"
import { ask, expectThat, setupFrame, setUp } from "./setup-session.ts"
import { type RuleBroken, RuleSkipped } from "../verdict.ts"

const rule = serverRule("common")

const ALL_FLAGS = 0xffffffff
/** An extension of the experimental range (3.4), which no server knows. */
const UNKNOWN_EXTENSION = 0x7abc

export const setupRules: ReadonlyArray<Rule> = [
  rule("setup.answer", "3.6.1", "The server answers a valid SetupConnection with SetupConnection.Success", (kit) =>
    Effect.asVoid(setUp(kit))
  ),

  rule("setup.version", "3.6.2", "used_version is a version that the client proposed", (kit) =>
    Effect.gen(function* () {
      const { answer } = yield* ask(kit, { minVersion: 2, maxVersion: 9 })
      if (answer._tag === "SetupConnection.Error") {
        return yield* expectThat(false, "Success, as version 2 was among those proposed", `Error "${answer.errorCode}"`)
      }
      yield* expectThat(answer.usedVersion === 2, "used_version 2, the only one there is", `${answer.usedVersion}`)
    })
  ),

  ...(
    [
      ["setup.version-too-new", "A client that speaks only later versions gets SetupConnection.Error", 0xfff0],
      ["setup.version-too-old", "A client that speaks only version 1 gets SetupConnection.Error", 1]
    ] as const
  ).map(([id, title, version]) =>
    rule(id, "3.6.3", title, (kit) =>
      Effect.gen(function* () {
        const { answer } = yield* ask(kit, { minVersion: version, maxVersion: version })
        if (answer._tag === "SetupConnection.Success") {
          return yield* expectThat(false, "SetupConnection.Error", `Success with version ${answer.usedVersion}`)
        }
        yield* expectThat(answer.flags === 0, "flags 0, as the error is about no flag", `flags ${answer.flags}`)
      })
    )
  ),

  rule("setup.unknown-protocol", "3.6.1", "A protocol that does not exist gets SetupConnection.Error", (kit) =>
    Effect.gen(function* () {
      const { answer } = yield* ask(kit, { protocol: 0x7f })
      yield* expectThat(answer._tag === "SetupConnection.Error", "SetupConnection.Error", answer._tag)
    })
  ),

  rule("setup.error-ends", "3.6.3", "After SetupConnection.Error the server closes the connection", (kit) =>
    Effect.gen(function* () {
      const { answer, peer } = yield* ask(kit, { minVersion: 0xfff0, maxVersion: 0xfff0 })
      yield* expectThat(answer._tag === "SetupConnection.Error", "SetupConnection.Error", answer._tag)
      yield* peer.expectEnd
    })
  ),

  rule(
    "setup.error-lists-flags",
    "3.6.3",
    "SetupConnection.Error lists all flags that the server does not support",
    (kit) =>
      Effect.gen(function* () {
        const { answer } = yield* ask(kit, { flags: ALL_FLAGS })
        if (answer._tag === "SetupConnection.Success") {
          return yield* new RuleSkipped({ why: "the server accepts a connection with all flags set" })
        }
        yield* expectThat(answer.flags !== 0, "the flags that are not supported", "flags 0")
        const { answer: second } = yield* ask(kit, { flags: (ALL_FLAGS & ~answer.flags) >>> 0 })
        const left = second._tag === "SetupConnection.Error" ? second.flags : 0
        yield* expectThat(left === 0, "all of them in the first Error", `flags 0x${left.toString(16)} in the next one`)
      })
  ),

  rule("setup.flags-consistent", "3.6.3", "The server supports the same flags on every connection", (kit) =>
    Effect.gen(function* () {
      const flagsOf = ({ answer }: Effect.Success<ReturnType<typeof ask>>) =>
        answer._tag === "SetupConnection.Error" ? answer.flags : 0
      const first = flagsOf(yield* ask(kit, { flags: ALL_FLAGS }))
      const second = flagsOf(yield* ask(kit, { flags: ALL_FLAGS }))
      yield* expectThat(first === second, `flags 0x${first.toString(16)} again`, `flags 0x${second.toString(16)}`)
    })
  ),

  rule("setup.first", "3.6.1", "The server serves nothing before SetupConnection", (kit) =>
    Effect.gen(function* () {
      const peer = yield* kit.connect
      yield* peer.send(firstRequest(kit))
      yield* peer.expectNone(
        Mining.OpenExtendedMiningChannelSuccess,
        Mining.NewMiningJob,
        Mining.NewExtendedMiningJob,
        JobDeclaration.AllocateMiningJobTokenSuccess,
        TemplateDistribution.NewTemplate,
        TemplateDistribution.SetNewPrevHash
      )
    })
  ),

  rule(
    "setup.trailing-bytes",
    "3.4.3",
    "The server accepts a message with bytes behind the fields that it knows",
    (kit) =>
      Effect.gen(function* () {
        const peer = yield* kit.connect
        const frame = setupFrame(kit)
        const tail = Uint8Array.of(0xbc, 0x7a, 0x01, 0x02, 0x00, 0xaa, 0xbb)
        const longer = new Uint8Array(frame.length + tail.length)
        longer.set(frame)
        longer.set(tail, frame.length)
        new DataView(longer.buffer).setUint16(3, longer.length - Frame.headerSize, true)
        yield* peer.send(longer)
        yield* peer.expect(Common.SetupConnectionSuccess)
      })
  ),

  rule(
    "frames.channel-bit-of-setup",
    "3.2.1",
    "Messages of the setup have no channel bit and extension type 0",
    (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* setUp(kit)
        const [frame] = peer.seen
        yield* expectThat(frame?.extensionType === 0, "extension_type 0x0000", `0x${frame?.extensionType.toString(16)}`)
      })
  ),

  rule(
    "extensions.unknown-message",
    "3.4.1",
    "The server discards a message of an unknown extension and keeps the connection open",
    (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* setUp(kit)
        const unknown = (type: number) =>
          Uint8Array.of(UNKNOWN_EXTENSION & 0xff, UNKNOWN_EXTENSION >> 8, type, 2, 0, 0, 1, 2)
        yield* peer.send(unknown(0x00), unknown(0x10), unknown(0xff))
        yield* serves(kit, peer)
      })
  ),

  rule(
    "extensions.negotiation",
    "0x0001, 2",
    "The server answers RequestExtensions with the same request_id, or not at all",
    (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* setUp(kit)
        const { RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess } = ExtensionsNegotiation
        const requestedExtensions = [UNKNOWN_EXTENSION, 0x0002]
        yield* peer.send(
          RequestExtensions.codec.encode(RequestExtensions.make({ requestId: 4711, requestedExtensions }))
        )
        const answer = yield* peer.maybe(RequestExtensionsSuccess, RequestExtensionsError)
        if (answer !== undefined) {
          yield* expectThat(answer.requestId === 4711, "request_id 4711", `${answer.requestId}`)
          const named =
            answer._tag === "RequestExtensions.Success" ? answer.supportedExtensions : answer.unsupportedExtensions
          const strange = named.filter((id) => !requestedExtensions.includes(id))
          yield* expectThat(strange.length === 0, "only extensions that were requested", strange.join(", "))
          const claimed = answer._tag === "RequestExtensions.Success" && named.includes(UNKNOWN_EXTENSION)
          yield* expectThat(!claimed, "extension 0x7abc, which nobody knows, not supported", "supported")
        }
        if (answer?._tag !== "RequestExtensions.Error" || answer.requiredExtensions.length === 0)
          yield* serves(kit, peer)
      })
  )
]

/** The request that a client of the protocol begins with. */
const firstRequest = ({ nominalHashRate, protocolId, userIdentity }: Kit): Uint8Array => {
  const { AllocateMiningJobToken } = JobDeclaration
  const { CoinbaseOutputConstraints } = TemplateDistribution
  switch (protocolId) {
    case Common.MINING_PROTOCOL: {
      const maxTarget = new Uint8Array(32).fill(0xff)
      const open = { requestId: 9, userIdentity, nominalHashRate, maxTarget, minExtranonceSize: 0 }
      return Mining.OpenExtendedMiningChannel.codec.encode(Mining.OpenExtendedMiningChannel.make(open))
    }
    case Common.JOB_DECLARATION_PROTOCOL:
      return AllocateMiningJobToken.codec.encode(
        AllocateMiningJobToken.make({ userIdentifier: userIdentity, requestId: 9 })
      )
    case Common.TEMPLATE_DISTRIBUTION_PROTOCOL:
      return CoinbaseOutputConstraints.codec.encode(
        CoinbaseOutputConstraints.make({ coinbaseOutputMaxAdditionalSize: 100, coinbaseOutputMaxAdditionalSigops: 0 })
      )
  }
}

/** Checks that the connection still works: the server answers the first request of the protocol. */
const serves = (kit: Kit, peer: Peer): Effect.Effect<void, RuleBroken> =>
  Effect.andThen(
    peer.send(firstRequest(kit)),
    Effect.asVoid(
      peer.expect(
        Mining.OpenExtendedMiningChannelSuccess,
        Mining.OpenMiningChannelError,
        JobDeclaration.AllocateMiningJobTokenSuccess,
        TemplateDistribution.NewTemplate
      )
    )
  )
