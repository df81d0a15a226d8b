/** Rules for a mining server: shares, and what is said of them (5.3.11 to 5.3.14). */
import { ErrorCode, Mining } from "@sluice/protocol"
import { Effect } from "effect"
import {
  type ChannelKind,
  isFor,
  mine,
  openChannel,
  plainShare,
  type Share,
  shareFrame,
  type WorkingChannel
} from "./mining-session.ts"
import { type Kit, type Rule, serverRule } from "../rule.ts"
import { insist } from "./setup-session.ts"
import { RuleSkipped } from "../verdict.ts"

const rule = serverRule("mining")

const SEQUENCE_NUMBER = 77
const A = { standard: "a standard", extended: "an extended" } as const

/** Submits and insists on the answer: to this share, of this channel. */
const isAccepted = Effect.fnUntraced(function* (channel: WorkingChannel, share: Share) {
  const { channelId, kind, peer } = channel
  yield* peer.send(shareFrame(kind, share))
  const answer = yield* peer.expect(Mining.SubmitSharesSuccess, Mining.SubmitSharesError)
  if (answer._tag === "SubmitShares.Error") {
    return yield* insist(false, "SubmitShares.Success", `SubmitShares.Error "${answer.errorCode}"`)
  }
  yield* insist(answer.channelId === channelId, `channel_id ${channelId}`, `${answer.channelId}`)
  const { lastSequenceNumber, newSubmitsAcceptedCount } = answer
  yield* insist(
    lastSequenceNumber === share.sequenceNumber,
    `last_sequence_number ${share.sequenceNumber}`,
    `${lastSequenceNumber}`
  )
  yield* insist(newSubmitsAcceptedCount === 1, "new_submits_accepted_count 1", `${newSubmitsAcceptedCount}`)
})

const isRefused = Effect.fnUntraced(function* (channel: WorkingChannel, share: Share, changes: Partial<Share> = {}) {
  const { kind, peer } = channel
  yield* peer.send(shareFrame(kind, share, changes))
  const answer = yield* peer.expect(Mining.SubmitSharesError, Mining.SubmitSharesSuccess)
  if (answer._tag === "SubmitShares.Success") return yield* insist(false, "SubmitShares.Error", answer._tag)
  const { sequenceNumber } = { ...share, ...changes }
  yield* insist(
    answer.sequenceNumber === sequenceNumber,
    `sequence_number ${sequenceNumber}`,
    `${answer.sequenceNumber}`
  )
  // Code points below 0x20 and from 0x7f to 0x9f (3.5).
  const printable = [...answer.errorCode].every((letter) => /^\P{Cc}$/u.test(letter))
  yield* insist(printable, "an error code without control characters (3.5)", JSON.stringify(answer.errorCode))
})

/** A share is refused that is good but for the changes: its hash meets the target with them. */
const refused = (
  id: string,
  section: string,
  title: string,
  kind: ChannelKind,
  change: (channel: WorkingChannel, plain: ReturnType<typeof plainShare>) => Partial<Share>
): Rule =>
  rule(id, section, title, (kit) =>
    Effect.gen(function* () {
      const channel = yield* openChannel(kit, kind)
      const changes = change(channel, plainShare(channel))
      yield* isRefused(channel, yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER, changes }))
    })
  )

