import { assert, describe, it } from "@effect/vitest"
import { NodeTemplate, Template } from "../src/provider/templates/node-template.ts"
import { Owner, OwnTemplates } from "../src/provider/templates/own-templates.ts"
import { templateAt } from "./templates.ts"

const node = new NodeTemplate(templateAt(100), 0)
const other = new NodeTemplate(templateAt(101), 0)
let lastId = 0n

/** Gives the owner so many, and their numbers. */
const fill = (own: OwnTemplates, owner: Owner, count: number, of = node): ReadonlyArray<bigint> =>
  Array.from({ length: count }, () => {
    const template = new Template(++lastId, of, of.work(0))
    own.add(owner, template)
    return template.id
  })

const kept = (own: OwnTemplates, ids: ReadonlyArray<bigint>): number =>
  ids.filter((id) => own.get(id) !== undefined).length

describe("templates of single clients", () => {
  it("are limited to the newest sixteen of a client", () => {
    const own = new OwnTemplates()
    const ids = fill(own, new Owner("a"), 100)
    assert.strictEqual(kept(own, ids), 16)
    assert.strictEqual(kept(own, ids.slice(-16)), 16)
  })

  it("are dropped from the client with most if an address has too many", () => {
    const own = new OwnTemplates()
    const modest = fill(own, new Owner("a"), 4)
    const greedy = Array.from({ length: 60 }, () => fill(own, new Owner("a"), 16))
    assert.strictEqual(kept(own, modest), 4)
    const sum = greedy.reduce((sum, ids) => sum + kept(own, ids), 0)
    // Two for each client, and at most 500 more.
    assert.isAtMost(sum, 60 * 2 + 500)
    assert.isAbove(sum, 60 * 2 + 400)
    for (const ids of greedy) assert.isAtLeast(kept(own, ids.slice(-2)), 2)
  })

  it("are dropped from the address with most if there are too many in all", () => {
    const own = new OwnTemplates()
    const modest = Array.from({ length: 100 }, (_, index) => fill(own, new Owner(`modest ${index}`), 4))
    const greedy = Array.from({ length: 20 }, (_, index) =>
      Array.from({ length: 30 }, () => fill(own, new Owner(`greedy ${index}`), 16))
    )
    for (const ids of modest) assert.strictEqual(kept(own, ids), 4)
    const sum = [...modest, ...greedy.flat()].reduce((sum, ids) => sum + kept(own, ids), 0)
    assert.isAtMost(sum, (100 + 600) * 2 + 4_000)
    for (const ids of greedy.flat()) assert.strictEqual(kept(own, ids.slice(-2)), 2)
  })

  it("of clients that have left all count, and are dropped some time later", () => {
    const own = new OwnTemplates()
    const left = Array.from({ length: 1_000 }, () => {
      const owner = new Owner("a")
      const ids = fill(own, owner, 2)
      own.leave(owner, 1_000)
      return ids
    }).flat()
    assert.isAtMost(kept(own, left), 500)
    assert.isAbove(kept(own, left), 400)
    const stays = new Owner("a")
    const ids = fill(own, stays, 16)
    own.expire(600_999)
    assert.isAbove(kept(own, left), 400)
    own.expire(601_000)
    assert.strictEqual(kept(own, left), 0)
    assert.isAtLeast(kept(own, ids.slice(-2)), 2)
  })

  it("are dropped with the answer that they are made from", () => {
    const own = new OwnTemplates()
    const owner = new Owner("a")
    const [first, second] = [fill(own, owner, 3), fill(own, owner, 3, other)]
    own.forget((template) => template.node === node)
    assert.deepStrictEqual([kept(own, first), kept(own, second)], [0, 3])
    assert.strictEqual(owner.templates.size, 3)
  })
})
