import { describe, expect, it } from "@effect/vitest"
import type { ChannelServer } from "../src/index.ts"
import { TestMiner, TestServer } from "./server-fixture.ts"
import { futureTemplate, newPrevHash } from "@sluice/testing/templates"

const kinds = ["standard", "extended"] as const

/** Opens and closes channels until one gets this prefix, at most as often as there are prefixes. */
const reopen = (
  server: TestServer,
  connection: ChannelServer,
  kind: (typeof kinds)[number],
  prefix: Uint8Array
): TestMiner | undefined => {
  for (let i = 0; i < 256; i++) {
    const miner = server.open(connection, { kind })
    if (Buffer.compare(miner.prefix, prefix) === 0) return miner
    server.send(connection, { _tag: "CloseChannel", channelId: miner.channelId, reasonCode: "" })
  }
  return undefined
}

describe.each(kinds)("the prefix of a closed %s channel", (kind) => {
  it("is not given out again while its accepted shares could be submitted again", () => {
    const server = TestServer.working({ layout: { indexSize: 1 } })
    const connection = server.connect()
    const first = server.open(connection, { kind })
    expect(server.send(connection, first.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
    server.send(connection, { _tag: "CloseChannel", channelId: first.channelId, reasonCode: "" })
    expect(reopen(server, connection, kind, first.prefix)).toBeUndefined()
    // On another previous hash, no share of the old one can count again.
    server.template(futureTemplate(2))
    server.template(newPrevHash(2))
    const again = reopen(server, connection, kind, first.prefix)
    expect(server.send(connection, again!.mine()).messages).toMatchObject([{ _tag: "SubmitShares.Success" }])
  })

  it("is given out again if no share was accepted for it on the present previous hash", () => {
    const server = TestServer.working({ layout: { indexSize: 1 } })
    const connection = server.connect()
    const first = server.open(connection, { kind })
    server.send(connection, first.mine())
    server.template(futureTemplate(2))
    server.template(newPrevHash(2))
    server.close(connection)
    expect(reopen(server, connection, kind, first.prefix)).toBeDefined()
  })
})
