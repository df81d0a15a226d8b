/** Runs whole shares from the tests of other software through the machine, from the template to the answer. */
import { expect, it } from "@effect/vitest"
import { coinbaseTags, hashFromDisplay } from "@sluice/bitcoin"
import { Target } from "@sluice/core"
import type { Mining } from "@sluice/protocol"
import {
  ChannelServer,
  defaultChannelPolicy,
  Outbox,
  type ServerOutbox,
  ShareValidator,
  TemplateJobs
} from "../src/index.ts"
import { coinbaseRules, hex, plainJob } from "./server-fixture.ts"
import { ANY_TARGET, template } from "@sluice/testing/templates"
import vectors from "./vectors/shares.json" with { type: "json" }

it.each(vectors)("test vector $name: the server accepts the $kind share as a $verdict", (vector) => {
  const now = vector.ntime * 1000
  const policy = { ...defaultChannelPolicy, minHashRate: 0, sharesPerMinute: 1 }
  const templates = new TemplateJobs({
    coinbase: { ...coinbaseRules, tags: coinbaseTags("", ""), extranonceSize: 32 },
    firstJobId: 1
  })
  const isStandard = vector.kind === "standard"
  const extranonce = hex(vector.extranonce)
  // The vectors have two extranonce layouts, so this stub gives out their prefixes in place of a space.
  const prefix = extranonce.subarray(0, isStandard ? 32 : 24)
  const lease = { prefix, rollableSize: isStandard ? 0 : 8, index: -1 }
  const take = () => lease
  const space = { maxRollableSize: 8, takeStandard: take, takeExtended: take, takeSame: take, giveBack: () => {} }
  const connection = new ChannelServer(0, 0, {
    jobs: templates.jobs,
    space,
    validator: new ShareValidator(policy),
    policy
  })
  const out: ServerOutbox = new Outbox()

  const source = template(1, {
    futureTemplate: true,
    coinbasePrefix: hex(isStandard ? "029f0000" : "5200"),
    coinbaseTxInputSequence: isStandard ? 0xfffffffe : 0xffffffff,
    coinbaseTxLocktime: isStandard ? 158 : 0,
    merklePath: []
  })
  const target = new Uint8Array(32)
  Target.nBitsToTarget(vector.nbits, target, 0)
  const { prevHash, nbits, ntime, version, nonce } = vector
  const future = templates.onTemplate(source, now)
  if (future._tag === "Ignored") throw new Error(future.reason)
  // The coinbases of the vectors contain no job id.
  Object.assign(future.job, plainJob(future.job.id, source, templates.coinbase))
  expect(future.job).toMatchObject({ coinbasePrefix: hex(vector.prefix), coinbaseSuffix: hex(vector.suffix) })
  templates.onSetNewPrevHash(
    { _tag: "SetNewPrevHash", templateId: 1n, prevHash: hex(prevHash), headerTimestamp: ntime, nbits, target },
    now
  )

  const common = { requestId: 1, userIdentity: "u", nominalHashRate: vector.hashRate, maxTarget: ANY_TARGET }
  const share = { channelId: 2, sequenceNumber: 1, jobId: 1, nonce, ntime, version }
  const messages: ReadonlyArray<Mining.ToServer> = isStandard
    ? [
        { ...common, _tag: "OpenStandardMiningChannel" },
        { ...share, _tag: "SubmitSharesStandard" }
      ]
    : [
        { ...common, _tag: "OpenExtendedMiningChannel", minExtranonceSize: 8 },
        { ...share, _tag: "SubmitSharesExtended", extranonce: extranonce.subarray(24) }
      ]
  connection.receive(messages, now, out)
  expect(out.takeMessages().at(-1)).toMatchObject({ _tag: "SubmitShares.Success", newSubmitsAcceptedCount: 1 })
  const isBlock = vector.verdict === "block"
  const events = out.takeEvents()
  const hashDifficulty = Target.targetToDifficulty(hashFromDisplay(vector.hash), 0)
  expect(events[1]).toMatchObject({ _tag: "ShareAccepted", isBlock, hashDifficulty })
  expect(events[2]).toEqual(isBlock ? expect.objectContaining({ _tag: "BlockFound", hash: vector.hash }) : undefined)

  // With the next nonce, the shares that are no blocks miss the target.
  if (!isBlock) {
    connection.receive([{ ...messages[1]!, nonce: nonce + 1 } as Mining.ToServer], now, out)
    expect(out.takeMessages()).toMatchObject([{ errorCode: "difficulty-too-low" }])
  }
})
