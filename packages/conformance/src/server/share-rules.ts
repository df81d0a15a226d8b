/** Rules for a mining server: shares and the answers to them (5.3.11 to 5.3.14). */
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
import { expectThat } from "./setup-session.ts"
import { RuleSkipped } from "../verdict.ts"

const rule = serverRule("mining")

const SEQUENCE_NUMBER = 77
const A = { standard: "a standard", extended: "an extended" } as const

/** Submits the share and checks that the answer accepts it, with its channel and sequence number. */
const expectAccepted = Effect.fnUntraced(function* (channel: WorkingChannel, share: Share) {
  const { channelId, kind, peer } = channel
  yield* peer.send(shareFrame(kind, share))
  const answer = yield* peer.expect(Mining.SubmitSharesSuccess, Mining.SubmitSharesError)
  if (answer._tag === "SubmitShares.Error") {
    return yield* expectThat(false, "SubmitShares.Success", `SubmitShares.Error "${answer.errorCode}"`)
  }
  yield* expectThat(answer.channelId === channelId, `channel_id ${channelId}`, `${answer.channelId}`)
  const { lastSequenceNumber, newSubmitsAcceptedCount } = answer
  yield* expectThat(
    lastSequenceNumber === share.sequenceNumber,
    `last_sequence_number ${share.sequenceNumber}`,
    `${lastSequenceNumber}`
  )
  yield* expectThat(newSubmitsAcceptedCount === 1, "new_submits_accepted_count 1", `${newSubmitsAcceptedCount}`)
})

const expectRefused = Effect.fnUntraced(function* (
  channel: WorkingChannel,
  share: Share,
  changes: Partial<Share> = {}
) {
  const { kind, peer } = channel
  yield* peer.send(shareFrame(kind, share, changes))
  const answer = yield* peer.expect(Mining.SubmitSharesError, Mining.SubmitSharesSuccess)
  if (answer._tag === "SubmitShares.Success") return yield* expectThat(false, "SubmitShares.Error", answer._tag)
  const { sequenceNumber } = { ...share, ...changes }
  yield* expectThat(
    answer.sequenceNumber === sequenceNumber,
    `sequence_number ${sequenceNumber}`,
    `${answer.sequenceNumber}`
  )
  // Code points below 0x20 and from 0x7f to 0x9f (3.5).
  const printable = [...answer.errorCode].every((letter) => /^\P{Cc}$/u.test(letter))
  yield* expectThat(printable, "an error code without control characters (3.5)", JSON.stringify(answer.errorCode))
})

/** A rule that the server refuses a share with these changes. Its hash meets the target with the changes applied. */
const refusedShare = (
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
      yield* expectRefused(channel, yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER, changes }))
    })
  )

