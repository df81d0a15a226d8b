/** Whatever the Schemas can hold comes back from a line and from JSON as it was, and is written in one form. */
import { it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { describe, expect } from "vitest"
import { type Method, ToClient, ToServer } from "../src/index.ts"
import { read } from "./lines.ts"

const methods = [...ToServer.toServer, ...ToClient.toClient] as unknown as ReadonlyArray<Method>
const titled = methods.map((method) => ({ title: `${method.name} to the ${method.to}`, method }))
const runs = { arbitrary: { runs: 50 } }

describe.each(titled)("$title", ({ method }) => {
  it.prop(
    "is the same after it was written to a line and read",
    { value: method.arbitrary },
    ({ value }) => {
      const [line] = read(method.line(7, value).trimEnd())
      expect(line).toMatchObject({ id: 7, method: method.name })
      expect(method.read(line!.params)).toEqual(value)
      // Written once more it is the same text: reading is lenient, writing is not.
      expect(method.line(7, method.read(line!.params) as typeof value)).toBe(method.line(7, value))
    },
    runs
  )

  it.prop(
    "is the same after JSON and back",
    { value: method.arbitrary },
    ({ value }) => {
      const json = JSON.stringify(Schema.encodeSync(method.json)(value))
      expect(Schema.decodeUnknownSync(method.json)(JSON.parse(json))).toEqual(value)
    },
    runs
  )

  it("reads no params as an empty list", () => {
    expect(method.read(undefined)).toEqual(method.read([]))
    expect(method.read(null)).toEqual(method.read([]))
  })
})

describe.each(titled.filter(({ method }) => method.result !== undefined))("the result of $title", ({ method }) => {
  it("is the same after it was written and read", () => {
    const { schema, write } = method.result!
    const arbitrary = Arbitrary.schema(schema)
    for (const value of Effect.runSync(Arbitrary.sampleEffect(arbitrary, { count: 30, seed: method.name }))) {
      expect(method.readResult(JSON.parse(JSON.stringify(write(value))))).toEqual(value)
    }
  })
})
