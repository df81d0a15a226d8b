/** The program in docs/device.md is compiled with both profiles' sources, as strictly as a firmware might, and runs. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { writeSourceFiles } from "../c/build.ts"
import { isDeviceRun } from "./device-run.ts"

const run = promisify(execFile)

describe.skipIf(!isDeviceRun)("docs/device.md", { timeout: 60_000 }, () => {
  it("has a program that runs", async () => {
    const page = await readFile(new URL("../../docs/device.md", import.meta.url), "utf8")
    const [, program, printed] = /```c\n([^]*?)```[^]*?```text\n([^]*?)```/.exec(page)!
    const folder = await mkdtemp(join(tmpdir(), "sluice-guide-"))
    try {
      await writeSourceFiles(pathToFileURL(`${folder}/`))
      await writeFile(join(folder, "main.c"), program!)
      const strict = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-unused-variable"]
      for (const profile of ["header-only", "extended"]) {
        await run("gcc", [...strict, `-I${profile}`, "-o", "main", "main.c", `${profile}/sluice.c`], { cwd: folder })
        assert.strictEqual((await run(join(folder, "main"))).stdout, printed)
      }
      // Made again, they are the same; and they are those that the repository names.
      const recorded = await readFile(new URL("../c/SHA256SUMS", import.meta.url), "utf8")
      const made = `${(await writeSourceFiles(pathToFileURL(`${folder}/again/`))).join("\n")}\n`
      assert.strictEqual(made, recorded, "`npm run build -w embedded` records the hashes of these sources")
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
