/** `vectors/shares.json`: by noble alone, by core's ShareCheck, and through a server's machine from template to verdict. */
import { sha256 } from "@noble/hashes/sha2.js"
import { coinbaseTags } from "@sluice/bitcoin"
import {
  ChannelServer,
  defaultChannelPolicy,
  jobFromTemplate,
  Outbox,
  type ServerOutbox,
  ShareValidator,
  TemplateJobs
} from "@sluice/channels"
import { ShareCheck, Target } from "@sluice/core"
import { Mining, TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import { expect, test } from "vitest"
import vectors from "../vectors/shares.json" with { type: "json" }

const { sessions, shares } = vectors
const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"))
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const sha256d = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes))
const u32 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const numberOf = (littleEndian: Uint8Array): bigint => BigInt(`0x${hexOf(littleEndian.toReversed())}`)

test.each(shares)("$title: header and hash by noble alone, and whether it is a share or a block", (share) => {
  const { coinbaseTxPrefix, coinbaseTxSuffix, extranonce, extranoncePrefix } = share
  const root = sha256d(hex(`${coinbaseTxPrefix}${extranoncePrefix}${extranonce}${coinbaseTxSuffix}`))
  expect(hexOf(root)).toBe(share.merkleRoot)
  const { nbits, nonce, ntime, prevHash, version } = share
  const header = Buffer.concat([u32(version), hex(prevHash), root, u32(ntime), u32(nbits), u32(nonce)])
  expect(hexOf(header)).toBe(share.header)
  const hash = sha256d(header)
  expect(hexOf(hash.toReversed())).toBe(share.hash)
  expect(numberOf(hash) <= numberOf(hex(share.networkTarget))).toBe(share.verdict === "block")
  if (share.verdict === "share") expect(numberOf(hash) <= numberOf(hex(share.target))).toBe(true)
})

test.each(shares)("$title: core comes to the same", (share) => {
  const { coinbaseTxPrefix, coinbaseTxSuffix, extranonce, extranoncePrefix, merklePath } = share
  const check = new ShareCheck()
  check.merkleRoot(
    hex(coinbaseTxPrefix),
    hex(extranoncePrefix),
    hex(extranonce),
    hex(coinbaseTxSuffix),
    hex(merklePath.join("")),
    merklePath.length
  )
  expect(hexOf(check.root)).toBe(share.merkleRoot)
  check.hash(share.version, hex(share.prevHash), check.root, share.ntime, share.nbits, share.nonce)
  expect(hexOf(check.header)).toBe(share.header)
  expect(hexOf(check.digest.toReversed())).toBe(share.hash)
  expect(Boolean(check.meets(hex(share.networkTarget), 0))).toBe(share.verdict === "block")
  const networkTarget = new Uint8Array(32)
  expect(Boolean(Target.nBitsToTarget(share.nbits, networkTarget, 0))).toBe(true)
  expect(hexOf(networkTarget)).toBe(share.networkTarget)
})

/** The template of which the vectors' coinbases are made: its parts are those of the fields in the halves. */
const templateOf = (kind: string, templateId: bigint): TemplateDistribution.NewTemplate =>
  TemplateDistribution.NewTemplate.make({
    templateId,
    futureTemplate: true,
    version: 0x20000000,
    coinbaseTxVersion: 2,
    coinbasePrefix: hex(kind === "standard" ? "029f0000" : "5200"),
    coinbaseTxInputSequence: kind === "standard" ? 0xfffffffe : 0xffffffff,
    coinbaseTxValueRemaining: 5_000_000_000n,
    coinbaseTxOutputsCount: 1,
    coinbaseTxOutputs: hex(
      "0000000000000000266a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9"
    ),
    coinbaseTxLocktime: kind === "standard" ? 158 : 0,
    merklePath: []
  })

const PAYOUT = hex("0014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc")

test.each(sessions)(
  "$title: a server gives each submission its verdict",
  ({ channel, job, now, prevHash, ...session }) => {
    const policy = { ...defaultChannelPolicy, minHashRate: 0, sharesPerMinute: 1 }
    const templates = new TemplateJobs({
      coinbase: {
        tags: coinbaseTags("", ""),
        extranonceSize: 32,
        payout: (reward) => [{ value: reward, script: PAYOUT }],
        versionRollingAllowed: job.versionRollingAllowed
      },
      firstJobId: job.jobId
    })
    const { extranoncePrefix, extranonceSize } = channel
    const lease = { prefix: hex(extranoncePrefix), rollableSize: extranonceSize, index: -1 }
    const take = () => lease
    const space = { maxRollableSize: 8, takeStandard: take, takeExtended: take, takeSame: take, giveBack: () => {} }
    const connection = new ChannelServer(0, 0, {
      jobs: templates.jobs,
      space,
      validator: new ShareValidator(policy),
      policy
    })
    const out: ServerOutbox = new Outbox()
    const target = new Uint8Array(32)
    Target.nBitsToTarget(prevHash.nbits, target, 0)
    const announce = (templateId: bigint, previous: string): void => {
      const source = { templateId, prevHash: hex(previous), headerTimestamp: prevHash.minNtime, nbits: prevHash.nbits }
      const template = templateOf(channel.kind, templateId)
      const future = templates.onTemplate(template, now * 1000)
      if (future._tag === "Ignored") throw new Error(future.reason)
      // The vectors' coinbases have no job id.
      Object.assign(future.job, Result.getOrThrow(jobFromTemplate(future.job.id, template, templates.coinbase)))
      connection.announce(future, out)
      const active = templates.onSetNewPrevHash(
        TemplateDistribution.SetNewPrevHash.make({ ...source, target }),
        now * 1000
      )
      if (active._tag !== "Ignored") connection.announce(active, out)
    }
    announce(1n, prevHash.prevHash)
    const isStandard = channel.kind === "standard"
    const request = { requestId: 1, userIdentity: "u", nominalHashRate: 1000, maxTarget: new Uint8Array(32).fill(0xff) }
    const open = isStandard
      ? Mining.OpenStandardMiningChannel.make(request)
      : Mining.OpenExtendedMiningChannel.make({ ...request, minExtranonceSize: channel.extranonceSize })
    connection.receive([open], now * 1000, out)
    expect(out.takeMessages()).toMatchObject([
      { channelId: channel.channelId, target: hex(channel.target) },
      { jobId: job.jobId },
      { jobId: job.jobId, prevHash: hex(prevHash.prevHash), minNtime: prevHash.minNtime }
    ])

    for (const [index, { submission, title, verdict, ...rest }] of session.submissions.entries()) {
      if ("afterNewPrevHash" in rest) {
        announce(2n, "11".repeat(32))
        out.takeMessages()
      }
      const { extranonce, ...fields } = { extranonce: "", ...submission }
      const share = { ...fields, sequenceNumber: index }
      const message = isStandard
        ? Mining.SubmitSharesStandard.make(share)
        : Mining.SubmitSharesExtended.make({ ...share, extranonce: hex(extranonce) })
      connection.receive([message], now * 1000, out)
      const expected =
        verdict === "accepted"
          ? { _tag: "SubmitShares.Success", lastSequenceNumber: index, newSubmitsAcceptedCount: 1 }
          : { _tag: "SubmitShares.Error", sequenceNumber: index, errorCode: verdict }
      expect(out.takeMessages(), title).toMatchObject([expected])
    }
  }
)
