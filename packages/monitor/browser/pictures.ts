/**
 * `node packages/monitor/browser/pictures.ts DIRECTORY`: takes the pictures of the documents from the scene, as WebP. They have the
 * machine's font: Inter is the one that the page asks for first.
 */
import { spawn } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Browser, Page } from "playwright-core"
import { launch } from "./browser.ts"

interface Picture {
  readonly view: string
  readonly theme: "light" | "dark"
  readonly width: number
  readonly height: number
  readonly prepare?: (page: Page) => Promise<unknown>
}

const DESKTOP = { width: 1360, height: 900 }
const PICTURES: Readonly<Record<string, Picture>> = {
  overview: {
    view: "overview",
    theme: "light",
    ...DESKTOP,
    prepare: (page) => page.getByText("Day", { exact: true }).click()
  },
  workers: { view: "workers", theme: "dark", ...DESKTOP },
  coinbase: { view: "coinbase", theme: "light", ...DESKTOP },
  payouts: { view: "payouts", theme: "dark", ...DESKTOP },
  change: {
    view: "workers/aurora.r01-u00",
    theme: "light",
    ...DESKTOP,
    prepare: (page) => page.getByRole("button", { name: "Reconnect…" }).click()
  },
  wall: { view: "wall", theme: "dark", width: 1920, height: 1080 },
  phone: { view: "overview", theme: "dark", width: 390, height: 844 }
}

const take = async (
  browser: Browser,
  url: string,
  { height, prepare, theme, view, width }: Picture
): Promise<Buffer> => {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme })
  await page.goto(`${url}/#/${view}`)
  await page.locator("main h1").first().waitFor()
  await page.waitForTimeout(2000)
  await prepare?.(page)
  await page.waitForTimeout(1500)
  const png = await page.screenshot()
  await page.close()
  return png
}

/** The browser compresses: Node has no encoder for pictures. */
const compress = async (browser: Browser, png: Buffer): Promise<Buffer> => {
  const page = await browser.newPage()
  const webp = await page.evaluate<Array<number>>(`(async () => {
    const source = await fetch("data:image/png;base64,${png.toString("base64")}")
    const image = await createImageBitmap(await source.blob())
    const canvas = new OffscreenCanvas(image.width, image.height)
    canvas.getContext("2d").drawImage(image, 0, 0)
    const blob = await canvas.convertToBlob({ type: "image/webp", quality: 0.9 })
    return Array.from(new Uint8Array(await blob.arrayBuffer()))
  })()`)
  await page.close()
  return Buffer.from(webp)
}

const directory = process.argv[2]
if (directory === undefined) throw new Error("expected the directory for the pictures")
mkdirSync(directory, { recursive: true })
const scene = spawn(process.execPath, [fileURLToPath(new URL("scene.ts", import.meta.url)), "0"])
try {
  const url = await new Promise<string>((resolve, reject) => {
    scene.stdout.on("data", (line) => resolve(/\S+$/.exec(String(line).trim())![0]))
    scene.once("close", () => reject(new Error("the scene ended")))
  })
  const browser = await launch()
  // Until the last sample is a whole one.
  await new Promise((resolve) => setTimeout(resolve, 21_000))
  for (const [name, picture] of Object.entries(PICTURES)) {
    const webp = await compress(browser, await take(browser, url, picture))
    writeFileSync(join(directory, `${name}.webp`), webp)
    console.log(`${name}.webp ${Math.round(webp.length / 1000)} kB`)
  }
  await browser.close()
} finally {
  scene.kill()
}
