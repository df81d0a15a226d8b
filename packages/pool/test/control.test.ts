/** Actions of a program on live connections of its pool; the client at the other end checks each message and goes on mining. */
import { assert, describe, it } from "@effect/vitest"
import { type ChannelInfo, type ClientEvent, GROUP_CHANNEL_ID } from "@sluice/channels"
import { Mining } from "@sluice/protocol"
import { Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { readFileSync } from "node:fs"
import { Pool } from "../src/index.ts"
import { type MiningServerEvent, shareSink } from "@sluice/mining-server"
import { ChannelClient, settle } from "@sluice/testing/channel-client"
import { ban, validateUser } from "./readme-control-example.ts"
import { giveWork, memoryWorld, poolStats, publish } from "@sluice/testing/pool-worlds"

/** A new block, and a newer template for it: whoever follows both mines on job `id + 1`. */
const nextBlock = (id: number) => Effect.andThen(publish(futureTemplate(id), newPrevHash(id), template(id + 1)), settle)

const newTemplate = (id: number) => Effect.andThen(publish(template(id)), settle)

/** The client's first connection is the pool's number 1. */
const CONNECTION = 1
const at = (channelId: number) => ({ connectionId: CONNECTION, channelId })

const tags = (events: ReadonlyArray<ClientEvent>): ReadonlyArray<string> => events.map(({ _tag }) => _tag)

/** No message had no effect, and none broke a rule. */
const assertUnderstood = ({ events }: ChannelClient): void => {
  assert.deepStrictEqual(
    events.filter(({ _tag }) => _tag === "ProtocolViolation" || _tag === "Ignored"),
    []
  )
}

describe("another extranonce prefix", () => {
  const clients = [
    ["extended", 0],
    ["standard", 0],
    ["standard", Mining.REQUIRES_STANDARD_JOBS]
  ] as const
  for (const [kind, flags] of clients) {
    const how = flags === 0 ? "" : " that requires standard jobs"
    it.effect(`of a channel (${kind}${how}) applies to its next jobs, and shares of earlier jobs stay valid`, () =>
      Effect.gen(function* () {
        const { changeExtranoncePrefix } = yield* Pool
        yield* giveWork
        const client = yield* ChannelClient.connect({ flags })
        const [channelId = 0, other = 0] = yield* client.open(kind, kind)
        const before = client.machine.channels.get(channelId)!
        const [oldPrefix, oldWork] = [before.extranoncePrefix, before.work!]
        yield* changeExtranoncePrefix(at(channelId))
        yield* settle
        const [changed] = client.of("ExtranoncePrefixChanged")
        assert(changed !== undefined)
        assert.strictEqual(changed.channelId, channelId)
        assert.strictEqual(changed.extranoncePrefix.length, oldPrefix.length)
        assert.notDeepEqual(changed.extranoncePrefix, oldPrefix)
        assert.notDeepEqual(changed.extranoncePrefix, client.machine.channels.get(other)!.extranoncePrefix)

        assert.deepStrictEqual(yield* client.mine(), { accepted: 16, refused: [] })
        yield* newTemplate(2)
        assert.notStrictEqual(client.machine.channels.get(channelId)!.work!.jobId, oldWork.jobId)
        assert.deepStrictEqual(yield* client.mine(), { accepted: 16, refused: [] })
        for (let i = 0; i < 8; i++) yield* client.submit(oldWork)
        yield* nextBlock(3)
        assert.deepStrictEqual(yield* client.mine(), { accepted: 16, refused: [] })
        assert.strictEqual((yield* poolStats).accepted, 56)
        assertUnderstood(client)
      }).pipe(Effect.provide(memoryWorld()))
    )
  }

  it.effect("that comes while a job is announced to many connections causes no refused shares", () =>
    Effect.gen(function* () {
      const { changeExtranoncePrefix } = yield* Pool
      yield* giveWork
      const clients: Array<ChannelClient> = []
      // Some more than are told of a job in one turn of the event loop.
      for (let i = 0; i < 70; i++) clients.push(yield* ChannelClient.connect())
      for (const client of clients) yield* client.open("extended")
      yield* Effect.forkChild(publish(template(2)))
      // One in each turn: one of them comes when there is the job, and this connection was not told of it.
      for (let turn = 0; turn < 20; turn++) yield* changeExtranoncePrefix({ connectionId: 70, channelId: 2 })
      yield* settle
      for (const client of clients) assert.deepStrictEqual(yield* client.mine(), { accepted: 8, refused: [] })
      yield* newTemplate(3)
      for (const client of clients) assert.deepStrictEqual(yield* client.mine(), { accepted: 8, refused: [] })
      assert.strictEqual(clients[69]!.of("ExtranoncePrefixChanged").length, 20)
      clients.forEach(assertUnderstood)
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("ends the connection of a Bitaxe, whose firmware does not take it, before it is told", () =>
    Effect.gen(function* () {
      const { changeExtranoncePrefix } = yield* Pool
      yield* giveWork
      const device = { vendor: "bitaxe", hardwareVersion: "", firmware: "", deviceId: "" }
      const client = yield* ChannelClient.connect({ device })
      const [channelId = 0] = yield* client.open("extended")
      yield* changeExtranoncePrefix(at(channelId))
      yield* settle
      assert.deepStrictEqual(client.of("ExtranoncePrefixChanged"), [])
      assert.strictEqual((yield* poolStats).connections, 0)
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("is refused when all are taken, until returned ones can get no more shares", () =>
    Effect.gen(function* () {
      const { changeExtranoncePrefix } = yield* Pool
      yield* giveWork
      const client = yield* ChannelClient.connect()
      const [channelId = 0] = yield* client.open("extended", "extended")
      yield* changeExtranoncePrefix(at(channelId))
      const error = yield* Effect.flip(changeExtranoncePrefix(at(channelId)))
      assert.strictEqual(error.reason, "extranonce-space-exhausted")
      yield* newTemplate(2)
      assert.deepStrictEqual(yield* client.mine(), { accepted: 16, refused: [] })
      yield* nextBlock(3)
      yield* TestClock.adjust("10 seconds")
      yield* changeExtranoncePrefix(at(channelId))
      yield* nextBlock(5)
      assert.deepStrictEqual(yield* client.mine(), { accepted: 16, refused: [] })
      assert.strictEqual(client.of("ExtranoncePrefixChanged").length, 2)
      assertUnderstood(client)
    }).pipe(Effect.provide(memoryWorld({ maxChannelsInAll: 3 })))
  )
})

describe("another group", () => {
  it.effect("gets the jobs of its channels, and they mine on, there and back in the first one", () =>
    Effect.gen(function* () {
      const { setGroup } = yield* Pool
      yield* giveWork
      const client = yield* ChannelClient.connect()
      const [first = 0, second = 0, third = 0] = yield* client.open("extended", "standard", "extended")
      /** The groups that the next job is for. */
      const groupsOf = Effect.fnUntraced(function* (id: number) {
        const from = client.events.length
        yield* newTemplate(id)
        const got = client.events.slice(from).filter((event) => event._tag === "JobReceived")
        assert.deepStrictEqual(yield* client.mine(), { accepted: 24, refused: [] })
        return got.map(({ channelId }) => channelId)
      })
      assert.deepStrictEqual(yield* groupsOf(2), [GROUP_CHANNEL_ID])
      const group = yield* setGroup(CONNECTION, [second, third, second])
      assert.notInclude([first, second, third, GROUP_CHANNEL_ID], group)
      assert.sameMembers((yield* groupsOf(3)) as Array<number>, [GROUP_CHANNEL_ID, group])
      assert.deepStrictEqual(
        client.of("GroupChanged").map(({ channelId, groupChannelId }) => [channelId, groupChannelId]),
        [
          [second, group],
          [third, group]
        ]
      )
      yield* nextBlock(4)
      assert.deepStrictEqual(yield* client.mine(), { accepted: 24, refused: [] })
      assert.strictEqual(yield* setGroup(CONNECTION, [first], group), group)
      assert.deepStrictEqual(yield* groupsOf(6), [group])
      yield* setGroup(CONNECTION, [first, second, third], GROUP_CHANNEL_ID)
      assert.deepStrictEqual(yield* groupsOf(7), [GROUP_CHANNEL_ID])
      assertUnderstood(client)
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("that is made while a job waits for its previous hash gets both", () =>
    Effect.gen(function* () {
      const { setGroup } = yield* Pool
      yield* giveWork
      const client = yield* ChannelClient.connect()
      const [, second = 0] = yield* client.open("extended", "extended")
      yield* publish(futureTemplate(2))
      yield* settle
      yield* setGroup(CONNECTION, [second])
      yield* publish(newPrevHash(2, { prevHash: bytes(9) }))
      yield* settle
      for (const { work } of client.machine.channels.values()) assert.deepStrictEqual(work?.prevHash, bytes(9))
      assert.deepStrictEqual(yield* client.mine(), { accepted: 16, refused: [] })
      assertUnderstood(client)
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("is refused if the client has no groups, or the group or a channel does not exist", () =>
    Effect.gen(function* () {
      const { setGroup } = yield* Pool
      yield* giveWork
      const client = yield* ChannelClient.connect()
      const device = yield* ChannelClient.connect({ flags: Mining.REQUIRES_STANDARD_JOBS })
      const [channelId = 0] = yield* client.open("extended")
      const [ofDevice = 0] = yield* device.open("standard")
      const reasonOf = (...args: Parameters<typeof setGroup>) =>
        Effect.map(Effect.flip(setGroup(...args)), ({ reason }) => reason)
      assert.strictEqual(yield* reasonOf(2, [ofDevice]), "requires-standard-jobs")
      assert.strictEqual(yield* reasonOf(CONNECTION, [channelId, 99]), "unknown-channel")
      assert.strictEqual(yield* reasonOf(CONNECTION, [channelId], 77), "unknown-group")
      assert.strictEqual(yield* reasonOf(CONNECTION, [channelId], channelId), "unknown-group")
      yield* newTemplate(2)
      for (const one of [client, device]) {
        assert.deepStrictEqual(yield* one.mine(), { accepted: 8, refused: [] })
        assert.deepStrictEqual(one.of("GroupChanged"), [])
      }
    }).pipe(Effect.provide(memoryWorld()))
  )
})

describe("a channel that the program closes", () => {
  it.effect("is closed at the client, and the others mine on; so are all channels of a group", () =>
    Effect.gen(function* () {
      const { closeChannel, events, setGroup } = yield* Pool
      const seen: Array<MiningServerEvent> = []
      yield* events.pipe(
        Stream.runForEach((event) => Effect.sync(() => seen.push(event))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* giveWork
      const client = yield* ChannelClient.connect()
      const ids = yield* client.open("extended", "standard", "extended", "standard")
      const [first = 0, second = 0, third = 0, fourth = 0] = ids
      yield* closeChannel(at(first), "banned")
      yield* settle
      assert.deepStrictEqual([...client.machine.channels.keys()], [second, third, fourth])
      assert.deepInclude(client.of("ChannelClosed")[0], { channelId: first, reasonCode: "banned" })
      assert.deepStrictEqual(yield* client.mine(), { accepted: 24, refused: [] })
      const again = yield* Effect.flip(closeChannel(at(first), "banned"))
      assert.strictEqual(again.reason, "unknown-channel")

      const group = yield* setGroup(CONNECTION, [second, third])
      yield* newTemplate(2)
      yield* closeChannel(at(group), "maintenance")
      yield* settle
      assert.deepStrictEqual([...client.machine.channels.keys()], [fourth])
      yield* nextBlock(3)
      assert.deepStrictEqual(yield* client.mine(), { accepted: 8, refused: [] })
      assert.strictEqual((yield* poolStats).channels.length, 1)
      const closed = seen.filter((event) => event._tag === "ChannelClosed")
      assert.deepStrictEqual(
        closed.map(({ channel, reason }) => [channel.channelId, reason]),
        [
          [first, "banned"],
          [second, "maintenance"],
          [third, "maintenance"]
        ]
      )
      const [fifth = 0] = yield* client.open("extended")
      assert.notInclude([...ids, group], fifth)
      assert.deepStrictEqual(yield* client.mine(), { accepted: 16, refused: [] })
      assertUnderstood(client)
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("from within a share sink is closed after the acknowledgement of the shares of that read", () => {
    let close: (channel: ChannelInfo) => void = () => {}
    return Effect.gen(function* () {
      const { closeChannel } = yield* Pool
      const context = yield* Effect.context<never>()
      yield* giveWork
      const client = yield* ChannelClient.connect()
      yield* client.open("extended")
      close = (channel) => void Effect.runForkWith(context)(Effect.ignore(closeChannel(channel, "enough")))
      const from = client.events.length
      const { work } = [...client.machine.channels.values()][0]!
      yield* client.submit(work!)
      yield* settle
      assert.deepStrictEqual(tags(client.events.slice(from)), ["SharesAccepted", "ChannelClosed"])
    }).pipe(Effect.provide(memoryWorld({ shareSinks: [shareSink(({ channel }) => close(channel))] })))
  })

  it.effect("is not closed with a reason that is too long for the message", () =>
    Effect.gen(function* () {
      const { closeChannel, reconnect } = yield* Pool
      yield* giveWork
      const client = yield* ChannelClient.connect()
      const [channelId = 0] = yield* client.open("extended")
      const long = yield* Effect.flip(closeChannel(at(channelId), "x".repeat(256)))
      assert.strictEqual(long.reason, "not-encodable")
      assert.match(long.message, /255/)
      const port = yield* Effect.flip(reconnect(CONNECTION, { host: "pool.example", port: 70_000 }))
      assert.strictEqual(port.reason, "not-encodable")
      assert.deepStrictEqual(yield* client.mine(), { accepted: 8, refused: [] })
      assertUnderstood(client)
    }).pipe(Effect.provide(memoryWorld()))
  )
})

it.effect(
  "the example of the README ends all channels of a user, who gets no other, and no channel of another user",
  () =>
    Effect.gen(function* () {
      const example = readFileSync(new URL("./readme-control-example.ts", import.meta.url), "utf8")
      const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
      assert.include(readme, "```ts\n" + example + "```")
      yield* giveWork
      const [client, other] = [yield* ChannelClient.connect(), yield* ChannelClient.connect()]
      for (const one of [client, other]) yield* one.open("extended", "standard")
      yield* client.open("extended", { kind: "extended", userIdentity: "mallory.1" })
      yield* other.open({ kind: "extended", userIdentity: "mallory.2" })
      yield* ban("mallory")
      yield* ban("nobody")
      yield* settle
      assert.deepStrictEqual([client.machine.channels.size, other.machine.channels.size], [3, 2])
      for (const one of [client, other]) {
        assert.deepStrictEqual(yield* one.open({ kind: "extended", userIdentity: "mallory" }), [])
        assert.strictEqual(one.of("OpenRefused")[0]?.errorCode, "unknown-user")
      }
      assert.deepStrictEqual(yield* client.mine(), { accepted: 24, refused: [] })
      assert.deepStrictEqual(yield* other.mine(), { accepted: 16, refused: [] })
      assertUnderstood(client)
    }).pipe(Effect.provide(memoryWorld({ validateUser })))
)

describe("a client that the program asks to connect anew", () => {
  it.effect("is served until it goes, and mines on over its next connection", () =>
    Effect.gen(function* () {
      const { reconnect } = yield* Pool
      yield* giveWork
      yield* Effect.gen(function* () {
        const client = yield* ChannelClient.connect()
        yield* client.open("extended", "standard")
        yield* reconnect(CONNECTION)
        yield* reconnect(CONNECTION, { host: "pool2.example", port: 3334 })
        yield* settle
        assert.deepStrictEqual(
          client.of("Reconnect").map(({ host, port }) => [host, port]),
          [
            ["", 0],
            ["pool2.example", 3334]
          ]
        )
        yield* newTemplate(2)
        assert.deepStrictEqual(yield* client.mine(), { accepted: 16, refused: [] })
        assertUnderstood(client)
      }).pipe(Effect.scoped)
      const again = yield* ChannelClient.connect()
      yield* again.open("extended", "standard")
      assert.deepStrictEqual(yield* again.mine(), { accepted: 16, refused: [] })
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("is refused with unknown-connection after it has disconnected", () =>
    Effect.gen(function* () {
      const { changeExtranoncePrefix, closeChannel, reconnect, setGroup } = yield* Pool
      yield* giveWork
      yield* Effect.flatMap(ChannelClient.connect(), (client) => client.open("extended")).pipe(Effect.scoped)
      yield* settle
      const each = [setGroup(1, [2]), changeExtranoncePrefix(at(2)), closeChannel(at(2), ""), reconnect(1)]
      for (const effect of each) {
        const { connectionId, message, reason } = yield* Effect.flip(Effect.asVoid(effect))
        assert.deepStrictEqual([connectionId, reason], [1, "unknown-connection"])
        assert.match(message, /no connection with this id is open/)
      }
    }).pipe(Effect.provide(memoryWorld()))
  )
})
