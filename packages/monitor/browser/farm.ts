/**
 * The page of a real pool with the ten thousand miners of `sluice swarm`, and with a ledger: the first view, a long table, the token,
 * changes, and an alert that fires and clears.
 */
import { Sluice } from "@sluice/testing/program"
import { freePorts } from "@sluice/testing/ports"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Browser, Page } from "playwright-core"
import type { Overview } from "../src/api/overview.ts"
import { check, checkAccess, newPage, picture } from "./browser.ts"

const WORKERS = 10_000
/** The aim, for an idle machine with two cores; a loaded one may take longer. */
const FIRST_VIEW_MS = 1000
const LOADED = 4
const TOKEN = "the right one"
const ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

export interface Farm {
  readonly url: string
  readonly stopProvider: () => Promise<unknown>
  readonly startProvider: () => void
  readonly stop: () => Promise<void>
}

/**
 * Starts node, template provider, pool and swarm, and waits until all miners have a channel. They do without encryption: twenty
 * thousand halves of handshakes would take most of the time.
 */
export const startFarm = async (): Promise<Farm> => {
  const directory = mkdtempSync(join(tmpdir(), "sluice-farm-"))
  const [rpc, zmq, templates, mining, http] = await freePorts(5)
  const env = {
    SLUICE_NODE__RPC_PASSWORD: "p",
    SLUICE_TEMPLATE_PROVIDER__RPC_PASSWORD: "p",
    SLUICE_POOL__HTTP_TOKEN: TOKEN
  }
  const start = (program: string, flags: Readonly<Record<string, string>>) => {
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
    return new Sluice([program, ...args], env, { outlivesTest: true })
  }
  const startProvider = () =>
    start("template-provider", {
      "rpc-url": `http://127.0.0.1:${rpc}`,
      "rpc-user": "u",
      zmq: `tcp://127.0.0.1:${zmq}`,
      listen: `127.0.0.1:${templates}`,
      plain: "true"
    })
  const node = start("node", {
    "rpc-listen": `127.0.0.1:${rpc}`,
    "rpc-user": "u",
    zmq: `tcp://127.0.0.1:${zmq}`
  })
  let provider = startProvider()
  const pool = start("pool", {
    "template-provider": `stratum2+tcp+plain://127.0.0.1:${templates}`,
    listen: `127.0.0.1:${mining}`,
    plain: "true",
    "coinbase-address": ADDRESS,
    chain: "regtest",
    ledger: `sqlite:${join(directory, "ledger.sqlite")}`,
    "payout-scheme": "pplns",
    "http-listen": `127.0.0.1:${http}`,
    "http-host-names": "pool.example"
  })
  const swarm = start("swarm", {
    connect: `stratum2+tcp+plain://127.0.0.1:${mining}`,
    user: ADDRESS,
    connections: String(WORKERS),
    "shares-per-minute": "0.2"
  })
  const farm: Farm = {
    url: `http://127.0.0.1:${http}`,
    stopProvider: () => provider.stop("SIGKILL"),
    startProvider: () => void (provider = startProvider()),
    stop: async () => {
      await Promise.all([swarm, pool, provider, node].map((one) => one.stop("SIGKILL")))
      rmSync(directory, { recursive: true, force: true })
    }
  }
  const until = AbortSignal.timeout(300_000)
  while ((await channels(farm.url)) < WORKERS) {
    const ended = [swarm, pool, provider, node].find((one) => one.process.exitCode !== null)
    if (until.aborted || ended !== undefined) {
      await farm.stop()
      throw new Error(`the farm has no ${WORKERS} channels: ${(ended ?? pool).output.slice(-2000)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  return farm
}

const channels = async (url: string): Promise<number> => {
  try {
    const overview = (await (await fetch(`${url}/api/overview`)).json()) as Overview
    return overview.channels.standard + overview.channels.extended
  } catch {
    return 0
  }
}

export const checkFarm = async (browser: Browser, { url }: Farm): Promise<void> => {
  const page = await newPage(browser)
  const begun = performance.now()
  await page.goto(url)
  await page.locator(".canvas canvas, .nothing").first().waitFor()
  const ms = Math.round(performance.now() - begun)
  const most = LOADED * FIRST_VIEW_MS
  check(`the first view with ${WORKERS} workers takes at most ${most} ms`, ms <= most, `${ms} ms`)

  await page.goto(`${url}/#/workers`)
  await page.locator("tr.row a").first().waitFor()
  const rows = await page.locator("tr.row").count()
  check("a table of ten thousand has rows for those in sight only", rows < 120, `${rows} rows`)
  await page.locator(".long").evaluate((element) => {
    ;(element as unknown as { scrollTop: number }).scrollTop = 5000 * 36
  })
  await page.locator('tr[aria-rowindex="5010"] a').waitFor()
  check("scrolling shows the rows in the middle", true)
  await picture(page, "workers")
  await page.getByRole("searchbox").fill(".4711")
  await page.locator("tr.row a", { hasText: ".4711" }).waitFor()
  await page.locator("output", { hasText: /^1 found$/ }).waitFor()
  check("a search finds one of ten thousand", true)
  await page.getByRole("searchbox").fill("")
  await page.getByRole("button", { name: "Worker" }).click()
  await page.locator("tr.row a", { hasText: /\.1$/ }).first().waitFor()
  check("a column sorts all of them", true)

  for (const view of ["payouts", "accounts", `users/${ADDRESS}`]) {
    await page.goto(`${url}/#/${view}`)
    await page.locator("main .card, main td").first().waitFor()
    await page.waitForTimeout(500)
    await checkAccess(page, `the view #/${view}`)
  }
  await page.close()
  await checkToken(browser, url)
}

/** A name that is not of this machine needs the token; a change needs it everywhere. */
const checkToken = async (browser: Browser, url: string): Promise<void> => {
  const page = await newPage(browser)
  const label = page.getByLabel("Token", { exact: true })
  await page.goto(`http://pool.example:${new URL(url).port}/`)
  await label.fill("a wrong one")
  await page.getByRole("button", { name: "Open" }).click()
  await page.getByText("This token is not right.").waitFor()
  check("a wrong token is refused", true)
  await checkAccess(page, "the question for the token")
  await picture(page, "token")
  await label.fill(TOKEN)
  await page.getByRole("button", { name: "Open" }).click()
  await page.locator(".card").first().waitFor()
  check("the right one opens the page", true)
  await page.close()

  const local = await newPage(browser)
  await local.goto(`${url}/#/workers/${ADDRESS}.17`)
  await local.getByRole("button", { name: "Close channel…" }).click()
  const dialog = local.getByRole("dialog")
  await dialog.getByLabel("Token", { exact: true }).fill("a wrong one")
  await dialog.getByRole("button", { name: "Close channel" }).click()
  await dialog.getByText("This token is not right.").waitFor()
  check("a change with a wrong token is refused", true)
  await picture(local, "change")
  await dialog.getByLabel("Token", { exact: true }).fill(TOKEN)
  await dialog.getByRole("button", { name: "Close channel" }).click()
  await local.getByText("Close channel: done.").waitFor()
  await local.goto(`${url}/#/changes`)
  await local.locator("td", { hasText: "close channel" }).first().waitFor()
  check("a change with the right one is made, and written down", true)
  await local.close()
}

/** Without its template provider a pool has an alert, until the provider is there again. */
export const checkAlert = async (browser: Browser, farm: Farm): Promise<void> => {
  const page = await newPage(browser)
  await page.goto(farm.url)
  await page.locator(".status", { hasText: "All is well" }).waitFor({ timeout: 120_000 })
  await farm.stopProvider()
  await page.locator(".status.bad", { hasText: "not connected" }).waitFor({ timeout: 120_000 })
  check("the page says at once that the source of work is not connected", true)
  await page.locator(".status .firing").waitFor({ timeout: 300_000 })
  await checkAccess(page, "the overview with an alert")
  await picture(page, "alert")
  const state = (name: string) => alert(page).locator(`.state.${name}`)
  await page.goto(`${farm.url}/#/alerts`)
  await state("firing").waitFor()
  check("an alert fires", true, await alert(page).textContent())
  farm.startProvider()
  await state("cleared").waitFor({ timeout: 300_000 })
  check("the alert is over when its cause is", true)
  await page.goto(`${farm.url}/#/overview`)
  await page.locator(".status", { hasText: "All is well" }).waitFor({ timeout: 120_000 })
  check("all is well again", true)
  await page.close()
}

const alert = (page: Page) => page.locator("tr", { hasText: "upstream-lost" })
