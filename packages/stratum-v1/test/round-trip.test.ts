/** Whatever the Schemas can hold comes back from a line and from JSON as it was, and is written in one form. */
import { it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { describe, expect } from "vitest"
import * as fc from "fast-check"
import { type Method, ParamsError, RefusalField, ToClient, ToServer } from "../src/index.ts"
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

  it("reads any JSON as a message that is written and read again as the same, or gives a ParamsError", () => {
    const near = fc.oneof(
      fc.constantFrom("00", "0x1fffe000", "504e86ed", "ab".repeat(32), "1", 1, 0.5, true, null),
      fc.jsonValue()
    )
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.array(near, { maxLength: 10 })), (value) => {
        // JSON writes -0 as 0.
        const json: unknown = JSON.parse(JSON.stringify(value))
        const message = method.read(json)
        if (message instanceof ParamsError) expect(message.method).toBe(method.name)
        else expect(method.read(JSON.parse(JSON.stringify(method.write(message))))).toEqual(message)
      })
    )
  })

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

it("an error is the same after it was written and read, and any JSON is one or none", () => {
  fc.assert(
    fc.property(fc.integer(), fc.string(), (code, text) => {
      expect(RefusalField.read(RefusalField.write({ code, text }))).toEqual({ code, text })
    })
  )
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      const refusal = RefusalField.read(json)
      if (refusal !== undefined) expect(Schema.is(RefusalField.schema)(refusal)).toBe(true)
    })
  )
})
