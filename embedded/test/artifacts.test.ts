/** The shipped modules: those of SHA256SUMS, without imports, in the documented amount of memory. */
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

it("profile header-only has at most 40 KB", async () => {
  expect((await build("device-header-only")).length).toBeLessThanOrEqual(40 * 1024)
})

/** With room for messages of so many bytes: the pages of 64 KB that docs/device.md promises. */
it.each([
  ["header-only", 8192, 1],
  ["header-only", 16_384, 2],
  ["extended", 2048, 1],
  ["extended", 16_384, 2],
  ["extended", 139_255, 10]
] as const)("profile %s takes messages of %i bytes in %i pages of memory", async (profile, maxPayload, pages) => {
  const module = new WebAssembly.Module(await build(`device-${profile}`))
  const exports = new WebAssembly.Instance(module, {}).exports as unknown as {
    readonly memory: { readonly buffer: ArrayBuffer }
    readonly create: (maxPayload: number) => number
  }
  for (const wrong of [511, 139_256, -1]) expect(exports.create(wrong)).toBe(0)
  expect(exports.create(maxPayload)).toBe(1)
  expect(exports.create(maxPayload)).toBe(0)
  expect(exports.memory.buffer.byteLength).toBe(pages * 65_536)
})
