import { describe, expect, it } from "@effect/vitest"
import type { Mining } from "@sluice/protocol"
import { defaultChannelPolicy } from "../src/index.ts"
import { type Said, type TestMiner, TestServer } from "./server-fixture.ts"
import { ANY_TARGET, futureTemplate, newPrevHash } from "@sluice/testing/templates"

const policy = { maxSharesPerSecond: 1 } as const

const acceptedIn = ({ messages }: Said): number =>
  messages.reduce(
    (sum, message) => sum + ("newSubmitsAcceptedCount" in message ? message.newSubmitsAcceptedCount : 0),
    0
  )

const refusedIn = ({ messages }: Said): ReadonlyArray<string> =>
  messages.flatMap((message) => (message._tag === "SubmitShares.Error" ? [message.errorCode] : []))

const shares = (count: number, miner: TestMiner): ReadonlyArray<Mining.ToServer> =>
  Array.from({ length: count }, () => miner.mine())

describe("the accepted shares of a connection", () => {
  it("have a limit with a burst of a minute, and shares beyond it are refused", () => {
    const server = TestServer.working({ policy })
    const connection = server.connect()
    const miner = server.open(connection)
    const said = server.send(connection, ...shares(70, miner))
    expect(acceptedIn(said)).toBe(60)
    expect(refusedIn(said)).toEqual(Array.from({ length: 10 }, () => "too-many-shares-per-second"))
    server.now += 3000
    const later = server.send(connection, ...shares(5, miner))
    expect([acceptedIn(later), refusedIn(later).length]).toEqual([3, 2])
    expect(server.counted(connection)).toMatchObject([{ accepted: 63, refused: { "too-many-shares-per-second": 12 } }])
    expect(acceptedIn(server.send(server.connect()))).toBe(0)
  })

  it("have a limit that grows with the number of channels, which share it", () => {
    const server = TestServer.working({ policy })
    const connection = server.connect()
    const miners = [1, 2, 3].map(() => server.open(connection))
    expect(acceptedIn(server.send(connection, ...shares(190, miners[0]!)))).toBe(180)
    expect(refusedIn(server.send(connection, miners[1]!.mine()))).toHaveLength(1)
    server.send(connection, { _tag: "CloseChannel", channelId: miners[0]!.channelId, reasonCode: "" })
    server.now += 1000
    expect(acceptedIn(server.send(connection, ...shares(3, miners[1]!)))).toBe(2)
  })

  it("do not count towards the limit of another connection", () => {
    const server = TestServer.working({ policy })
    const [first, second] = [server.connect(), server.connect()]
    server.send(first, ...shares(70, server.open(first)))
    expect(acceptedIn(server.send(second, ...shares(60, server.open(second))))).toBe(60)
  })

  it("include every block, even beyond the limit", () => {
    const server = TestServer.working({ policy })
    const connection = server.connect()
    const miner = server.open(connection)
    server.send(connection, ...shares(60, miner))
    for (const message of [
      server.template(futureTemplate(2)),
      server.template(newPrevHash(2, { target: ANY_TARGET }))
    ]) {
      for (const { messages } of message) for (const said of messages) miner.receive(said)
    }
    const { events } = server.send(connection, ...shares(5, miner))
    expect(events.filter(({ _tag }) => _tag === "BlockFound")).toHaveLength(5)
    expect(events.filter(({ _tag }) => _tag === "ShareAccepted")).toHaveLength(5)
  })

  it("do not keep the difficulty from following the refused shares, too", () => {
    const server = TestServer.working({ policy })
    const connection = server.connect()
    const miner = server.open(connection)
    server.send(connection, ...shares(60, miner))
    server.now += 500
    const { messages } = server.send(connection, ...shares(60, miner))
    expect(messages.some(({ _tag }) => _tag === "SetTarget")).toBe(true)
    expect(messages.some(({ _tag }) => _tag === "NewExtendedMiningJob")).toBe(true)
  })

  it("stay below the default limit for a miner that states a thousandth of its hash rate", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const miner = server.open(connection)
    expect(refusedIn(server.send(connection, ...shares(600, miner)))).not.toContain("too-many-shares-per-second")
    expect(defaultChannelPolicy.maxSharesPerSecond).toBe(10)
  })
})
