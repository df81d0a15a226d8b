/** The page of a demo: blocks, every view in both themes, a phone, the keyboard, and history after a restart. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Browser, Page } from "playwright-core"
import { card, check, checkAccess, newPage, picture } from "./browser.ts"

/** A block takes the demo a quarter of a minute on an idle machine. */
const PATIENCE_MS = 300_000

const root = fileURLToPath(new URL("../../..", import.meta.url))

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

export const checkDemo = async (browser: Browser): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), "sluice-browser-"))
  const history = join(directory, "history.sqlite")
  const running: Array<ChildProcess> = []
  const start = async (): Promise<string> => {
    const { process, url } = await demo(history)
    running.push(process)
    return url
  }
  try {
    const url = await start()
    await checkBlocks(browser, url)
    await checkKeyboard(browser, url)
    await stop(running.pop()!)
    await checkRestarted(browser, await start())
  } finally {
    await Promise.all(running.map(stop))
    rmSync(directory, { recursive: true })
  }
}

const checkBlocks = async (browser: Browser, url: string): Promise<void> => {
  const page = await newPage(browser)
  await page.goto(url)
  const lastBlock = card(page, "Last block")
  await lastBlock.filter({ hasText: "ago" }).waitFor({ timeout: PATIENCE_MS })
  check("the page shows a block that was found", true, await lastBlock.textContent())
  check("all is well", (await page.locator(".status").textContent()) === "All is well")
  await checkViews(page, url)
  await checkPhone(page, url)
  await page.goto(`${url}/#/overview`)
  // Three samples, ten seconds apart.
  await table(page, "Shares a minute").nth(2).waitFor({ state: "attached", timeout: PATIENCE_MS })
  check("charts go on without a reload", true)
  await picture(page, "overview", true)
  await page.close()
}

const checkRestarted = async (browser: Browser, url: string): Promise<void> => {
  const page = await newPage(browser)
  await page.goto(url)
  const rows = table(page, "Shares a minute")
  await rows.nth(2).waitFor({ state: "attached" })
  check("history outlives a restart", true, `${await rows.count()} samples`)
  await picture(page, "after-a-restart", true)
  await page.close()
}

/** The rows of a chart's table. */
const table = (page: Page, title: string) => page.locator(".chart", { hasText: title }).locator("tbody tr")

/** Every view of the menu, and those of one worker, user, connection and channel. */
const checkViews = async (page: Page, url: string): Promise<void> => {
  const links = await page.locator('nav a[href^="#/"]').evaluateAll((all) => all.map((one) => one.getAttribute("href")))
  const channels = (await (await fetch(`${url}/api/channels`)).json()) as {
    readonly items: ReadonlyArray<{ readonly connectionId: number; readonly channelId: number }>
  }
  const { channelId, connectionId } = channels.items[0]!
  const more = ["workers/demo.standard", "users/demo", `connections/${connectionId}`].map((view) => `#/${view}`)
  for (const link of [...links, ...more, `#/connections/${connectionId}/${channelId}`]) {
    await page.goto(`${url}/${link}`)
    await page.locator("main h1").first().waitFor()
    await page.waitForTimeout(300)
    await checkAccess(page, `the view ${link}`)
  }
}

const checkPhone = async (page: Page, url: string): Promise<void> => {
  await page.setViewportSize({ width: 390, height: 844 })
  const tooWide: Array<string> = []
  for (const view of ["overview", "workers", "workers/demo.standard", "coinbase", "blocks", "events", "wall"]) {
    await page.goto(`${url}/#/${view}`)
    await page.locator("main h1").first().waitFor()
    await page.waitForTimeout(300)
    if (Number(await page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0) tooWide.push(view)
  }
  check("nothing is wider than a phone", tooWide.length === 0, tooWide.join(", "))
  await page.goto(`${url}/#/overview`)
  await page.getByRole("button", { name: "Menu" }).click()
  await page.getByRole("link", { name: "Blocks" }).click()
  await page.locator("h1", { hasText: "Blocks" }).waitFor()
  check("a phone has the menu behind a button", !(await page.getByRole("link", { name: "Blocks" }).isVisible()))
  await picture(page, "phone")
  await page.setViewportSize({ width: 1360, height: 900 })
}

/** With the keyboard alone: the first stop leads past the menu. */
const checkKeyboard = async (browser: Browser, url: string): Promise<void> => {
  const page = await newPage(browser)
  await page.goto(url)
  await page.locator(".card").first().waitFor()
  await page.keyboard.press("Tab")
  await page.keyboard.press("Enter")
  check("the keyboard skips the menu", (await page.evaluate("document.activeElement.tagName")) === "MAIN")
  await page.goto(`${url}/#/workers/demo.standard`)
  const button = page.getByRole("button", { name: "Reconnect…" })
  await button.focus()
  // Longer than it takes to load the list again.
  await page.waitForTimeout(11_000)
  check(
    "a list that is loaded again keeps the focus",
    (await page.evaluate("document.activeElement.textContent")) === "Reconnect…"
  )
  await page.keyboard.press("Enter")
  await page.getByRole("dialog").waitFor()
  await checkAccess(page, "the question before a change")
  await page.keyboard.press("Escape")
  await page.getByRole("dialog").waitFor({ state: "detached" })
  check("Escape leaves the question before a change", true)
  await page.close()
}
