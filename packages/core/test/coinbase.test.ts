/** A job's coinbase in both builds: what is one, and the first rule that other bytes break. */
import { describe, expect, it } from "vitest"
import * as core from "../src/index.ts"
import { builds, hex, put } from "./builds.ts"

const KEY_SCRIPT = "160014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc"
const PARTS = {
  version: "02000000",
  marker: "",
  inputs: "01",
  outpoint: `${"00".repeat(32)}ffffffff`,
  script: "13029f00065376322f2f2f08",
  /** Here the extranonce is. */
  behind: "",
  sequence: "feffffff",
  outputs: `0200f2052a01000000${KEY_SCRIPT}0000000000000000266a24aa21a9ed${"e2".repeat(32)}`,
  witness: "",
  lockTime: "9e000000"
}
type Parts = typeof PARTS

type Right = [what: string, changes: Partial<Parts>, extranonce?: number]
type Wrong = [what: string, changes: Partial<Parts>, code: number, extranonce?: number]

const EXTRANONCE = 8

const check = (changes: Partial<Parts>, extranonce = EXTRANONCE): number => {
  const parts = { ...PARTS, ...changes }
  const [prefix, suffix] = [
    hex(parts.version + parts.marker + parts.inputs + parts.outpoint + parts.script),
    hex(parts.behind + parts.sequence + parts.outputs + parts.witness + parts.lockTime)
  ]
  const codes = builds.map((build) => {
    put(build, 0, prefix)
    put(build, 100_000, suffix)
    return build.call.checkCoinbase(0, prefix.length, extranonce, 100_000, suffix.length)
  })
  expect(codes[1]).toBe(codes[0])
  return codes[0]!
}

/** Outputs to the empty script with these amounts. */
const outputs = (...amounts: ReadonlyArray<bigint>): string => {
  const bytes = Buffer.alloc(1 + amounts.length * 9)
  bytes[0] = amounts.length
  amounts.forEach((amount, index) => bytes.writeBigUInt64LE(amount, 1 + index * 9))
  return bytes.toString("hex")
}
const MAX_MONEY = 2_100_000_000_000_000n
const witness = { marker: "0001", witness: `0120${"00".repeat(32)}` }

