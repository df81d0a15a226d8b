import { assert, describe, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { open, sha256d, TestServer } from "./server-fixture.ts"
import { bytes, template } from "@sluice/testing/templates"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Sends standard channels a job with a path of `depth` nodes. Returns the merkle roots sent, and those that node:crypto computes. */
const roots = (connectionCount: number, channelsEach: number, depth: number, together: boolean) => {
  const server = TestServer.working()
  const { validator } = server.context
  const connections = Array.from({ length: connectionCount }, () => server.connect(Mining.REQUIRES_STANDARD_JOBS))
  const prefixes = connections.flatMap((connection) =>
    Array.from({ length: channelsEach }, () => {
      const [success] = server.send(connection, open({ kind: "standard" })).messages
      assert(success?._tag === "OpenStandardMiningChannel.Success")
      return success.extranoncePrefix
    })
  )
  const merklePath = Array.from({ length: depth }, (_, index) => bytes(index + 7))
  const announcement = server.templates.onTemplate(template(2, { merklePath }), server.now)
  assert(announcement._tag === "NewJob")
  const channels = connections.flatMap((connection) => Array.from(connection.ownJobChannels))
  if (together) validator.prepareMerkleRoots(channels, announcement.job)
  const sent = connections.flatMap((connection) =>
    server
      .ask((out) => connection.announce(announcement, out))
      .messages.map((job) => hex(job._tag === "NewMiningJob" ? job.merkleRoot : bytes(0)))
  )
  const { coinbaseTxPrefix, coinbaseTxSuffix } = announcement.message
  const computed = prefixes.map((prefix) =>
    hex(
      merklePath.reduce<Uint8Array>(
        (root, node) => sha256d(root, node),
        sha256d(coinbaseTxPrefix, prefix, coinbaseTxSuffix)
      )
    )
  )
  return { sent, computed }
}

describe("the merkle roots of standard channels", () => {
  it("match their coinbases, on one connection or many, computed together or one by one", () => {
    for (const [connections, channels] of [
      [1, 1],
      [1, 6],
      [9, 1],
      [3, 5]
    ] as const) {
      for (const depth of [0, 1, 12]) {
        for (const together of [true, false]) {
          const { computed, sent } = roots(connections, channels, depth, together)
          assert.deepStrictEqual(sent, computed, `${connections} times ${channels} channels, ${depth} nodes`)
        }
      }
    }
  })
})
