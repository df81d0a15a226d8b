import { describe, expect, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { Schema } from "effect"
import { latestNtime, SERVER_RULES } from "../src/index.ts"
import { TestClient } from "./test-client.ts"
import { bytes } from "@sluice/testing/templates"

/** Replaces ids by a few small ones, so that messages name channels, groups, requests and jobs that exist. */
const narrow = (message: Mining.ToClient): Mining.ToClient => {
  const fields: Record<string, unknown> = { ...message }
  for (const name of ["channelId", "groupChannelId", "requestId", "jobId"]) {
    if (typeof fields[name] === "number") fields[name] = fields[name] % 5
  }
  if (typeof fields["sequenceNumber"] === "number") fields["sequenceNumber"] %= 8
  if (typeof fields["lastSequenceNumber"] === "number") fields["lastSequenceNumber"] %= 8
  if (message._tag === "SetGroupChannel") fields["channelIds"] = message.channelIds.map((id) => id % 5)
  return fields as unknown as Mining.ToClient
}

describe("a client's connection", () => {
  it.prop(
    "takes any messages in any order, stays consistent, and applies nothing of a message that breaks a rule",
    {
      messages: Schema.Array(Mining.protocol.toClient.schema).check(Schema.isBetweenLength(10, 60)),
      flags: Schema.Struct({
        requiresStandardJobs: Schema.Boolean,
        requiresVersionRolling: Schema.Boolean,
        fixedVersion: Schema.Boolean
      }).check(Schema.makeFilter((flags) => !(flags.requiresVersionRolling && flags.fixedVersion)))
    },
    ({ flags, messages }) => {
      let client = open(flags)
      let now = 0
      for (const message of messages) {
        now += 500
        const before = snapshot(client)
        const events = client.receive([narrow(message)], now)
        for (const { channelId, work } of client.channels.values()) {
          if (work === undefined) continue
          expect(work.channelId).toBe(channelId)
          expect(latestNtime(work, now)).toBeGreaterThanOrEqual(work.minNtime)
          const share = { ...work, nonce: 0, ntime: work.minNtime, extranonce: bytes(0, 0) }
          expect(client.submit(channelId, share, now)).toBeDefined()
        }
        const last = events.at(-1)
        if (last?._tag !== "ProtocolViolation") continue
        expect(last.section).toBe(SERVER_RULES[last.rule])
        expect(snapshot(client)).toEqual(before)
        expect(client.receive([narrow(message)], now)).toEqual([])
        client = open(flags)
      }
    }
  )
})

const open = (flags: ConstructorParameters<typeof TestClient>[0]): TestClient => {
  const client = new TestClient(flags)
  const request = { userIdentity: "user", nominalHashRate: 1, maxTarget: bytes(0xff) }
  for (let i = 0; i < 2; i++) {
    client.openStandardChannel(request)
    client.openExtendedChannel({ ...request, minExtranonceSize: 0 })
  }
  const common = { target: bytes(1), extranoncePrefix: bytes(1, 4), groupChannelId: 4 }
  client.receive(
    [
      { _tag: "OpenStandardMiningChannel.Success", requestId: 1, channelId: 1, ...common },
      { _tag: "OpenExtendedMiningChannel.Success", requestId: 2, channelId: 2, extranonceSize: 0, ...common }
    ],
    0
  )
  if (client.channels.size !== 2) throw new Error("the channels are not open")
  return client
}

const snapshot = (client: TestClient) =>
  [...client.channels.values()].map(({ channelId, extranoncePrefix, groupChannelId, target, work }) => ({
    channelId,
    extranoncePrefix,
    groupChannelId,
    target,
    work
  }))
