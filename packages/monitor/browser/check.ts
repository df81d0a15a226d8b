/**
 * `npm run browser`: the operators' page in a real Chromium. A demo finds blocks and is started again, a server with ten thousand
 * workers is searched, a wrong token is refused, and axe looks at every view in both themes. `--pictures DIRECTORY` keeps pictures
 * of it. CHROMIUM names another browser than Debian's.
 */
import { Effect, Redacted } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { brotliCompressSync } from "node:zlib"
import { type Browser, chromium, type Page } from "playwright-core"
import { channelStats, emptyStats, served, StandIn } from "../test/stand-in.ts"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
const at = process.argv.indexOf("--pictures")
const pictures = at < 0 ? undefined : process.argv[at + 1]
if (pictures !== undefined) mkdirSync(pictures, { recursive: true })

/** The most kilobytes of script that a browser loads, compressed. */
const SCRIPT_KB = 60
const WORKERS = 10_000

const faults: Array<string> = []
const check = (what: string, isTrue: boolean, found: unknown = ""): void => {
  console.log(`${isTrue ? "ok  " : "FAIL"} ${what}${found === "" ? "" : ` (${String(found)})`}`)
  if (!isTrue) faults.push(what)
}

const picture = async (page: Page, name: string, fullPage = false): Promise<void> => {
  if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage })
}

const newPage = async (browser: Browser, options: Parameters<Browser["newPage"]>[0] = {}): Promise<Page> => {
  // Without these, axe could not be loaded into a page that allows only its own script.
  const page = await browser.newPage({ viewport: { width: 1360, height: 900 }, bypassCSP: true, ...options })
  page.on("pageerror", (error) => check("the page has no error", false, error.message))
  page.on("request", (request) => {
    const { hostname, protocol } = new URL(request.url())
    if (protocol !== "data:") asked.add(hostname)
  })
  return page
}
const asked = new Set<string>()

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

const demo = async (history: string): Promise<{ readonly url: string; readonly process: ChildProcess }> => {
  const args = ["programs/src/main.ts", "demo", "--history-file", history, "--browser", "false"]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] })
  const url = await new Promise<string>((resolve, reject) => {
    let output = ""
    child.stdout.on("data", (part) => {
      output += String(part)
      const found = /page is at (\S+)/.exec(output)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.on("close", () => reject(new Error(`the demo ended: ${output}`)))
  })
  return { url, process: child }
}

const stop = (child: ChildProcess): Promise<unknown> => {
  const ended = new Promise((resolve) => child.once("close", resolve))
  child.kill("SIGINT")
  return ended
}

const VIEWS = [
  "overview",
  "workers",
  "users",
  "connections",
  "upstreams",
  "jobs",
  "blocks",
  "shares",
  "alerts",
  "events",
  "log",
  "configuration",
  "changes"
]

const checkDemo = async (browser: Browser): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), "sluice-browser-"))
  const history = join(directory, "history.sqlite")
  const first = await demo(history)
  const page = await newPage(browser)
  const card = (title: string) => page.locator(".card", { hasText: title }).locator(".value")
  await page.goto(first.url)
  await card("Last block").filter({ hasText: "ago" }).waitFor({ timeout: 120_000 })
  check("the page shows a block that was found", true, await card("Last block").textContent())
  check("all is well", (await page.locator(".status").textContent()) === "All is well")
  await page.waitForTimeout(40_000)
  await picture(page, "overview", true)

  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme })
    for (const view of [...VIEWS, "workers/demo.standard", "users/demo"]) {
      await page.goto(`${first.url}/#/${view}`)
      await page.locator("main h1").first().waitFor()
      await page.waitForTimeout(500)
      const found = await findings(page)
      check(`axe finds nothing in ${view}, ${colorScheme}`, found.length === 0, found.join("; "))
    }
    await page.goto(`${first.url}/#/overview`)
    await page.waitForTimeout(1000)
    await picture(page, `overview-${colorScheme}`)
  }
  await page.setViewportSize({ width: 390, height: 844 })
  await page.waitForTimeout(500)
  const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
  check("nothing is wider than a phone", Number(overflow) <= 0, overflow)
  await picture(page, "phone")
  await page.close()

  // With the keyboard alone: the first stop leads past the menu.
  const keys = await newPage(browser)
  await keys.goto(first.url)
  await keys.locator(".card").first().waitFor()
  await keys.keyboard.press("Tab")
  await keys.keyboard.press("Enter")
  check("the keyboard skips the menu", (await keys.evaluate("document.activeElement.tagName")) === "MAIN")
  await keys.close()

  await stop(first.process)
  const second = await demo(history)
  const again = await newPage(browser)
  await again.goto(second.url)
  const table = again.locator(".chart", { hasText: "Shares a minute" }).locator("details")
  await table.locator("summary").click()
  const rows = await table.locator("tbody tr").count()
  check("history outlives a restart", rows >= 3, `${rows} samples`)
  await picture(again, "after-a-restart", true)
  await again.close()
  await stop(second.process)
  rmSync(directory, { recursive: true })
}

