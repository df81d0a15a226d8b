/** What is shipped: the modules of SHA256SUMS, without imports, in the memory that is written on them. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { build, profiles } from "../assembly/compile.ts"

const sums = readFileSync(new URL("../SHA256SUMS", import.meta.url), "utf8")

describe.each(profiles)("the device module of profile %s", (profile) => {
  it("is the one whose hash is recorded; `npm run build -w embedded` records it", async () => {
    const hash = createHash("sha256").update(await build(`device-${profile}`))
    expect(sums).toContain(`${hash.digest("hex")}  build/sluice-device-${profile}.wasm\n`)
  })

  it("imports nothing", async () => {
    const module = new WebAssembly.Module(await build(`device-${profile}`))
    expect(new WebAssembly.Instance(module, {}).exports["create"]).toBeDefined()
  })
})

it("profile header-only has at most 40 KB, and two pages of memory with the longest messages", async () => {
  const bytes = await build("device-header-only")
  expect(bytes.length).toBeLessThanOrEqual(40 * 1024)
  const exports = new WebAssembly.Instance(new WebAssembly.Module(bytes), {}).exports as unknown as {
    readonly memory: { readonly buffer: ArrayBuffer }
    readonly create: (maxPayload: number) => number
  }
  for (const wrong of [511, 16_385, -1]) expect(exports.create(wrong)).toBe(0)
  expect(exports.create(16_384)).toBe(1)
  expect(exports.create(16_384)).toBe(0)
  expect(exports.memory.buffer.byteLength).toBe(2 * 65_536)
})
