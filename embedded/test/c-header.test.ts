/** sluice.h names the same numbers as packages/core, and no others. */
import { assert, describe, it } from "@effect/vitest"
import { Handshake, MiningDevice } from "@sluice/core"
import { readFileSync } from "node:fs"
import { DEVICE_RULES } from "../src/device-event.ts"

const read = (name: string): string => readFileSync(new URL(`../c/${name}`, import.meta.url), "utf8")
const header = read("sluice.h")

describe("sluice.h", () => {
  for (const prefix of ["EVENT", "RULE", "SUBMIT", "HANDSHAKE"]) {
    it(`has all numbers of ${prefix}_`, () => {
      const ours = [...header.matchAll(new RegExp(`^ *SLUICE_(${prefix}_\\w+) = (\\d+)`, "gm"))]
      const inCore = Object.entries({ ...Handshake, ...MiningDevice }).filter(
        ([name, value]) => name.startsWith(`${prefix}_`) && typeof value === "number"
      )
      // Messages of the protocol have numbers, too.
      const numbers = inCore.filter(([name]) => !name.startsWith("SUBMIT_SHARES_"))
      assert.isAbove(ours.length, 6)
      assert.deepStrictEqual(
        Object.fromEntries(ours.map(([, name, value]) => [name, Number(value)])),
        Object.fromEntries(numbers)
      )
    })
  }

  it("has the states of the device", () => {
    for (const [, name, value] of header.matchAll(/SLUICE_STATE_(\w+) = (\d+)/g)) {
      assert.strictEqual((MiningDevice as unknown as Record<string, number>)[`DEVICE_${name}`], Number(value), name)
    }
  })

  it("names rules as the JavaScript of the module does", () => {
    const table = /names\[\] = \{([^}]*)\}/.exec(read("sluice.c"))![1]!
    const names = [...table.matchAll(/"([^"]*)"/g)].map((match) => match[1]!)
    assert.strictEqual(names[0], "none")
    const named = new Map([...DEVICE_RULES].map(([rule, { name }]) => [rule, name]))
    for (const [rule, name] of names.entries()) if (rule > 0) assert.strictEqual(name, named.get(rule) ?? "")
    assert.isBelow(Math.max(...DEVICE_RULES.keys()), names.length)
  })
})
