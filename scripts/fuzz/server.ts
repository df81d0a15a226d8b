/** What `npm run fuzz` throws at the server's end of a mining connection (specification, section 5). */
import { coinbaseTags } from "@sluice/bitcoin"
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
import { DecodeError, Frame, Mining, Protocol, WorkerIdentity } from "@sluice/protocol"
import { ok } from "node:assert/strict"
import { futureTemplate, newPrevHash } from "@sluice/testing/templates"
import type { FuzzTarget } from "./target.ts"

const START = 1_800_000_000
/** One hash in 256 is a block. */
const easy = { nbits: 0x207fffff, target: new Uint8Array(32).fill(0xff, 0, 31) }

/** A pool's end of a connection with a job, and a client that sends whatever the bytes come to. */
const run = (input: Uint8Array): void => {
  const policy = { ...defaultChannelPolicy, minHashRate: 1 }
  const templates = new TemplateJobs({
    coinbase: {
      tags: coinbaseTags("fuzz", ""),
      extranonceSize: defaultExtranonceLayout.fullSize,
      payout: (reward) => [{ value: reward, script: Uint8Array.of(0x51) }],
      versionRollingAllowed: true
    },
    firstJobId: 1
  })
  const context = {
    jobs: templates.jobs,
    space: new ExtranonceSpace(defaultExtranonceLayout),
    validator: new ShareValidator(policy),
    policy
  }
  templates.onTemplate(futureTemplate(1), START * 1000)
  templates.onSetNewPrevHash(newPrevHash(1, easy), START * 1000)
  const flags = (input[0] ?? 0) & 7
  const connection = new ChannelServer(1, flags, context)
  const out: ServerOutbox = new Outbox()
  const messages: Array<Mining.ToServer> = []
  let at = 1
  for (let frame = Frame.read(input, at); frame !== undefined; frame = Frame.read(input, at)) {
    at += Frame.headerSize + frame.payload.length
    try {
      const message = workers.toServer.decode(frame)
      if (message !== undefined) messages.push(message)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      break
    }
  }
  connection.receive(messages, START * 1000 + 1000, out)
  connection.tick(START * 1000 + 60_000, out)
  for (const message of out.takeMessages()) {
    const said = "message" in message ? message.message : message
    const encoded = Mining.protocol.toClient.encode(said as Mining.ToClient)
    ok(Mining.protocol.toClient.decode(Frame.read(encoded)!) !== undefined, "it says what nobody can read")
  }
  connection.close("over", START * 1000 + 60_000, out)
}

const workers = Protocol.negotiated(Mining.protocol, [WorkerIdentity.extension])
const session = (): Uint8Array => {
  const { encode } = workers.toServer
  const any = new Uint8Array(32).fill(0xff)
  const open = { requestId: 1, userIdentity: "fuzz", nominalHashRate: 1.6, maxTarget: any }
  const share = { channelId: 1, sequenceNumber: 1, jobId: 1, nonce: 5, ntime: START, version: 0x20000000 }
  return new Uint8Array(
    Buffer.concat([
      Uint8Array.of(0),
      encode(Mining.OpenExtendedMiningChannel.make({ ...open, minExtranonceSize: 4 })),
      encode(Mining.OpenStandardMiningChannel.make(open)),
      encode(Mining.SubmitSharesExtended.make({ ...share, extranonce: new Uint8Array(8) })),
      encode(Mining.SubmitSharesStandard.make({ ...share, channelId: 2 })),
      encode(Mining.UpdateChannel.make({ channelId: 1, nominalHashRate: 9, maximumTarget: any })),
      encode(Mining.CloseChannel.make({ channelId: 1, reasonCode: "" }))
    ])
  )
}

export const serverTarget: FuzzTarget = { name: "server", run, seeds: () => [session()] }
