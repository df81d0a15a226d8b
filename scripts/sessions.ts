/**
 * `npm run sessions`: runs each example that has a compose file, and the app for Umbrel, without containers, until it has found blocks.
 *
 *     npm run sessions                         all of them
 *     npm run sessions -- sessions/07          some of them
 *     BITCOIN_BIN=/path npm run sessions       with bitcoind and bitcoin-cli of that directory; otherwise a development node stands for Bitcoin Core
 *     SLUICE_BINARY=/path npm run sessions     with that `sluice` instead of the sources
 *
 * Each example has a network of its own. That needs Linux and bubblewrap. Logs are in build/sessions.
 */
import { spawnSync } from "node:child_process"
import { globSync } from "node:fs"
import { dirname, join } from "node:path"
import { build } from "../embedded/assembly/compile.ts"
import { servicesOf } from "./sessions/compose.ts"

const examples = join(import.meta.dirname, "../examples")
/** The app for Umbrel, with what Umbrel would set. */
const UMBREL = "../packaging/umbrel/try"
const all = globSync("**/compose.yaml", { cwd: examples })
  .map((file) => dirname(file))
  .toSorted()
  .concat(UMBREL)
const named = process.argv.slice(2)
const unknown = named.find((name) => !all.includes(name))
if (unknown !== undefined) {
  console.error(`There is no example ${unknown} with a compose file; there are: ${all.join(", ")}.`)
  process.exit(2)
}
for (const name of all) servicesOf(join(examples, name, "compose.yaml"))
// The services cannot write to the cache of these modules.
await Promise.all([build("curve"), build("device-header-only")])

const run = (name: string): boolean => {
  const command = [process.execPath, join(import.meta.dirname, "sessions/run.ts"), name]
  const network = ["--dev-bind", "/", "/", "--unshare-net", "--cap-add", "ALL", "--die-with-parent"]
  const { error, status } = spawnSync("bwrap", [...network, ...command], { cwd: examples, stdio: "inherit" })
  if (error !== undefined)
    throw new Error(`bubblewrap (bwrap) does not run: ${error.message}. Debian: apt install bubblewrap`)
  return status === 0
}
const failed = (named.length === 0 ? all : named).filter((name) => !run(name))
process.exitCode = failed.length === 0 ? 0 : 1
