/** Rules for a mining server: opening, changing and closing channels (5.2, 5.3.2 to 5.3.10). */
import { Target } from "@sluice/core"
import { Frame, Mining } from "@sluice/protocol"
import { Effect } from "effect"
import {
  type ChannelKind,
  isFor,
  mine,
  openChannel,
  openFrame,
  openOn,
  setUpFor,
  shareFrame,
  ZERO_TARGET
} from "./mining-session.ts"
import { type Rule, serverRule } from "../rule.ts"
import { expectThat, skipWhereRefused } from "./setup-session.ts"

const rule = serverRule("mining")

const KINDS = ["standard", "extended"] as const
const A = { standard: "a standard", extended: "an extended" } as const
const SECTION_OF_SUCCESS = { standard: "5.3.3", extended: "5.3.5" } as const

/** A check that succeeds if the server refuses to open the channel. */
const refusesToOpen = (kind: ChannelKind, options: Parameters<typeof openFrame>[2], flags = 0): Rule["check"] =>
  Effect.fnUntraced(function* (kit) {
    const { peer } = yield* setUpFor(kit, kind, flags)
    yield* peer.send(openFrame(kit, kind, { requestId: 31, ...options }))
    const answer = yield* peer.expect(
      Mining.OpenMiningChannelError,
      Mining.OpenStandardMiningChannelSuccess,
      Mining.OpenExtendedMiningChannelSuccess
    )
    yield* expectThat(answer._tag === "OpenMiningChannel.Error", "OpenMiningChannel.Error", answer._tag)
    yield* expectThat(answer.requestId === 31, "the request's id, 31", `${answer.requestId}`)
  })

