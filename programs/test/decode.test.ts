/** `sluice decode` and `sluice encode`: frames as people read them, and back. */
import { Arbitrary, Effect } from "effect"
import { it as itEffect } from "@effect/vitest"
import { type Direction, JobDeclaration, Mining, TemplateDistribution } from "@sluice/protocol"
import { spawnSync } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { run } from "./in-process.ts"
import vectors from "./vectors/messages.json" with { type: "json" }

/** Shared with the other tests that start processes (child.ts). */
const compileCache = join(tmpdir(), "sluice-test-compiled")
const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

let directory = ""
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-decode-"))
})
afterAll(() => rm(directory, { recursive: true }))

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const close = Mining.protocol.toServer.encode({ _tag: "CloseChannel", channelId: 1, reasonCode: "done" })
const share = "00801b1b0000010000000200000003000000efbeadde40d6645fe0ffff3f02abcd"
const named = `${share.replace("1b0000", "2a0000")}0200010a00576f726b65725f303031`

const prints = async (args: ReadonlyArray<string>, ...lines: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = await run(args)
  assert.strictEqual(stderr, "")
  assert.deepStrictEqual(stdout.trimEnd().split("\n"), lines)
  assert.strictEqual(status, 0)
}
const refuses = async (args: ReadonlyArray<string>, why: string) => {
  const { status, stderr, stdout } = await run(args)
  assert.deepStrictEqual([stderr.split("\n")[0], stdout, status], [`sluice ${args[0]}: ${why}`, "", 2])
}

describe.each(vectors)("$name of another implementation", ({ header, message, payload, to }) => {
  const described = { protocol: "template-distribution", to, message }

  it("is decoded, with its header or without", async () => {
    const args = ["decode", "--json", "--protocol", "template-distribution"]
    await prints([...args, header + payload], JSON.stringify(described))
    await prints([...args, "--payload", message._tag, payload], JSON.stringify(described))
    await prints([...args, "--payload", `0x${header.slice(4, 6)}`, payload], JSON.stringify(described))
  })

  it("is encoded, with its header or without", async () => {
    await prints(["encode", JSON.stringify(described)], header + payload)
    await prints(["encode", "--protocol", "template-distribution", JSON.stringify(message)], header + payload)
    await prints(["encode", "--payload", JSON.stringify(described)], payload)
  })
})

describe("sluice decode", () => {
  it("prints a line for each message, with units and warnings", () =>
    prints(
      ["decode", `${named} ${hex(close)} 00001e000000`],
      "SubmitSharesExtended to server channelId=1 sequenceNumber=2 jobId=3 nonce=3735928559 (0xdeadbeef) " +
        "ntime=1600443968 (2020-09-18T15:46:08Z) version=1073741792 (0x3fffffe0) extranonce=abcd " +
        '+UserIdentity(userIdentity="Worker_001")',
      'CloseChannel channelId=1 reasonCode="done"',
      '? extension_type=0x00 msg_type=0x1e payload="" ! no message is known of extension 0x0000, type 0x1e'
    ))

  it("reads headers without payload of other implementations", async () => {
    const { stdout } = await run(["decode", "000071000000000072000000"])
    assert.match(stdout, /^\? .*msg_type=0x71 .* ! NewTemplate: templateId at offset 0 .*\n\? .*msg_type=0x72 /)
  })

  it("reads hex, base64 and binary from an argument or a file", async () => {
    const line = 'CloseChannel channelId=1 reasonCode="done"'
    const path = join(directory, "close")
    await writeFile(path, close)
    await prints(["decode", hex(close).toUpperCase()], line)
    await prints(["decode", `0x${hex(close)}`], line)
    await prints(["decode", Buffer.from(close).toString("base64")], line)
    await prints(["decode", "--in", path], line)
    await prints(["decode", "--in", path, "--format", "binary"], line)
    await writeFile(path, `${hex(close).slice(0, 7)}\n${hex(close).slice(7)}\n`)
    await prints(["decode", "--in", path], line)
  })

  it("warns of a message to the wrong side if the receiver is known", () =>
    prints(
      ["decode", "--protocol", "mining", "--to", "client", share, "--json"],
      JSON.stringify({
        protocol: "mining",
        to: "server",
        message: {
          _tag: "SubmitSharesExtended",
          channelId: 1,
          sequenceNumber: 2,
          jobId: 3,
          nonce: 0xdeadbeef,
          ntime: 0x5f64d640,
          version: 0x3fffffe0,
          extranonce: "abcd"
        },
        warnings: ["it is a message to the server"]
      })
    ))

  it.each([
    [["zz"], "the input is neither hex nor base64 nor binary"],
    [["abc"], "the input is hex with a digit too many or too few"],
    [["--format", "hex", "zz"], "the input should be hex, two digits a byte"],
    [["--format", "base64", "!"], "the input should be base64"],
    [[""], "there is nothing to decode"],
    [["--in", "/not/there"], "cannot read /not/there: there is no such file"],
    [["--in", "x", "00"], "there are both an argument and a file to read; give one of them"],
    [
      ["--payload", "Share", "00"],
      "--payload: there is no message Share; give a name, such as NewTemplate, or a type, such as 0x71"
    ],
    [["--payload", "256", "00"], "--payload: expected a type from 0 to 0xff, got 256"],
    [
      ["--payload", "SetNewPrevHash", "00"],
      "--payload: SetNewPrevHash is a message of mining and template-distribution; choose one with --protocol"
    ],
    [
      ["--protocol", "stratum", "00"],
      '--protocol: expected one of mining, job-declaration, template-distribution, got "stratum"'
    ]
  ])("refuses %s", ([...args], why) => refuses(["decode", ...args], why))
})

