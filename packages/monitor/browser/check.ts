/**
 * `npm run browser`: the operators' page in a real Chromium. It looks at a pool with the ten thousand miners of the swarm and at a
 * demo. `--pictures DIRECTORY` keeps pictures of what it saw.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { brotliCompressSync } from "node:zlib"
import { asked, check, faults, launch } from "./browser.ts"
import { checkDemo } from "./demo.ts"
import { checkAlert, checkFarm, startFarm } from "./farm.ts"

/** The most kilobytes of script that a browser loads, compressed. */
const SCRIPT_KB = 60

const assets = fileURLToPath(new URL("../build/page/assets", import.meta.url))
const script = readdirSync(assets)
  .filter((name) => name.endsWith(".js"))
  .reduce((sum, name) => sum + brotliCompressSync(readFileSync(join(assets, name))).length, 0)
check(
  `the script has at most ${SCRIPT_KB} kB compressed`,
  script <= SCRIPT_KB * 1000,
  `${(script / 1000).toFixed(1)} kB`
)

const browser = await launch()
const farm = await startFarm()
try {
  await checkFarm(browser, farm)
  // An alert takes half a minute to fire, and so does a demo to have a history.
  await Promise.all([checkAlert(browser, farm), checkDemo(browser)])
} finally {
  await farm.stop()
}
await browser.close()
const others = [...asked].filter((host) => host !== "127.0.0.1" && host !== "pool.example")
check("nothing was loaded from elsewhere", others.length === 0, others.join(", "))
if (faults.length > 0) process.exitCode = 1
