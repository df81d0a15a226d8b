/** The vectors of BIP340, BIP324 and Wycheproof in the C of the module, compiled for this machine and for ARM. */
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { text } from "node:stream/consumers"
import { driver } from "../c/drivers.ts"
import { isDeviceRun } from "./device-run.ts"
import { readEcdhVectors, readVectors } from "./vectors.ts"

interface Case {
  readonly line: string
  /** What it writes, hex of at most 64 bytes; undefined where it is refused. */
  readonly expected: string | undefined
  readonly comment: string
}

const ok = (line: string, expected: string, comment = line): Case => ({ line, expected, comment })

const bip340 = readVectors("bip340_test_vectors")
  .filter((row) => row["message"]!.length === 64)
  .flatMap((row): ReadonlyArray<Case> => {
    const [message, signature, key] = ["message", "signature", "public key"].map((name) => row[name]!.toLowerCase())
    const valid = row["verification result"] === "TRUE"
    const verified = { line: `verify ${message} ${signature} ${key}`, expected: valid ? "" : undefined, comment: "" }
    if (row["secret key"] === "") return [verified]
    const signed = `sign ${message} ${row["secret key"]!.toLowerCase()} ${row["aux_rand"]!.toLowerCase()}`
    return [verified, ok(signed, signature!)]
  })

const bip324 = [
  ...readVectors("bip324_ellswift_decode_test_vectors").map((row) => ok(`xOnly ${row["ellswift"]}`, row["x"]!)),
  ...readVectors("bip324_xswiftec_inv_test_vectors").flatMap((row) =>
    Array.from({ length: 8 }, (_, ellCase): Case => {
      const t = row[`case${ellCase}_t`]!
      const line = `ellSwiftCase ${row["x"]} ${row["u"]} #${ellCase}`
      return { line, expected: t === "" ? undefined : t, comment: row["comment"]! }
    })
  ),
  ...readVectors("bip324_packet_encoding_test_vectors").flatMap((row) => {
    const [ours, theirs, secret] = [row["in_ellswift_ours"]!, row["in_ellswift_theirs"]!, row["in_priv_ours"]!]
    return [
      ok(`ecdh ${theirs} ${ours} ${secret} #${row["in_initiating"]}`, row["mid_shared_secret"]!),
      ok(`xOnly ${ours}`, row["mid_x_ours"]!),
      ok(`ecdhX ${row["mid_x_theirs"]} ${secret}`, row["mid_x_shared"]!)
    ]
  })
]

/** SubjectPublicKeyInfo of an uncompressed point by the curve's name; the vectors have others, which have no point to try. */
const PREFIX = "3056301006072a8648ce3d020106052b8104000a03420004"
const wycheproof = readEcdhVectors()
  .filter((vector) => vector.public.startsWith(PREFIX) && vector.public.length === PREFIX.length + 128)
  // Of the "acceptable" ones, some have a point that is off the curve.
  .filter((vector) => vector.result !== "acceptable")
  .map((vector): Case => {
    const secret = BigInt(`0x0${vector.private}`).toString(16).padStart(64, "0")
    const expected = vector.result === "valid" ? vector.shared : undefined
    return { line: `ecdhPoint ${vector.public.slice(PREFIX.length)} ${secret}`, expected, comment: vector.comment }
  })

const targets = [
  { name: "this machine", compiler: "gcc", runner: [] },
  { name: "ARM with floating-point registers", compiler: "arm-linux-gnueabihf-gcc", runner: ["qemu-arm"] },
  { name: "ARM without", compiler: "arm-linux-gnueabi-gcc", runner: ["qemu-arm"] }
]

describe.skipIf(!isDeviceRun)("the module in C", () => {
  for (const { compiler, name, runner } of targets) {
    it(`answers all vectors on ${name}`, async () => {
      const program = await driver("vectors", [compiler, "-O2", "-static"])
      const cases = [...bip340, ...bip324, ...wycheproof]
      assert.isAbove(cases.length, 850)
      const [command, ...args] = [...runner, program]
      const child = spawn(command!, args, { stdio: ["pipe", "pipe", "inherit"] })
      child.stdin.end(cases.map(({ line }) => `${line}\n`).join(""))
      const [output, [status]] = await Promise.all([text(child.stdout), once(child, "close")])
      assert.strictEqual(status, 0)
      const answers = output.trim().split("\n")
      assert.strictEqual(answers.length, cases.length)
      for (const [i, { comment, expected, line }] of cases.entries()) {
        const [answer, written] = answers[i]!.split(" ")
        assert.strictEqual(answer, expected === undefined ? "0" : "1", `${line} ${comment}`)
        if (expected !== undefined) assert.strictEqual(written!.slice(0, expected.length), expected, line)
      }
    }, 120_000)
  }
})
