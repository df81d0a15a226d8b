import { ChannelClient, type ClientOutbox, Outbox } from "@sluice/channels"
import { Mining } from "@sluice/protocol"

const client = new ChannelClient({ requiresStandardJobs: true })
const maxTarget = new Uint8Array(32).fill(0xff)
const out: ClientOutbox = new Outbox()
const requestId = client.openStandardChannel({ userIdentity: "rig1", nominalHashRate: 1e12, maxTarget }, out)
for (const message of out.takeMessages()) console.log(`to send: ${message._tag}`)

// Messages of the server, from one read of the socket.
const channelId = 7
const batch: ReadonlyArray<Mining.ToClient> = [
  Mining.OpenStandardMiningChannelSuccess.make({
    requestId,
    channelId,
    target: maxTarget,
    extranoncePrefix: Uint8Array.of(0, 0, 0, 1),
    groupChannelId: 1
  }),
  Mining.NewMiningJob.make({
    channelId,
    jobId: 1,
    minNtime: undefined,
    version: 0x20000000,
    merkleRoot: new Uint8Array(32)
  }),
  Mining.SetNewPrevHash.make({
    channelId,
    jobId: 1,
    prevHash: new Uint8Array(32),
    minNtime: 1_700_000_000,
    nbits: 0x1d00ffff
  })
]
client.receive(batch, performance.now(), out)
for (const event of out.takeEvents()) {
  if (event._tag === "ProtocolViolation") throw event
  console.log(
    event._tag === "WorkChanged" ? `to mine: job ${event.work.jobId}, from ${event.work.minNtime} on` : event._tag
  )
}

const found = { jobId: 1, nonce: 42, ntime: 1_700_000_000, version: 0x20000020, extranonce: new Uint8Array(0) }
const sequenceNumber = client.submit(channelId, found, performance.now(), out)
for (const message of out.takeMessages()) console.log(`to send: ${message._tag} number ${sequenceNumber}`)