describe("sluice encode", () => {
  it("reads one message, an array of them, or one a line", async () => {
    const message = JSON.stringify({ _tag: "CloseChannel", channelId: 1, reasonCode: "done" })
    await prints(["encode", message], hex(close))
    await prints(["encode", `[${message}, ${message}]`], hex(close), hex(close))
    await prints(["encode", `${message}\n\n{"message":${message}}\n`], hex(close), hex(close))
    await prints(
      ["encode", "--format", "base64", `[${message}, ${message}]`],
      Buffer.concat([close, close]).toString("base64")
    )
  })

  it("writes a new file and never overwrites one", async () => {
    const path = join(directory, "frames")
    const args = ["encode", '{"_tag":"CloseChannel","channelId":1,"reasonCode":"done"}', "--format", "binary"]
    await refuses(args, "--format binary needs --out FILE")
    await run([...args, "--out", path])
    assert.strictEqual(hex(await readFile(path)), hex(close))
    await refuses([...args, "--out", path], `cannot write ${path}: there is a file already`)
  })

  it.each([
    ["", "there is nothing to encode"],
    ["{}\n{}", "line 1: expected message, or extensionType, type and payload, or bytes"],
    ['{"_tag":"Share"}', 'there is no message "Share"'],
    ['{"_tag":"CloseChannel","channelId":1,"reasonCode":""}\n{"_tag":"Share"}', 'line 2: there is no message "Share"']
  ])("refuses %s", (json, why) => refuses(["encode", json], why))

  it("names the line that is not JSON, and the field that is wrong", async () => {
    assert.match((await run(["encode", '{"_tag":\n{}'])).stderr, /^sluice encode: line 1: this is not JSON: /)
    assert.match((await run(["encode", '{"_tag":"CloseChannel","channelId":-1,"reasonCode":""}'])).stderr, /channelId/)
  })
})

itEffect.effect("what is encoded is decoded to what it was, for every message", () =>
  Effect.gen(function* () {
    for (const { name, toClient, toServer } of [
      Mining.protocol,
      JobDeclaration.protocol,
      TemplateDistribution.protocol
    ]) {
      const frames: Array<Uint8Array> = []
      for (const direction of [toServer, toClient] as unknown as ReadonlyArray<Direction<unknown>>) {
        for (const message of direction.messages) {
          const arbitrary = message.arbitrary as Arbitrary.Arbitrary<unknown>
          const samples = yield* Arbitrary.sampleEffect(arbitrary, { count: 3 })
          for (const sample of samples) frames.push(direction.encode(sample))
        }
      }
      const [bin, json, back] = ["bin", "json", "back"].map((kind) => join(directory, `${name}.${kind}`)) as [
        string,
        string,
        string
      ]
      yield* Effect.promise(async () => {
        await writeFile(bin, Buffer.concat(frames))
        const decoded = await run(["decode", "--json", "--in", bin])
        assert.strictEqual(decoded.stdout.trimEnd().split("\n").length, frames.length)
        await writeFile(json, decoded.stdout)
        assert.strictEqual((await run(["encode", "--in", json, "--format", "binary", "--out", back])).stderr, "")
        assert.isTrue((await readFile(back)).equals(Buffer.concat(frames)))
        assert.strictEqual((await run(["decode", "--json", "--in", back])).stdout, decoded.stdout)
      })
    }
  })
)

it("encode reads the output of decode over a pipe", () => {
  const sluice = (args: ReadonlyArray<string>, input: string) =>
    spawnSync(process.execPath, [main, ...args], {
      input,
      encoding: "utf8",
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache }
    })
  const { status, stderr, stdout } = sluice(["decode", "--json"], hex(close))
  assert.deepStrictEqual([status, stderr], [0, ""])
  assert.strictEqual(sluice(["encode"], stdout).stdout, `${hex(close)}\n`)
})
