import { Frame, Message, Mining, Protocol, U32, U8 } from "@sluice/protocol"
import { Schema } from "effect"

const { toServer } = Mining.protocol

// A message is a plain object; `make` puts its fields in order. encode gives a whole frame, decode takes one.
const share = Mining.SubmitSharesStandard.make({
  channelId: 1,
  sequenceNumber: 42,
  jobId: 7,
  nonce: 0xdeadbeef,
  ntime: 1_785_000_000,
  version: 0x2000_0000
})
const bytes = toServer.encode(share)
const message = toServer.decode(Frame.read(bytes)!)

switch (message?._tag) {
  case "SubmitSharesStandard":
    console.log(`share ${message.sequenceNumber} of channel ${message.channelId}, ${bytes.length} bytes`)
    break
  case undefined:
    console.log("no message of this protocol: discard the frame")
    break
}

// The same declaration gives JSON and back.
console.log(JSON.stringify(Schema.encodeSync(toServer.json)(share)))

// A message of your own, in an extension of your own (0x4000 to 0x7fff are for experiments, section 3.4).
const SetFanSpeed = Message.make("SetFanSpeed", {
  type: 0x00,
  to: "client",
  channel: true,
  extension: 0x4abc,
  spec: "https://example.com/set-fan-speed",
  fields: { channelId: U32, percent: U8 }
})
const { toClient } = Protocol.extend(Mining.protocol, [SetFanSpeed])
console.log(Buffer.from(toClient.encode(SetFanSpeed.make({ channelId: 1, percent: 80 }))).toString("hex"))
