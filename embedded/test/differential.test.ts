import { describe, it } from "@effect/vitest"
import { curveModule, WasmCurve } from "@sluice/embedded"
import { checksOf } from "./differential.ts"
import { makeMachine } from "./machine.ts"
import { Random } from "./random.ts"

const checks = checksOf(await makeMachine(), new WasmCurve(await curveModule()))

describe("the module agrees with @noble/curves, @scure/btc-signer and bigint arithmetic on", () => {
  for (const { cases, name, run } of checks) {
    it(`${name}: ${cases} random cases`, () => {
      const random = new Random(1)
      for (let i = 0; i < cases; i++) run(random)
    })
  }
})
