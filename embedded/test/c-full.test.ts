/** Profile full in C: both ends of Noise and the codecs, between two instances in one program. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { writeSourceFiles } from "../c/build.ts"
import { isDeviceRun } from "./device-run.ts"

const run = promisify(execFile)
const vectors = new URL("../../packages/conformance/vectors/handshake.json", import.meta.url)
const main = fileURLToPath(new URL("c-full.c", import.meta.url))

describe.skipIf(!isDeviceRun)("profile full in C", { timeout: 300_000 }, () => {
  it("shakes hands with itself, and reads a message that it wrote", async () => {
    const [{ inputs, certificate, authorityPublicKey }] = JSON.parse(await readFile(vectors, "utf8")).handshakes
    const folder = await mkdtemp(join(tmpdir(), "sluice-full-"))
    try {
      await writeSourceFiles(pathToFileURL(`${folder}/`))
      const strict = [
        "-std=c99",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unused-parameter",
        "-Wno-unused-variable",
        "-fsanitize=address,undefined"
      ]
      await run("gcc", [...strict, "-Ifull", "-o", "main", main, "full/sluice.c"], { cwd: folder })
      const keys = [inputs.responderStaticSecret, inputs.responderStaticEncoding, certificate.bytes, authorityPublicKey]
      assert.strictEqual((await run(join(folder, "main"), keys)).stdout, "pool.example:3333\n")
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
