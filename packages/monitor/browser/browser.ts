/** What the checks in a real Chromium share. CHROMIUM names another browser than Debian's. */
import { mkdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { type Browser, chromium, type Page } from "playwright-core"

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
const at = process.argv.indexOf("--pictures")
const pictures = at < 0 ? undefined : process.argv[at + 1]
if (pictures !== undefined) mkdirSync(pictures, { recursive: true })

export const faults: Array<string> = []
export const check = (what: string, isTrue: boolean, found: unknown = ""): void => {
  console.log(`${isTrue ? "ok  " : "FAIL"} ${what}${found === "" ? "" : ` (${String(found)})`}`)
  if (!isTrue) faults.push(what)
}

/** Keeps a picture if `--pictures DIRECTORY` was given. */
export const picture = async (page: Page, name: string, fullPage = false): Promise<void> => {
  if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage })
}

/** A browser in which `pool.example` is this machine. */
export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--host-resolver-rules=MAP pool.example 127.0.0.1"]
  })

/** The hosts that pages asked for something. */
export const asked = new Set<string>()

/** A page with an empty cache. */
export const newPage = async (browser: Browser, options: Parameters<Browser["newPage"]>[0] = {}): Promise<Page> => {
  // Without bypassCSP, axe could not be loaded into a page that allows only its own script.
  const page = await browser.newPage({ viewport: { width: 1360, height: 900 }, bypassCSP: true, ...options })
  page.on("pageerror", (error) => check("the page has no error", false, error.message))
  page.on("request", (request) => {
    const { hostname, protocol } = new URL(request.url())
    if (protocol !== "data:") asked.add(hostname)
  })
  return page
}

/** All findings of axe, as sentences. */
const findings = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe)
  return page.evaluate(async () => {
    const { violations } = await (
      globalThis as unknown as {
        axe: { run: () => Promise<{ violations: Array<{ id: string; nodes: Array<{ html: string }> }> }> }
      }
    ).axe.run()
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 120)}`)
  })
}

/** Whether axe finds nothing in what the page shows, in both themes. */
export const checkAccess = async (page: Page, what: string): Promise<void> => {
  const found: Array<string> = []
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme })
    await page.waitForTimeout(100)
    found.push(...(await findings(page)).map((finding) => `${colorScheme}: ${finding}`))
  }
  check(`axe finds nothing in ${what}`, found.length === 0, found.join("; "))
}

/** The value of a card of the overview. */
export const card = (page: Page, title: string) => page.locator(".card", { hasText: title }).locator(".value")