describe("a coinbase", () => {
  it.each([
    ["with an extranonce in its script", {}],
    ["with BIP141's fields", witness],
    ["without an extranonce", { behind: "0000000000000000" }, 0],
    [
      "with bytes of the script behind the extranonce",
      { script: PARTS.script.replace("13", "18"), behind: "0401020304" }
    ],
    ["with a script of 100 bytes", { script: PARTS.script.replace("13", "64") }, 89],
    ["with an output of 300 bytes", { outputs: `010000000000000000fd2c01${"6a".repeat(300)}` }],
    ["of all bitcoins that there will be", { outputs: outputs(MAX_MONEY - 1n, 1n) }],
    ["with an amount whose lower half carries", { outputs: outputs(0xffffffffn, 1n) }]
  ] satisfies ReadonlyArray<Right>)("may be one %s", (...[, changes, extranonce]: Right) => {
    expect(check(changes, extranonce)).toBe(core.CoinbaseBytes.COINBASE_OK)
  })

  it.each([
    ["with two inputs", { inputs: "02" }, core.CoinbaseBytes.COINBASE_INPUT_COUNT],
    ["with marker 00 and flag 02", { ...witness, marker: "0002" }, core.CoinbaseBytes.COINBASE_INPUT_COUNT],
    ["with marker and flag and no input", { ...witness, inputs: "00" }, core.CoinbaseBytes.COINBASE_INPUT_COUNT],
    ["that spends an output", { outpoint: `01${"00".repeat(31)}ffffffff` }, core.CoinbaseBytes.COINBASE_OUTPOINT],
    [
      "that spends output 0 of the null transaction",
      { outpoint: "00".repeat(36) },
      core.CoinbaseBytes.COINBASE_OUTPOINT
    ],
    [
      "with a script of 101 bytes",
      { script: PARTS.script.replace("13", "65") },
      core.CoinbaseBytes.COINBASE_SCRIPT_SIZE,
      90
    ],
    ["with a script of 1 byte", { script: "0151", behind: "" }, core.CoinbaseBytes.COINBASE_SCRIPT_SIZE, 0],
    ["with a script that ends in the extranonce", {}, core.CoinbaseBytes.COINBASE_CUT_OFF, 9],
    ["with a script that goes on behind its length", { behind: "01020304" }, core.CoinbaseBytes.COINBASE_OUTPUT_COUNT],
    ["without outputs", { outputs: "00" }, core.CoinbaseBytes.COINBASE_OUTPUT_COUNT],
    [
      "with three outputs counted and two there",
      { outputs: PARTS.outputs.replace("02", "03") },
      core.CoinbaseBytes.COINBASE_CUT_OFF
    ],
    [
      "with one output counted and two there",
      { outputs: PARTS.outputs.replace("02", "01") },
      core.CoinbaseBytes.COINBASE_TRAILING
    ],
    [
      "with a count of outputs in front of another",
      { outputs: `02${PARTS.outputs}` },
      core.CoinbaseBytes.COINBASE_VALUE
    ],
    [
      "with a count that is not in its shortest form",
      { outputs: `fd0100${outputs(1n).slice(2)}` },
      core.CoinbaseBytes.COINBASE_OUTPUT_COUNT
    ],
    [
      "with an output's length of five bytes",
      { outputs: `010000000000000000fe00000100` },
      core.CoinbaseBytes.COINBASE_OUTPUT_COUNT
    ],
    [
      "with an amount above 21 million bitcoins",
      { outputs: outputs(MAX_MONEY + 1n) },
      core.CoinbaseBytes.COINBASE_VALUE
    ],
    ["with a negative amount", { outputs: outputs(2n ** 64n - 1n) }, core.CoinbaseBytes.COINBASE_VALUE],
    [
      "with amounts above 21 million bitcoins together",
      { outputs: outputs(MAX_MONEY, 1n) },
      core.CoinbaseBytes.COINBASE_VALUE
    ],
    [
      "with a witness of two items",
      { ...witness, witness: `0220${"00".repeat(32)}` },
      core.CoinbaseBytes.COINBASE_WITNESS
    ],
    [
      "with a witness of 31 bytes",
      { ...witness, witness: `011f${"00".repeat(32)}` },
      core.CoinbaseBytes.COINBASE_WITNESS
    ],
    ["with marker and flag and no witness", { marker: "0001" }, core.CoinbaseBytes.COINBASE_WITNESS],
    ["with a witness and no marker", { witness: witness.witness }, core.CoinbaseBytes.COINBASE_TRAILING],
    ["with a byte behind the lock time", { lockTime: `${PARTS.lockTime}00` }, core.CoinbaseBytes.COINBASE_TRAILING],
    ["whose lock time is cut off", { lockTime: "9e0000" }, core.CoinbaseBytes.COINBASE_CUT_OFF],
    [
      "of no bytes",
      Object.fromEntries(Object.keys(PARTS).map((part) => [part, ""])),
      core.CoinbaseBytes.COINBASE_CUT_OFF
    ],
    [
      "that is an extranonce alone",
      Object.fromEntries(Object.keys(PARTS).map((part) => [part, ""])),
      core.CoinbaseBytes.COINBASE_CUT_OFF,
      100
    ]
  ] satisfies ReadonlyArray<Wrong>)("is none %s", (...[, changes, code, extranonce]: Wrong) => {
    expect(check(changes, extranonce)).toBe(code)
  })

  it("may have its extranonce in an output's script, where some pools put it", () => {
    const head = PARTS.version + PARTS.inputs + PARTS.outpoint + "03029f00" + PARTS.sequence
    const all = (split: number) => {
      const script = `01${"00".repeat(8)}0a6a08`
      return {
        version: head + script.slice(0, split),
        inputs: "",
        outpoint: "",
        script: "",
        sequence: "",
        outputs: script.slice(split)
      }
    }
    expect(check({ ...all(24) })).toBe(core.CoinbaseBytes.COINBASE_OK)
    expect(check({ ...all(18), outputs: "0a6a08" })).toBe(core.CoinbaseBytes.COINBASE_CUT_OFF)
  })
})
