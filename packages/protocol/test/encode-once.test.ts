import {
  encodeOnce,
  EncodeError,
  JobDeclaration,
  Mining,
  Protocol,
  TemplateDistribution,
  Tlv,
  U8
} from "@sluice/protocol"
import { Arbitrary, Effect } from "effect"
import { describe, expect, test } from "vitest"

const { toClient } = Mining.protocol

const prevHash = Mining.SetNewPrevHash.make({
  channelId: 1,
  jobId: 2,
  prevHash: new Uint8Array(32).fill(3),
  minNtime: 4,
  nbits: 5
})

describe("a message for many connections", () => {
  test("is encoded once for each message object", () => {
    const frame = toClient.encode(prevHash)
    expect(toClient.encode(prevHash)).toBe(frame)
    const equal = { ...prevHash }
    expect(toClient.encode(equal)).not.toBe(frame)
    expect(toClient.encode(equal)).toEqual(frame)
    expect(Mining.SetNewPrevHash.codec.encode(prevHash)).toEqual(frame)
  })

  test("is encoded once for connections with different extensions", () => {
    const heat = Tlv.make("Heat", {
      extension: 0x4abc,
      type: 1,
      on: [Mining.CloseChannel],
      spec: "test",
      fields: { value: U8 }
    })
    const extension = { id: 0x4abc, name: "heat", spec: "test", messages: [], tlvs: [heat] }
    const negotiated = Protocol.negotiated(Mining.protocol, [extension])
    expect(negotiated.toClient.encode(prevHash)).toBe(toClient.encode(prevHash))
    expect(Protocol.forwarding(Mining.protocol).toClient.encode(prevHash)).toBe(toClient.encode(prevHash))
  })

  test("with a tail has a frame of its own", () => {
    const frame = toClient.encode(prevHash)
    const tail = toClient.encode(prevHash, Uint8Array.of(1, 2))
    expect(tail).toHaveLength(frame.length + 2)
    expect(toClient.encode(prevHash)).toBe(frame)
  })

  test("that cannot be encoded is refused each time", () => {
    const message = { ...prevHash, prevHash: new Uint8Array(31) }
    for (let attempt = 0; attempt < 2; attempt++) expect(() => toClient.encode(message)).toThrow(EncodeError)
  })

  test("is a job, a previous hash, a template or its transactions; every other message is encoded anew", () => {
    const once: Array<string> = []
    for (const direction of [Mining, TemplateDistribution, JobDeclaration].flatMap(({ protocol }) => [
      protocol.toServer,
      protocol.toClient
    ])) {
      for (const message of direction.messages) {
        const [value] = Effect.runSync(Arbitrary.sampleEffect(message.arbitrary, { count: 1, seed: message.name }))
        if (direction.encode(value as never) === direction.encode(value as never)) once.push(message.name)
      }
    }
    expect(once).toEqual([
      "NewExtendedMiningJob",
      "SetNewPrevHash",
      "NewTemplate",
      "SetNewPrevHash",
      "RequestTransactionData.Success"
    ])
  })
})

test("encodeOnce remembers any other encoding of a message object", () => {
  let calls = 0
  const line = encodeOnce((message: Mining.SetNewPrevHash) => {
    calls++
    return JSON.stringify({ method: "mining.notify", params: [message.jobId] })
  })
  expect(line(prevHash)).toBe('{"method":"mining.notify","params":[2]}')
  expect(line(prevHash)).toBe(line(prevHash))
  expect(calls).toBe(1)
})
