import { coinbaseTags, scriptForAddress } from "@sluice/bitcoin"
import {
  ChannelServer,
  defaultChannelPolicy,
  defaultExtranonceLayout,
  ExtranonceSpace,
  Outbox,
  type ServerOutbox,
  ShareValidator,
  TemplateJobs
} from "@sluice/channels"
import { TemplateDistribution } from "@sluice/protocol"

// All connections of a server share these.
const policy = defaultChannelPolicy
const script = scriptForAddress("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "regtest")
const templates = new TemplateJobs({
  coinbase: {
    tags: coinbaseTags("example", ""),
    extranonceSize: defaultExtranonceLayout.fullSize,
    payout: (reward) => [{ value: reward, script }],
    versionRollingAllowed: true
  },
  firstJobId: 1
})
const shared = {
  jobs: templates.jobs,
  policy,
  space: new ExtranonceSpace(),
  validator: new ShareValidator(policy)
}

// One connection. Its client set no flags.
const connection = new ChannelServer(1, 0, shared)
const out: ServerOutbox = new Outbox()
const now = Date.now()
connection.receive(
  [
    {
      _tag: "OpenExtendedMiningChannel",
      requestId: 1,
      userIdentity: "alice.rig1",
      nominalHashRate: 1e12,
      maxTarget: new Uint8Array(32).fill(0xff),
      minExtranonceSize: 4
    }
  ],
  now,
  out
)

// A job of a new template goes to every connection.
const template = TemplateDistribution.NewTemplate.make({
  templateId: 1n,
  futureTemplate: true,
  version: 0x20000000,
  coinbaseTxVersion: 2,
  coinbasePrefix: Uint8Array.of(1, 101),
  coinbaseTxInputSequence: 0xffffffff,
  coinbaseTxValueRemaining: 5_000_000_000n,
  coinbaseTxOutputsCount: 0,
  coinbaseTxOutputs: new Uint8Array(0),
  coinbaseTxLocktime: 0,
  merklePath: []
})
const future = templates.onTemplate(template, now)
if (future._tag !== "Ignored") connection.announce(future, out)

for (const message of out.takeMessages()) console.log(`to send: ${message._tag}`)
for (const event of out.takeEvents()) console.log(`happened: ${event._tag}`)
