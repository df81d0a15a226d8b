import { assert, describe, it } from "@effect/vitest"
import { addressGroup, Places } from "../src/connection-limits.ts"

describe("places for connections", () => {
  it("are limited in all, and given back", () => {
    const places = new Places({ maxConnections: 2 })
    assert.isUndefined(places.take("192.0.2.1"))
    assert.isUndefined(places.take("192.0.2.2"))
    assert.strictEqual(places.take("192.0.2.3")?.reason, "max_connections")
    places.giveBack("192.0.2.1")
    assert.isUndefined(places.take("192.0.2.3"))
  })

  it("are limited for one address to half of them by default, which leaves the others theirs", () => {
    const places = new Places({ maxConnections: 10 })
    for (let i = 0; i < 5; i++) assert.isUndefined(places.take("192.0.2.1"))
    const noPlace = places.take("192.0.2.1")
    assert.strictEqual(noPlace?.reason, "max_connections_per_address")
    assert.match(noPlace!.message, /^192\.0\.2\.1 has 5 open/)
    assert.isUndefined(places.take("192.0.2.2"))
    places.giveBack("192.0.2.1")
    assert.isUndefined(places.take("192.0.2.1"))
  })

  it("are not limited for who connects from this machine, but in all", () => {
    const places = new Places({ maxConnections: 3, maxConnectionsPerAddress: 1 })
    for (const host of ["127.0.0.1", "127.0.0.1", "::1"]) assert.isUndefined(places.take(host))
    assert.strictEqual(places.take("127.0.0.1")?.reason, "max_connections")
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

  it("are not given back twice, nor for who had none", () => {
    const places = new Places({ maxConnections: 1 })
    places.giveBack("192.0.2.1")
    assert.strictEqual(places.open, 0)
    places.take("192.0.2.1")
    places.giveBack("192.0.2.1")
    places.giveBack("192.0.2.1")
    assert.strictEqual(places.open, 0)
  })
})
