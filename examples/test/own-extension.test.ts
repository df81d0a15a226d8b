/** Runs the example as its reader does: in its own process, from beginning to end. */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"

const main = fileURLToPath(new URL("../own-extension/main.ts", import.meta.url))

test("own-extension agrees on its extension, and sets fans by the temperatures that come with shares", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [main])
  expect(stdout.trimEnd().split("\n")).toEqual([
    "both ends support 0x4fa0",
    "fans of channel 1: 20 %",
    "fans of channel 1: 50 %",
    "fans of channel 1: 100 %"
  ])
})