export const channelRules: ReadonlyArray<Rule> = [
  ...KINDS.flatMap((kind) => [
    rule(
      `open.${kind}`,
      SECTION_OF_SUCCESS[kind],
      `A request for ${A[kind]} channel gets Success with its request_id`,
      (kit) =>
        Effect.gen(function* () {
          const { peer } = yield* setUpFor(kit, kind)
          const { requestId } = yield* openOn(kit, peer, kind, { requestId: 0xfffffffe })
          yield* expectThat(requestId === 0xfffffffe, "request_id 4294967294", `${requestId}`)
        })
    ),
    rule(
      `open.${kind}-target`,
      "5.3.2",
      `The target of ${A[kind]} channel is at most the requested max_target, or the server refuses the channel`,
      (kit) =>
        Effect.gen(function* () {
          const { peer } = yield* setUpFor(kit, kind)
          // Difficulty 256: harder than the announced hash rate asks for, and still possible.
          const maxTarget = new Uint8Array(32).fill(0xff, 0, 27)
          yield* peer.send(openFrame(kit, kind, { maxTarget }))
          const answer = yield* peer.expect(
            Mining.OpenMiningChannelError,
            Mining.OpenStandardMiningChannelSuccess,
            Mining.OpenExtendedMiningChannelSuccess
          )
          if (answer._tag === "OpenMiningChannel.Error") return
          const holds = Target.compareU256(answer.target, 0, maxTarget, 0) <= 0
          yield* expectThat(holds, `a target of at most ${numberOf(maxTarget)}`, numberOf(answer.target))
        })
    )
  ]),

  rule("open.extranonce-size", "5.3.4", "An extended channel has at least the requested min_extranonce_size", (kit) =>
    Effect.gen(function* () {
      const { peer } = yield* setUpFor(kit, "extended")
      for (const [requestId, minExtranonceSize] of [0, 4, 8].entries()) {
        yield* peer.send(openFrame(kit, "extended", { requestId, minExtranonceSize }))
        const answer = yield* peer.expect(Mining.OpenMiningChannelError, Mining.OpenExtendedMiningChannelSuccess)
        if (answer._tag === "OpenMiningChannel.Error") continue
        const { extranonceSize } = answer
        yield* expectThat(
          extranonceSize >= minExtranonceSize,
          `at least ${minExtranonceSize} bytes of extranonce`,
          `${extranonceSize}`
        )
      }
    })
  ),

  rule("open.full-extranonce", "5.3.12", "Prefix and extranonce of a channel have at most 32 bytes together", (kit) =>
    Effect.gen(function* () {
      const { peer } = yield* setUpFor(kit, "extended")
      const { extranoncePrefix, extranonceSize } = asExtended(yield* openOn(kit, peer, "extended"))
      const size = extranoncePrefix.length + extranonceSize
      yield* expectThat(size <= Mining.MAX_EXTRANONCE_SIZE, `at most ${Mining.MAX_EXTRANONCE_SIZE} bytes`, `${size}`)
    })
  ),

  rule(
    "open.too-much-extranonce",
    "5.3.4",
    "An extranonce longer than 32 bytes is refused with OpenMiningChannel.Error",
    refusesToOpen("extended", { minExtranonceSize: 33 })
  ),

  rule(
    "open.zero-target",
    "5.3.2",
    "A max_target of 0, which no hash can meet, is refused with OpenMiningChannel.Error",
    refusesToOpen("extended", { maxTarget: ZERO_TARGET })
  ),

  rule(
    "open.extended-for-standard-jobs",
    "5.3.1",
    "A connection that requires standard jobs gets no extended channel",
    refusesToOpen("extended", {}, Mining.REQUIRES_STANDARD_JOBS)
  ),

  rule(
    "open.usable-after-error",
    "5.3.6",
    "After OpenMiningChannel.Error the connection can open other channels",
    (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* setUpFor(kit, "extended")
        yield* peer.send(openFrame(kit, "extended", { maxTarget: ZERO_TARGET }))
        yield* peer.expect(Mining.OpenMiningChannelError)
        yield* openOn(kit, peer, "extended", { requestId: 2 })
      })
  ),

  rule("channels.unique-id", "5.2", "No two channels of a connection have the same id", (kit) =>
    Effect.gen(function* () {
      const { peer } = yield* setUpFor(kit, "extended")
      const ids: Array<number> = []
      for (const requestId of [1, 2, 3]) ids.push((yield* openOn(kit, peer, "extended", { requestId })).channelId)
      yield* expectThat(new Set(ids).size === ids.length, "three different channel ids", ids.join(", "))
    })
  ),

  rule(
    "channels.unique-prefix",
    "5.1.2.1",
    "Channels do not share search space: no prefix is the beginning of another's",
    (kit) =>
      Effect.gen(function* () {
        const first = yield* setUpFor(kit, "extended")
        const second = yield* setUpFor(kit, "extended")
        const prefixes: Array<string> = []
        for (const [requestId, { peer }] of [first, first, second, second].entries()) {
          prefixes.push(hexOf((yield* openOn(kit, peer, "extended", { requestId })).extranoncePrefix))
        }
        const clash = prefixes.find((one, index) => prefixes.some((other, at) => at !== index && other.startsWith(one)))
        yield* expectThat(clash === undefined, "four prefixes that differ, on two connections", prefixes.join(", "))
      })
  ),

  rule("groups.unique-id", "5.2.3", "A group's id is not the id of a channel", (kit) =>
    Effect.gen(function* () {
      const { peer } = yield* setUpFor(kit, "extended")
      const first = yield* openOn(kit, peer, "extended", { requestId: 1 })
      const second = yield* openOn(kit, peer, "extended", { requestId: 2 })
      const channels = [first.channelId, second.channelId]
      const groups = [first.groupChannelId, second.groupChannelId]
      const clash = groups.some((group) => channels.includes(group))
      yield* expectThat(!clash, `no group among channels ${channels.join(", ")}`, `groups ${groups.join(", ")}`)
    })
  ),

  rule("groups.extranonce-size", "5.2.3", "All channels of a group have full extranonces of the same size", (kit) =>
    Effect.gen(function* () {
      const { peer } = yield* setUpFor(kit, "standard")
      const standard = yield* openOn(kit, peer, "standard", { requestId: 1 })
      const extended = asExtended(yield* openOn(kit, peer, "extended", { requestId: 2 }))
      if (standard.groupChannelId !== extended.groupChannelId) return
      const sizes = [standard.extranoncePrefix.length, extended.extranoncePrefix.length + extended.extranonceSize]
      yield* expectThat(
        sizes[0] === sizes[1],
        "the same size for a standard and an extended channel",
        sizes.join(" and ")
      )
    })
  ),

  rule(
    "update.unknown-channel",
    "5.3.8",
    "UpdateChannel for a channel that is not open gets UpdateChannel.Error",
    (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* setUpFor(kit, "extended")
        const { channelId } = yield* openOn(kit, peer, "extended")
        const unknown = (channelId ^ 0x5a5a5a) >>> 0
        yield* peer.send(updateFrame(unknown, kit.nominalHashRate, new Uint8Array(32).fill(0xff)))
        const error = yield* peer.expect(Mining.UpdateChannelError)
        yield* expectThat(error.channelId === unknown, `channel_id ${unknown}`, `${error.channelId}`)
      })
  ),

  rule(
    "update.smaller-target",
    "5.3.7",
    "The server answers a maximum_target below the current target with SetTarget",
    (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* setUpFor(kit, "extended")
        const opened = yield* openOn(kit, peer, "extended")
        const maximumTarget = halfOf(halfOf(opened.target))
        yield* peer.send(updateFrame(opened.channelId, kit.nominalHashRate, maximumTarget))
        const answer = yield* peer.expect(Mining.SetTarget, Mining.UpdateChannelError)
        if (answer._tag === "UpdateChannel.Error") {
          return yield* expectThat(false, "SetTarget", `UpdateChannel.Error "${answer.errorCode}"`)
        }
        yield* expectThat(
          isFor(opened, answer),
          `a SetTarget for channel ${opened.channelId}`,
          `one for ${answer.channelId}`
        )
        const holds = Target.compareU256(answer.maximumTarget, 0, maximumTarget, 0) <= 0
        yield* expectThat(holds, `a target of at most ${numberOf(maximumTarget)}`, numberOf(answer.maximumTarget))
      })
  ),

  rule(
    "update.hash-rate",
    "5.3.8",
    "UpdateChannel with a hash rate that is not a number gets UpdateChannel.Error",
    (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* setUpFor(kit, "extended")
        const { channelId, target } = yield* openOn(kit, peer, "extended")
        const update = updateFrame(channelId, 1, target)
        // F32, behind the header and channel_id.
        new DataView(update.buffer).setFloat32(Frame.headerSize + 4, NaN, true)
        yield* peer.send(update)
        const error = yield* peer.expect(Mining.UpdateChannelError)
        yield* expectThat(error.channelId === channelId, `channel_id ${channelId}`, `${error.channelId}`)
      })
  ),

  rule("close.shares", "5.3.9", "A share for a channel that the client has closed is not accepted", (kit) =>
    Effect.gen(function* () {
      const channel = yield* openChannel(kit, "extended")
      const share = yield* mine(kit, channel)
      const { channelId, peer } = channel
      const close = Mining.CloseChannel.codec.encode(Mining.CloseChannel.make({ channelId, reasonCode: "conformance" }))
      yield* peer.send(close, shareFrame("extended", share))
      const answer = yield* peer.maybe(Mining.SubmitSharesSuccess, Mining.SubmitSharesError)
      yield* expectThat(answer?._tag !== "SubmitShares.Success", "no SubmitShares.Success", "SubmitShares.Success")
    })
  ),

  rule("close.group", "5.3.9", "Closing a group closes all of its channels", (kit) =>
    Effect.gen(function* () {
      const channel = yield* openChannel(kit, "extended")
      const share = yield* mine(kit, channel)
      const { opened, peer } = channel
      const close = { channelId: opened.groupChannelId, reasonCode: "conformance" }
      yield* peer.send(Mining.CloseChannel.codec.encode(Mining.CloseChannel.make(close)), shareFrame("extended", share))
      const answer = yield* peer.maybe(Mining.SubmitSharesSuccess, Mining.SubmitSharesError)
      yield* expectThat(answer?._tag !== "SubmitShares.Success", "no SubmitShares.Success", "SubmitShares.Success")
    })
  ),

  ...(
    [
      [
        "custom.unknown-token",
        "SetCustomMiningJob with a token that the server never issued gets SetCustomMiningJob.Error",
        0
      ],
      [
        "custom.unknown-channel",
        "SetCustomMiningJob for a channel that is not open gets SetCustomMiningJob.Error",
        0x5a5a5a
      ]
    ] as const
  ).map(([id, title, otherBits]) =>
    rule(id, "5.3.20", title, (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* skipWhereRefused("REQUIRES_WORK_SELECTION")(
          setUpFor(kit, "extended", Mining.REQUIRES_WORK_SELECTION)
        )
        const opened = yield* openOn(kit, peer, "extended")
        const channelId = (opened.channelId ^ otherBits) >>> 0
        yield* peer.send(customJobFrame(channelId, 815))
        const answer = yield* peer.expect(Mining.SetCustomMiningJobError, Mining.SetCustomMiningJobSuccess)
        yield* expectThat(answer._tag === "SetCustomMiningJob.Error", "SetCustomMiningJob.Error", answer._tag)
        yield* expectThat(answer.requestId === 815, "the request's id, 815", `${answer.requestId}`)
        yield* expectThat(answer.channelId === channelId, `channel_id ${channelId}`, `${answer.channelId}`)
      })
    )
  ),

  rule("close.others", "5.3.9", "Closing a channel leaves the others of its connection open", (kit) =>
    Effect.gen(function* () {
      const channel = yield* openChannel(kit, "extended")
      const { peer } = channel
      const other = yield* openOn(kit, peer, "extended", { requestId: 2 })
      const close = { channelId: other.channelId, reasonCode: "conformance" }
      const share = yield* mine(kit, channel)
      yield* peer.send(Mining.CloseChannel.codec.encode(Mining.CloseChannel.make(close)), shareFrame("extended", share))
      const answer = yield* peer.expect(Mining.SubmitSharesSuccess, Mining.SubmitSharesError)
      yield* expectThat(answer._tag === "SubmitShares.Success", "SubmitShares.Success", answer._tag)
    })
  )
]