export const shareRules: ReadonlyArray<Rule> = [
  ...(["standard", "extended"] as const).flatMap((kind) => [
    rule(
      `shares.accepted-${kind}`,
      "5.3.13",
      `A good share on ${A[kind]} channel is acknowledged with its sequence number`,
      (kit) =>
        Effect.gen(function* () {
          const channel = yield* openChannel(kit, kind)
          yield* isAccepted(channel, yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER }))
        })
    ),
    rule(`shares.difficulty-${kind}`, "5.3.21", `A share above the target of ${A[kind]} channel is refused`, (kit) =>
      Effect.gen(function* () {
        const channel = yield* openChannel(kit, kind)
        yield* isRefused(channel, yield* mine(kit, channel, { miss: true, sequenceNumber: SEQUENCE_NUMBER }))
      })
    ),
    rule(`shares.duplicate-${kind}`, "5.3.14", `The same share again on ${A[kind]} channel is refused`, (kit) =>
      Effect.gen(function* () {
        const channel = yield* openChannel(kit, kind)
        const share = yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER })
        yield* isAccepted(channel, share)
        yield* isRefused(channel, share, { sequenceNumber: SEQUENCE_NUMBER + 1 })
      })
    )
  ]),

  refused(
    "shares.unknown-job",
    "5.3.11",
    "A share for a job that was never sent is refused",
    "extended",
    ({ job }) => ({
      jobId: (job.jobId ^ 0x5a5a5a5a) >>> 0
    })
  ),
  refused(
    "shares.unknown-channel",
    "5.3.11",
    "A share for a channel that is not open is refused",
    "extended",
    (channel) => ({
      channelId: (channel.channelId ^ 0x5a5a5a5a) >>> 0
    })
  ),
  refused(
    "shares.extranonce-too-short",
    "5.3.12",
    "A share whose extranonce is shorter than agreed is refused",
    "extended",
    (_, { extranonce }) => ({
      extranonce: extranonce.subarray(1)
    })
  ),
  rule("shares.extranonce-too-long", "5.3.12", "A share whose extranonce is longer than agreed is refused", (kit) =>
    Effect.gen(function* () {
      const channel = yield* openChannel(kit, "extended")
      if (channel.extranonceSize >= Mining.MAX_EXTRANONCE_SIZE) {
        return yield* new RuleSkipped({ why: "the extranonce agreed on is as long as a message can have it" })
      }
      const extranonce = new Uint8Array(channel.extranonceSize + 1)
      // Good with all of it, for a server that takes it as it is, and good without its end, for one that cuts it.
      const whole = yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER, changes: { extranonce } })
      yield* isRefused(channel, whole)
      const cut = yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER + 1 })
      yield* isRefused(channel, cut, { extranonce })
    })
  ),
  refused(
    "shares.ntime-too-early",
    "5.3.11",
    "A share from before the previous hash's min_ntime is refused",
    "extended",
    ({ prevHash }) => ({
      ntime: prevHash.minNtime - 1
    })
  ),
  refused("shares.ntime-too-late", "5.3.11", "A share from hours ahead is refused", "extended", (_, { ntime }) => ({
    ntime: ntime + 4 * 3600
  })),
  refused(
    "shares.version-bits",
    "5.3.16",
    "A share that changes version bits which may not be rolled is refused",
    "extended",
    (_, { version }) => ({
      version: (version ^ 0x40000001) >>> 0
    })
  ),

  rule(
    "shares.version-fixed",
    "5.3.16",
    "Where version rolling is not allowed, a share of another version is refused",
    (kit) =>
      Effect.gen(function* () {
        const channel = yield* openChannel(kit, "extended")
        const { job } = channel
        if (job._tag === "NewExtendedMiningJob" && job.versionRollingAllowed) {
          return yield* new RuleSkipped({ why: "the server's jobs allow version rolling" })
        }
        const changes = { version: (job.version ^ 0x20) >>> 0 }
        yield* isRefused(channel, yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER, changes }))
      })
  ),

  rule(
    "shares.batch",
    "5.3.13",
    "Shares sent together are all counted, each once, up to the last sequence number",
    (kit) =>
      Effect.gen(function* () {
        const channel = yield* openChannel(kit, "extended")
        const { kind, peer } = channel
        const shares = yield* mineSeveral(kit, channel, 3)
        yield* peer.send(shareFrame(kind, shares[0]!), ...shares.slice(1).map((share) => shareFrame(kind, share)))
        let counted = 0
        while (counted < shares.length) {
          const answer = yield* peer.expect(Mining.SubmitSharesSuccess, Mining.SubmitSharesError)
          if (answer._tag === "SubmitShares.Error") {
            return yield* insist(false, "SubmitShares.Success", `SubmitShares.Error "${answer.errorCode}"`)
          }
          counted += answer.newSubmitsAcceptedCount
          const last = shares[counted - 1]?.sequenceNumber
          yield* insist(
            answer.lastSequenceNumber === last,
            last === undefined
              ? `${shares.length} shares in all`
              : `last_sequence_number ${last} for ${counted} shares`,
            last === undefined ? `${counted}` : `${answer.lastSequenceNumber}`
          )
        }
        yield* peer.expectNone(Mining.SubmitSharesSuccess, Mining.SubmitSharesError)
      })
  ),

  rule("shares.sum", "5.3.13", "new_shares_sum is the difficulty of the shares of its batch", (kit) =>
    Effect.gen(function* () {
      const channel = yield* openChannel(kit, "extended")
      const [first, second] = yield* mineSeveral(kit, channel, 2)
      const { kind, opened, peer } = channel
      const difficulty = difficultyOf(opened.target)
      for (const share of [first!, second!]) {
        yield* peer.send(shareFrame(kind, share))
        const answer = yield* peer.expect(Mining.SubmitSharesSuccess, Mining.SubmitSharesError)
        if (answer._tag === "SubmitShares.Error") {
          if (share === second && answer.errorCode === ErrorCode.submitShares.staleShare) {
            return yield* new RuleSkipped({
              why: "the first share was a block, or one came, and made the second stale"
            })
          }
          return yield* insist(false, "SubmitShares.Success", `SubmitShares.Error "${answer.errorCode}"`)
        }
        // A whole number on the wire, so rounded somehow; what difficulty 1 is differs by 1 in 65,536 too.
        const off = Math.abs(Number(answer.newSharesSum) - difficulty)
        yield* insist(off <= 1 + difficulty / 1000, `about ${difficulty}`, `${answer.newSharesSum}`)
      }
    })
  ),

  rule("shares.after-error", "5.3.14", "After a refused share a good one is accepted", (kit) =>
    Effect.gen(function* () {
      const channel = yield* openChannel(kit, "extended")
      const share = yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER + 1 })
      yield* isRefused(channel, share, { jobId: (share.jobId ^ 0x5a5a5a5a) >>> 0, sequenceNumber: SEQUENCE_NUMBER })
      yield* isAccepted(channel, share)
    })
  ),

  {
    ...rule("shares.stale", "5.3.17", "A share for a job of an earlier previous hash is refused", (kit) =>
      Effect.gen(function* () {
        const { newBlock } = kit
        if (newBlock === undefined) return yield* new RuleSkipped({ why: "there is no way to make a new block" })
        const channel = yield* openChannel(kit, "extended")
        const { opened, peer } = channel
        const share = yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER })
        yield* newBlock
        while (!isFor(opened, yield* peer.expect(Mining.SetNewPrevHash))) continue
        yield* isRefused(channel, share)
      })
    ),
    alone: true
  }
]

/** Shares of one job, numbered from 1. */
const mineSeveral = Effect.fnUntraced(function* (kit: Kit, channel: WorkingChannel, count: number) {
  const shares: Array<Share> = []
  let firstNonce = 0
  while (shares.length < count) {
    const share = yield* mine(kit, channel, { firstNonce, sequenceNumber: shares.length + 1 })
    shares.push(share)
    firstNonce = share.nonce + 1
  }
  return shares
})

/** Difficulty 1 is a target of 0xffff times 2^208. */
const difficultyOf = (target: Uint8Array): number => {
  const number = BigInt(`0x${Buffer.from(target.toReversed()).toString("hex")}`)
  return Number(((0xffffn << 208n) * 1_000_000n) / number) / 1_000_000
}
