import { assert, describe, it } from "@effect/vitest"
import { type Unread, UnreadBytes } from "../src/limits/unread.ts"

const KB = 1024
const MB = KB * KB

const crowd = () => {
  const ended: Array<string> = []
  const peer = (address: string, name = address): Unread => ({ address, end: () => ended.push(name) })
  return { ended, peer }
}

describe("UnreadBytes", () => {
  it("above the limit, ends a connection of the address with the most bytes, not the peer that has read nothing for the longest time", () => {
    const { ended, peer } = crowd()
    const unread = new UnreadBytes(10 * MB)
    unread.wait(peer("slow link"), 100 * KB)
    const flood = Array.from({ length: 6 }, (_, index) => peer("flood", `flood${index}`))
    for (const one of flood) unread.wait(one, MB)
    unread.taken(flood[0]!, MB)
    unread.wait(peer("proxy"), 4 * MB)
    assert.deepStrictEqual(ended, ["flood1"])
    unread.wait(peer("third"), MB)
    assert.deepStrictEqual(ended, ["flood1", "flood2"])
  })

  it("does not charge an address with many connections of few bytes each", () => {
    const { ended, peer } = crowd()
    const unread = new UnreadBytes(10 * MB)
    for (let index = 0; index < 6; index++) unread.wait(peer(`flood${index}`), MB)
    // One job for each machine of a farm.
    for (let index = 0; index < 2500; index++) unread.wait(peer("farm"), 2 * KB)
    assert.deepStrictEqual(ended, ["flood0"])
  })

  it("ends the peer that has read nothing for the longest time if no connection has a large amount", () => {
    const { ended, peer } = crowd()
    const unread = new UnreadBytes(10 * KB)
    const [first, second] = [peer("first"), peer("second")]
    unread.wait(first, 4 * KB)
    unread.wait(second, 4 * KB)
    unread.taken(first, 4 * KB)
    unread.wait(peer("third"), 4 * KB)
    assert.deepStrictEqual(ended, ["second"])
  })
})
