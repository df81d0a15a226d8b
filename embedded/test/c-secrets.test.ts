/**
 * Work on secrets takes the same number of instructions for every secret, in the C of the module as a compiler makes it into
 * a program for this machine: valgrind's callgrind counts. constant-time.test.ts compares the ways through the module.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { driver } from "../c/drivers.ts"
import { isDeviceRun } from "./device-run.ts"

const run = promisify(execFile)
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const secrets = [
  1n,
  N - 1n,
  (N + 1n) / 2n,
  2n ** 255n - 19n,
  0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5an
]

/** Instructions in an operation on a secret and in all that it calls. */
const countOf = async (program: string, operation: string, secret: bigint): Promise<number> => {
  const counting = ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=operation"]
  const { stderr } = await run("valgrind", [...counting, program, operation, secret.toString(16).padStart(64, "0")])
  return Number(/Collected : (\d+)/.exec(stderr)![1])
}

describe.skipIf(!isDeviceRun)("the module in C", { timeout: 120_000 }, () => {
  for (const level of ["-O2", "-Os"]) {
    it(`takes as many instructions for one secret as for another, compiled with ${level}`, async () => {
      const program = await driver("secrets", ["gcc", level])
      for (const operation of ["ecdh", "sign", "publicKey"]) {
        const counts = await Promise.all(secrets.map((secret) => countOf(program, operation, secret)))
        assert.isAbove(counts[0]!, 100_000)
        for (const count of counts) assert.strictEqual(count, counts[0], operation)
      }
      const variable = await Promise.all(secrets.map((secret) => countOf(program, "variable", secret)))
      assert.isAbove(new Set(variable).size, 1, "the counts do tell")
    })
  }
})
