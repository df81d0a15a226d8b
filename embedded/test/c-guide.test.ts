/** The program in docs/device.md is compiled with both profiles' sources, as strictly as a firmware might, and runs. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { AuthorityKey } from "@sluice/noise"
import { Result } from "effect"
import { writeSourceFiles } from "../c/build.ts"
import { isDeviceRun } from "./device-run.ts"

const run = promisify(execFile)

const strict = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-unused-variable"]

describe.skipIf(!isDeviceRun)("docs/device.md", { timeout: 300_000 }, () => {
  it("has a program that runs", async () => {
    const page = await readFile(new URL("../../docs/device.md", import.meta.url), "utf8")
    const [, program, printed] = /```c\n([^]*?)```[^]*?```text\n([^]*?)```/.exec(page)!
    const folder = await mkdtemp(join(tmpdir(), "sluice-guide-"))
    try {
      await writeSourceFiles(pathToFileURL(`${folder}/`))
      await writeFile(join(folder, "main.c"), program!)
      for (const profile of ["header-only", "extended"]) {
        await run("gcc", [...strict, `-I${profile}`, "-o", "main", "main.c", `${profile}/sluice.c`], { cwd: folder })
        assert.strictEqual((await run(join(folder, "main"))).stdout, printed)
      }
      // C++ takes the same program and the library in C.
      const cpp = ["-x", "c++", "-std=c++20", "-Wall", "-Werror", "-Iextended", "main.c", "-x", "none", "sluice.o"]
      await run("gcc", [...strict, "-c", "-o", "sluice.o", "extended/sluice.c"], { cwd: folder })
      await run("g++", ["-o", "main", ...cpp], { cwd: folder })
      assert.strictEqual((await run(join(folder, "main"))).stdout, printed)
      // Made again, they are the same; and they are those that the repository names.
      const recorded = await readFile(new URL("../c/SHA256SUMS", import.meta.url), "utf8")
      const made = `${(await writeSourceFiles(pathToFileURL(`${folder}/again/`))).join("\n")}\n`
      assert.strictEqual(made, recorded, "`npm run build -w embedded` records the hashes of these sources")
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it("has a way to read an authority key that refuses one which was mistyped", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sluice-key-"))
    try {
      await writeSourceFiles(pathToFileURL(`${folder}/`))
      await writeFile(join(folder, "main.c"), KEY_READER)
      await run("gcc", [...strict, "-Iheader-only", "-o", "main", "main.c", "header-only/sluice.c"], { cwd: folder })
      const wrong = [...KEY].flatMap((letter, at) => {
        const other = letter === "z" ? "y" : "z"
        const swapped =
          KEY.slice(0, at) +
          KEY.slice(at, at + 2)
            .split("")
            .toReversed()
            .join("") +
          KEY.slice(at + 2)
        return [KEY.slice(0, at) + other + KEY.slice(at + 1), ...(swapped === KEY ? [] : [swapped])]
      })
      const secret = "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n"
      const others = [
        "",
        "1",
        KEY.slice(1),
        KEY.slice(0, -1),
        `1${KEY}`,
        `${KEY}1`,
        `${KEY} `,
        "0OIl",
        "9".repeat(200),
        secret
      ]
      const { stdout } = await run(join(folder, "main"), [KEY, ...wrong, ...others])
      const [right, ...refused] = stdout.trimEnd().split("\n")
      const read = AuthorityKey.parsePublicKey(KEY)
      assert.strictEqual(right, Buffer.from(Result.getOrThrow(read)).toString("hex"))
      // What was in the key before.
      assert.deepStrictEqual(
        refused,
        Array.from({ length: wrong.length + others.length }, () => `refused ${"07".repeat(32)}`)
      )
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

const KEY = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"

/** Prints a line for each argument: the key in hex, or that it is none and what stands in its place. */
const KEY_READER = `
#include <stdio.h>
#include <string.h>
#include "sluice.h"
static uint64_t memory[SLUICE_SIZE / 8];
int main(int count, char **arguments) {
  sluice *device = sluice_create(memory, sizeof(memory));
  for (int i = 1; i < count; i++) {
    uint8_t key[32];
    memset(key, 7, sizeof(key));
    if (!sluice_authority_key(device, arguments[i], key)) printf("refused ");
    for (int j = 0; j < 32; j++) printf("%02x", key[j]);
    printf("\\n");
  }
  return 0;
}
`
