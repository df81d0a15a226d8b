import { assert, describe, it } from "@effect/vitest"
import { type ChannelInfo, type ExtranonceLease, ExtranonceSpace, type ShareAccepted } from "@sluice/channels"
import { type ConnectionSpace, LimitedSpace } from "../src/connections/limited-space.ts"

/** A connection as the server has it: it hands the events of its channel server to its space. */
class Peer {
  readonly closed: Array<number> = []
  readonly #leases = new Map<ChannelInfo, ExtranonceLease>()
  readonly #space: ConnectionSpace
  #lastId = 1

  constructor(limited: LimitedSpace, host: string) {
    this.#space = limited.of(host, (channel) => {
      this.closed.push(channel.channelId)
      this.close(channel)
    })
  }

  /** Opens a channel; `undefined` if it is refused. */
  open(): ChannelInfo | undefined {
    const [channel] = this.openTogether(1)
    return channel
  }

  /** Opens channels in one read. */
  openTogether(count: number): ReadonlyArray<ChannelInfo> {
    const channels: Array<ChannelInfo> = []
    for (let opened = 0; opened < count; opened++) {
      const lease = this.#space.takeExtended(4)
      if (lease === undefined) continue
      const channel = { connectionId: 1, channelId: ++this.#lastId, kind: "extended", userIdentity: "x" } as const
      this.#leases.set(channel, lease)
      channels.push(channel)
    }
    const opened = { _tag: "ChannelOpened", nominalHashRate: 1, difficulty: 1 } as const
    this.#space.note(channels.map((channel) => ({ ...opened, channel })))
    return channels
  }

  /** Has a share accepted on each of these. */
  work(...channels: ReadonlyArray<ChannelInfo | undefined>): void {
    const accepted = channels.map((channel) => ({ _tag: "ShareAccepted", channel }) as ShareAccepted)
    assert.isTrue(this.#space.note(accepted))
  }

  close(channel: ChannelInfo): void {
    this.#space.giveBack(this.#leases.get(channel)!)
    assert.isFalse(this.#space.note([{ _tag: "ChannelClosed", channel, reason: "" }]))
  }
}

const crowd = (max: number, maxPerAddress = max) => {
  const limited = new LimitedSpace(new ExtranonceSpace(), { max, maxPerAddress })
  return { limited, peer: (host: string) => new Peer(limited, host) }
}

describe("channels of all connections", () => {
  it("make room for another address when all are taken: the address with most channels without a share loses its oldest", () => {
    const { peer } = crowd(9)
    const [small, large, working] = [peer("192.0.2.1"), peer("192.0.2.2"), peer("192.0.2.3")]
    small.openTogether(2)
    large.openTogether(4)
    working.work(...working.openTogether(3))
    const newcomer = peer("192.0.2.4")
    assert.isDefined(newcomer.open())
    assert.isDefined(newcomer.open())
    assert.deepStrictEqual([small.closed, large.closed, working.closed], [[], [2, 3], []])
    assert.isUndefined(newcomer.open(), "no address has two more")
  })

  it("are counted as they are opened, also within one read", () => {
    const { peer } = crowd(8)
    const [flood, other] = [peer("192.0.2.1"), peer("192.0.2.2")]
    assert.strictEqual(flood.openTogether(10).length, 8)
    assert.strictEqual(other.openTogether(10).length, 4)
    assert.deepStrictEqual(flood.closed, [2, 3, 4, 5])
  })

  it("with shares make room only for an address without channels", () => {
    const { peer } = crowd(3)
    const [farm, small] = [peer("192.0.2.1"), peer("192.0.2.2")]
    farm.work(...farm.openTogether(2))
    small.work(small.open())
    assert.isUndefined(small.open())
    const newcomer = peer("192.0.2.3")
    const channel = newcomer.open()
    assert.isDefined(channel)
    newcomer.work(channel)
    assert.isUndefined(peer("192.0.2.4").open())
    assert.deepStrictEqual([farm.closed, small.closed], [[2], []])
  })

  it("no longer count when they are closed, with shares or without", () => {
    const { limited, peer } = crowd(3, 2)
    const one = peer("192.0.2.1")
    const [first, second] = one.openTogether(3)
    assert.isUndefined(one.open(), "the address has two")
    one.work(first)
    one.close(first!)
    one.close(second!)
    assert.strictEqual(limited.channels.total, 0)
    assert.strictEqual(one.openTogether(2).length, 2)
  })
})