const checkMany = (browser: Browser): Promise<void> => {
  const standIn = new StandIn()
  standIn.channels = Array.from({ length: WORKERS }, (_, index) =>
    channelStats(index + 1, `farm${index % 40}.rig${String(index).padStart(5, "0")}`, 60 + ((index * 7919) % 80))
  )
  standIn.stats = { ...emptyStats, connections: WORKERS, channels: { standard: 0, extended: WORKERS }, users: 40 }
  const token = Redacted.make("the right one")
  return served(standIn, { token, hostNames: ["pool.example"] }, (url) =>
    Effect.promise(async () => {
      const cold = await newPage(browser)
      const begun = performance.now()
      await cold.goto(url)
      await cold.locator(".card").first().waitFor()
      const ms = Math.round(performance.now() - begun)
      // A figure and not a check: it depends on what else the machine does. docs/performance.md has it from an idle one.
      console.log(`     the first view with ${WORKERS} workers took ${ms} ms`)

      await cold.goto(`${url}/#/workers`)
      await cold.locator("tr.row a").first().waitFor()
      const rows = await cold.locator("tr.row").count()
      check("a table of ten thousand has rows for those in sight only", rows < 120, `${rows} rows`)
      await cold.locator(".long").evaluate((element) => {
        ;(element as unknown as { scrollTop: number }).scrollTop = 5000 * 36
      })
      await cold.locator('tr[aria-rowindex="5010"] a').waitFor()
      check("scrolling shows the rows in the middle", true)
      await picture(cold, "workers")
      await cold.getByRole("searchbox").fill("rig04711")
      await cold.locator("tr.row a", { hasText: "rig04711" }).waitFor()
      await cold.locator("output", { hasText: /^1$/ }).waitFor()
      check("a search finds one of ten thousand", true)
      await cold.getByRole("searchbox").fill("")
      await cold.getByRole("button", { name: "Worker" }).click()
      await cold.locator("tr.row a", { hasText: "farm0.rig00000" }).waitFor()
      check("a column sorts all of them", true)
      await cold.close()

      // A name that is not of this machine needs the token.
      const port = new URL(url).port
      const other = await chromium.launch({
        ...launch,
        args: [...launch.args, "--host-resolver-rules=MAP pool.example 127.0.0.1"]
      })
      const page = await newPage(other)
      await page.goto(`http://pool.example:${port}/`)
      await page.getByLabel("Token", { exact: true }).fill("a wrong one")
      await page.getByRole("button").click()
      await page.getByText("This token is not right.").waitFor()
      check("a wrong token is refused", true)
      const found = await findings(page)
      check("axe finds nothing in the question for the token", found.length === 0, found.join("; "))
      await picture(page, "token")
      await page.getByLabel("Token", { exact: true }).fill("the right one")
      await page.getByRole("button").click()
      await page.locator(".card").first().waitFor()
      check("the right one opens the page", true)
      await other.close()
    })
  )
}

const launch = { executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox"] }

const assets = join(root, "packages/monitor/build/page/assets")
const script = readdirSync(assets)
  .filter((name) => name.endsWith(".js"))
  .reduce((sum, name) => sum + brotliCompressSync(readFileSync(join(assets, name))).length, 0)
check(
  `the script has at most ${SCRIPT_KB} kB compressed`,
  script <= SCRIPT_KB * 1000,
  `${(script / 1000).toFixed(1)} kB`
)

const browser = await chromium.launch(launch)
await checkMany(browser)
await checkDemo(browser)
await browser.close()
const others = [...asked].filter((host) => host !== "127.0.0.1" && host !== "pool.example")
check("nothing was loaded from elsewhere", others.length === 0, others.join(", "))
if (faults.length > 0) process.exitCode = 1
