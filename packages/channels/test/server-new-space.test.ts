import { describe, expect, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { open, type Said, TestServer } from "./server-fixture.ts"

const tags = ({ messages }: Said) => messages.map(({ _tag }) => _tag)

describe("channels that move to another extranonce space", () => {
  it("get their prefixes in their group if the full extranonce keeps its size, then the job once", () => {
    const server = TestServer.working()
    const connection = server.connect()
    server.open(connection)
    server.open(connection, { kind: "standard" })
    const [said] = server.newSpace({ serverId: Uint8Array.of(7) }, template(2))
    expect(tags(said!)).toEqual(["SetExtranoncePrefix", "SetExtranoncePrefix", "NewExtendedMiningJob"])
    for (const message of said!.messages.slice(0, 2)) expect(message).toMatchObject({ extranoncePrefix: { 0: 7 } })
  })

  it("leave their group one by one if the full extranonce gets another size, and return to it", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const [a, b, c] = [0, 1, 2].map(() => server.open(connection).channelId)
    const dance = (changed: number, changing: number) => [
      { _tag: "SetGroupChannel", groupChannelId: changed, channelIds: [a] },
      { _tag: "SetExtranoncePrefix", channelId: a },
      { _tag: "SetGroupChannel", groupChannelId: changing, channelIds: [b] },
      { _tag: "SetExtranoncePrefix", channelId: b },
      { _tag: "SetGroupChannel", groupChannelId: changed, channelIds: [b] },
      { _tag: "SetExtranoncePrefix", channelId: c },
      { _tag: "SetGroupChannel", groupChannelId: 1, channelIds: [a, b] }
    ]
    const [said] = server.newSpace({ fullSize: 24 }, template(2))
    expect(said!.messages.slice(0, -1)).toMatchObject(dance(5, 6))
    expect(said!.messages.at(-1)).toMatchObject({ _tag: "NewExtendedMiningJob", channelId: 1 })
    // The next time they use the same two groups.
    expect(server.newSpace({ fullSize: 20 }, template(3))[0]!.messages.slice(0, -1)).toMatchObject(dance(5, 6))
  })

  it("stay in place on a connection that requires standard jobs, which has no group messages", () => {
    const server = TestServer.working()
    const connection = server.connect(Mining.REQUIRES_STANDARD_JOBS)
    for (let i = 0; i < 2; i++) server.open(connection, { kind: "standard" })
    const [said] = server.newSpace({ fullSize: 24 }, template(2))
    expect(tags(said!)).toEqual(["SetExtranoncePrefix", "SetExtranoncePrefix", "NewMiningJob", "NewMiningJob"])
  })

  it("are closed if the space has fewer bytes than they roll, or no prefix left", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const rolls = (minExtranonceSize: number) => server.open(connection, { minExtranonceSize }).channelId
    const wide = rolls(16)
    rolls(8)
    rolls(8)
    const [said] = server.newSpace({ fullSize: 12, serverId: new Uint8Array(0) }, template(2))
    expect(said!.messages[0]).toEqual({
      _tag: "CloseChannel",
      channelId: wide,
      reasonCode: "unsupported-min-extranonce-size"
    })
    expect(said!.events).toMatchObject([{ _tag: "ChannelClosed", reason: "unsupported-min-extranonce-size" }])
    const crowd = server.connect()
    for (let i = 0; i < 255; i++) server.send(crowd, open())
    const [here, there] = server.newSpace({ fullSize: 12, indexSize: 1 }, template(3))
    expect(tags(here!).filter((tag) => tag === "CloseChannel")).toEqual([])
    const closed = there!.messages.filter(({ _tag }) => _tag === "CloseChannel")
    expect(closed).toMatchObject([{ reasonCode: "extranonce-space-exhausted" }])
  })

  it("give the prefixes back to the space that they came from", () => {
    const server = TestServer.working()
    const connection = server.connect()
    for (let i = 0; i < 3; i++) server.open(connection)
    server.newSpace({ fullSize: 24 }, template(2))
    server.tick(connection)
    expect(server.spaces.map(({ held }) => held)).toEqual([3, 3])
    server.template(futureTemplate(3))
    server.template(newPrevHash(3))
    server.tick(connection)
    expect(server.spaces.map(({ held }) => held)).toEqual([3, 0])
    server.newSpace({ fullSize: 20 }, template(4))
    server.close(connection)
    expect(server.spaces.map(({ held }) => held)).toEqual([0, 0, 0])
  })

  it("have shares of earlier jobs checked with the old prefix, although the connection hears of space and job at once", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const miners = [server.open(connection), server.open(connection, { kind: "standard" })]
    const [said] = server.newSpace({ fullSize: 32 }, template(2))
    for (const miner of miners) {
      expect(tags(server.send(connection, miner.mine()))).toEqual(["SubmitShares.Success"])
      for (const message of said!.messages) {
        if (message._tag === "NewExtendedMiningJob") miner.receive(message)
        if (message._tag === "SetExtranoncePrefix" && message.channelId === miner.channelId)
          miner.prefix = message.extranoncePrefix
      }
    }
    expect(tags(server.send(connection, miners[0]!.mine()))).toEqual(["SubmitShares.Success"])
  })
})