export const shareRules: ReadonlyArray<Rule> = [
  ...(["standard", "extended"] as const).flatMap((kind) => [
    rule(
      `shares.accepted-${kind}`,
      "5.3.13",
      `The server acknowledges a valid share on ${A[kind]} channel with its sequence number`,
      (kit) =>
        Effect.gen(function* () {
          const channel = yield* openChannel(kit, kind)
          yield* expectAccepted(channel, yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER }))
        })
    ),
    rule(
      `shares.difficulty-${kind}`,
      "5.3.21",
      `The server refuses a share whose hash is above the target of ${A[kind]} channel`,
      (kit) =>
        Effect.gen(function* () {
          const channel = yield* openChannel(kit, kind)
          yield* expectRefused(channel, yield* mine(kit, channel, { miss: true, sequenceNumber: SEQUENCE_NUMBER }))
        })
    ),
    rule(
      `shares.duplicate-${kind}`,
      "5.3.14",
      `The server refuses the same share a second time on ${A[kind]} channel`,
      (kit) =>
        Effect.gen(function* () {
          const channel = yield* openChannel(kit, kind)
          const share = yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER })
          yield* expectAccepted(channel, share)
          yield* expectRefused(channel, share, { sequenceNumber: SEQUENCE_NUMBER + 1 })
        })
    )
  ]),

  refusedShare(
    "shares.unknown-job",
    "5.3.11",
    "The server refuses a share for a job that it never sent",
    "extended",
    ({ job }) => ({
      jobId: (job.jobId ^ 0x5a5a5a5a) >>> 0
    })
  ),
  refusedShare(
    "shares.unknown-channel",
    "5.3.11",
    "The server refuses a share for a channel that is not open",
    "extended",
    (channel) => ({
      channelId: (channel.channelId ^ 0x5a5a5a5a) >>> 0
    })
  ),
  refusedShare(
    "shares.extranonce-too-short",
    "5.3.12",
    "The server refuses a share whose extranonce is shorter than agreed",
    "extended",
    (_, { extranonce }) => ({
      extranonce: extranonce.subarray(1)
    })
  ),
  rule(
    "shares.extranonce-too-long",
    "5.3.12",
    "The server refuses a share whose extranonce is longer than agreed",
    (kit) =>
      Effect.gen(function* () {
        const channel = yield* openChannel(kit, "extended")
        if (channel.extranonceSize >= Mining.MAX_EXTRANONCE_SIZE) {
          return yield* new RuleSkipped({ why: "the agreed extranonce is already as long as a message can hold" })
        }
        const extranonce = new Uint8Array(channel.extranonceSize + 1)
        // One share is valid with the long extranonce, in case the server takes it as it is; one is valid without its last
        // byte, in case the server cuts it.
        const whole = yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER, changes: { extranonce } })
        yield* expectRefused(channel, whole)
        const cut = yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER + 1 })
        yield* expectRefused(channel, cut, { extranonce })
      })
  ),
  refusedShare(
    "shares.ntime-too-early",
    "5.3.11",
    "The server refuses a share whose ntime is before min_ntime of the previous hash",
    "extended",
    ({ prevHash }) => ({
      ntime: prevHash.minNtime - 1
    })
  ),
  refusedShare(
    "shares.ntime-too-late",
    "5.3.11",
    "The server refuses a share whose ntime is hours ahead",
    "extended",
    (_, { ntime }) => ({
      ntime: ntime + 4 * 3600
    })
  ),
  refusedShare(
    "shares.version-bits",
    "5.3.16",
    "The server refuses a share that changes version bits which may not be rolled",
    "extended",
    (_, { version }) => ({
      version: (version ^ 0x40000001) >>> 0
    })
  ),

  rule(
    "shares.version-fixed",
    "5.3.16",
    "If a job does not allow version rolling, the server refuses a share with another version",
    (kit) =>
      Effect.gen(function* () {
        const channel = yield* openChannel(kit, "extended")
        const { job } = channel
        if (job._tag === "NewExtendedMiningJob" && job.versionRollingAllowed) {
          return yield* new RuleSkipped({ why: "the server's jobs allow version rolling" })
        }
        const changes = { version: (job.version ^ 0x20) >>> 0 }
        yield* expectRefused(channel, yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER, changes }))
      })
  ),

  rule(
    "shares.batch",
    "5.3.13",
    "The server counts shares that were sent together once each, up to the last sequence number",
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
            return yield* expectThat(false, "SubmitShares.Success", `SubmitShares.Error "${answer.errorCode}"`)
          }
          counted += answer.newSubmitsAcceptedCount
          const last = shares[counted - 1]?.sequenceNumber
          yield* expectThat(
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

  rule("shares.sum", "5.3.13", "new_shares_sum is the sum of the difficulties of the acknowledged shares", (kit) =>
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
              why: "a new block made the second share stale"
            })
          }
          return yield* expectThat(false, "SubmitShares.Success", `SubmitShares.Error "${answer.errorCode}"`)
        }
        // The wire has a whole number, so the sum is rounded; definitions of difficulty 1 also differ by 1 in 65,536.
        const off = Math.abs(Number(answer.newSharesSum) - difficulty)
        yield* expectThat(off <= 1 + difficulty / 1000, `about ${difficulty}`, `${answer.newSharesSum}`)
      }
    })
  ),

  rule("shares.after-error", "5.3.14", "The server accepts a valid share after a refused one", (kit) =>
    Effect.gen(function* () {
      const channel = yield* openChannel(kit, "extended")
      const share = yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER + 1 })
      yield* expectRefused(channel, share, { jobId: (share.jobId ^ 0x5a5a5a5a) >>> 0, sequenceNumber: SEQUENCE_NUMBER })
      yield* expectAccepted(channel, share)
    })
  ),

  {
    ...rule("shares.stale", "5.3.17", "The server refuses a share for a job of an earlier previous hash", (kit) =>
      Effect.gen(function* () {
        const { newBlock } = kit
        if (newBlock === undefined) return yield* new RuleSkipped({ why: "there is no way to make a new block" })
        const channel = yield* openChannel(kit, "extended")
        const { opened, peer } = channel
        const share = yield* mine(kit, channel, { sequenceNumber: SEQUENCE_NUMBER })
        yield* newBlock
        while (!isFor(opened, yield* peer.expect(Mining.SetNewPrevHash))) continue
        yield* expectRefused(channel, share)
      })
    ),
    alone: true
  }
]

/** Mines several shares of one job, with sequence numbers from 1 on. */
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