const asExtended = (opened: Mining.OpenStandardMiningChannelSuccess | Mining.OpenExtendedMiningChannelSuccess) =>
  opened as Mining.OpenExtendedMiningChannelSuccess

const updateFrame = (channelId: number, nominalHashRate: number, maximumTarget: Uint8Array): Uint8Array =>
  Mining.UpdateChannel.codec.encode(Mining.UpdateChannel.make({ channelId, nominalHashRate, maximumTarget }))

/** A well-formed custom job with a token that no server issued. */
const customJobFrame = (channelId: number, requestId: number): Uint8Array =>
  Mining.SetCustomMiningJob.codec.encode(
    Mining.SetCustomMiningJob.make({
      channelId,
      requestId,
      miningJobToken: new TextEncoder().encode("conformance"),
      version: 0x20000000,
      prevHash: new Uint8Array(32).fill(1),
      minNtime: 1_785_000_000,
      nbits: 0x1d00ffff,
      coinbaseTxVersion: 2,
      coinbasePrefix: Uint8Array.of(3, 1, 2, 3),
      coinbaseTxInputNSequence: 0xffffffff,
      // One output: OP_RETURN with value 0.
      coinbaseTxOutputs: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x6a),
      coinbaseTxLocktime: 0,
      merklePath: []
    })
  )

/** A little-endian number divided by two. */
const halfOf = (number: Uint8Array): Uint8Array =>
  number.map((byte, index) => (byte >> 1) | (((number[index + 1] ?? 0) & 1) << 7))

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
/** In hex, most significant byte first. */
const numberOf = (littleEndian: Uint8Array): string => hexOf(littleEndian.toReversed())
