import { assert, describe, it } from "@effect/vitest"
import { addressGroup, type Place, Places } from "../src/limits/connection-limits.ts"

/** Makes a place. By default it must not give way. */
const placeOf = (host: string, giveWay?: () => void): Place => ({
  host,
  address: addressGroup(host),
  giveWay: giveWay ?? (() => assert.fail(`a connection of ${host} gives way`))
})

/** Fills all places: the given number of connections of each address, in this order. The last ones of each address work. */
const fullOf = (crowd: ReadonlyArray<readonly [host: string, idle: number, working: number]>) => {
  const gone: Array<string> = []
  const maxConnections = crowd.reduce((sum, [, idle, working]) => sum + idle + working, 0)
  const places = new Places({ maxConnections, maxConnectionsPerAddress: maxConnections })
  for (const [host, idle, working] of crowd) {
    for (let number = 0; number < idle + working; number++) {
      const place = placeOf(host, () => gone.push(`${host} #${number}`))
      assert.isUndefined(places.take(place))
      if (number >= idle) places.worked(place)
    }
  }
  const come = (host: string) => places.take(placeOf(host, () => gone.push(`${host} new`)))?.reason
  return { places, gone, come }
}

describe("places for connections", () => {
  it("are limited in total, and can be taken again when they are given back", () => {
    const places = new Places({ maxConnections: 2, isExempt: () => true })
    const first = placeOf("192.0.2.1")
    assert.isUndefined(places.take(first))
    assert.isUndefined(places.take(placeOf("192.0.2.1")))
    assert.strictEqual(places.take(placeOf("192.0.2.1"))?.reason, "max_connections")
    places.giveBack(first)
    assert.isUndefined(places.take(placeOf("192.0.2.1")))
  })

  it("are limited to half of them for one address by default, which leaves places for other addresses", () => {
    const places = new Places({ maxConnections: 10 })
    const mine = Array.from({ length: 5 }, () => placeOf("192.0.2.1"))
    for (const place of mine) assert.isUndefined(places.take(place))
    const noPlace = places.take(placeOf("192.0.2.1"))
    assert.strictEqual(noPlace?.reason, "max_connections_per_address")
    assert.match(noPlace!.message, /^192\.0\.2\.1 has 5 open/)
    assert.isUndefined(places.take(placeOf("192.0.2.2")))
    places.giveBack(mine[0]!)
    assert.isUndefined(places.take(placeOf("192.0.2.1")))
  })

  it("are not limited per address for this machine, but in total", () => {
    const places = new Places({ maxConnections: 3, maxConnectionsPerAddress: 1 })
    for (const host of ["127.0.0.1", "127.0.0.1", "127.0.0.1"]) assert.isUndefined(places.take(placeOf(host)))
    assert.strictEqual(places.take(placeOf("127.0.0.1"))?.reason, "max_connections")
  })

  it("that are all taken make room for a new address: the oldest idle connection of the address with the most idle ones ends", () => {
    const { come, gone } = fullOf([
      ["192.0.2.1", 3, 0],
      ["192.0.2.2", 5, 0],
      ["192.0.2.3", 1, 8]
    ])
    for (let count = 0; count < 2; count++) assert.isUndefined(come("192.0.2.4"))
    assert.deepStrictEqual(gone, ["192.0.2.2 #0", "192.0.2.2 #1"])
    assert.strictEqual(come("192.0.2.4"), "max_connections", "no other address has two more")
  })

  it("make room for an address without a place even if each address has one, but not for an address with a place", () => {
    const { come, gone } = fullOf([
      ["192.0.2.1", 1, 0],
      ["192.0.2.2", 1, 0],
      ["192.0.2.3", 0, 1]
    ])
    assert.strictEqual(come("192.0.2.3"), "max_connections")
    assert.isUndefined(come("192.0.2.4"))
    assert.deepStrictEqual(gone, ["192.0.2.1 #0"])
  })

  it("of working connections go only to an address without a place, and never the only one of an address", () => {
    const { come, gone } = fullOf([
      ["192.0.2.1", 0, 4],
      ["192.0.2.2", 0, 1]
    ])
    assert.isUndefined(come("192.0.2.3"))
    assert.deepStrictEqual(gone, ["192.0.2.1 #0"])
    // From now on the new connection, which does not work, gives way first.
    assert.isUndefined(come("192.0.2.4"))
    assert.strictEqual(come("192.0.2.2"), "max_connections")
    assert.deepStrictEqual(gone, ["192.0.2.1 #0", "192.0.2.3 new"])
    const single = fullOf([
      ["192.0.2.1", 0, 1],
      ["192.0.2.2", 0, 1]
    ])
    assert.strictEqual(single.come("192.0.2.3"), "max_connections")
  })

  it("of connections that worked last give way last", () => {
    const places = new Places({ maxConnections: 3 })
    const gone: Array<number> = []
    const all = [0, 1, 2].map((number) => placeOf("127.0.0.1", () => gone.push(number)))
    for (const place of all) {
      places.take(place)
      places.worked(place)
    }
    places.worked(all[0]!)
    assert.isUndefined(places.take(placeOf("192.0.2.1")))
    assert.deepStrictEqual(gone, [1])
    places.worked(all[1]!)
    assert.strictEqual(places.open, 3, "a place that is gone does not come back")
  })

  it("count IPv6 addresses by their first 64 bits", () => {
    const groups: ReadonlyArray<readonly [string, string]> = [
      ["192.0.2.7", "192.0.2.7"],
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
      ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
      ["2001:db8::9", "2001:db8:0:0::/64"],
      ["fe80::1%eth0", "fe80:0:0:0::/64"],
      ["::ffff:0:1", "0:0:0:0::/64"],
      ["somewhere", "somewhere"]
    ]
    for (const [host, group] of groups) assert.strictEqual(addressGroup(host), group)
  })

  it("are not freed twice, nor by a connection without a place", () => {
    const places = new Places({ maxConnections: 1 })
    const place = placeOf("192.0.2.1")
    places.giveBack(place)
    assert.strictEqual(places.open, 0)
    places.take(place)
    places.giveBack(place)
    places.giveBack(place)
    assert.strictEqual(places.open, 0)
  })
})
