/**
 * Processes killed at random (SIGKILL, so that nothing is put in order before): the template provider, the pool, half of
 * the miners. Everything must heal, and the pool's books must be right: what a miner saw acknowledged is in the share log, or in the
 * ledger of a pool that has one, and nothing is in it twice. With a ledger its audit must find no fault too.
 *
 *     SLUICE_CHAOS_SECONDS=600 npx vitest run programs/test/chaos.test.ts     ten minutes of kills at random, for each kind of books
 *     SLUICE_CHAOS_BOOKS=sqlite, log or postgres://...                        one kind of books alone
 *     SLUICE_CHAOS_SECONDS=60 npm run ledger-postgres -- programs/test/chaos.test.ts -t postgres    a ledger in PostgreSQL
 *
 * `npm run soak` does it for a minute, `npm test` leaves it out.
 */
import { LoggedShare } from "@sluice/mining-server"
import { Schema } from "effect"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it } from "vitest"
import { Sluice } from "@sluice/testing/program"
import { freePorts } from "@sluice/testing/ports"
import { run } from "./in-process.ts"

const SECONDS = Number(process.env["SLUICE_CHAOS_SECONDS"] ?? 0)
const CONNECTIONS = 20
/** How long healing may take on a busy machine. */
const PATIENCE_MS = 90_000

type Victim = "provider" | "pool" | "swarm-b"
const victims: ReadonlyArray<Victim> = ["provider", "pool", "swarm-b"]

/** Where the pool records shares: a log, or the ledger at this place. */
type Books = "log" | "sqlite" | `postgres://${string}`
const postgres = process.env["SLUICE_POSTGRES"]
const books = (process.env["SLUICE_CHAOS_BOOKS"]?.split(" ") ??
  (postgres === undefined ? ["log", "sqlite"] : ["log", "sqlite", postgres])) as ReadonlyArray<Books>

describe.each(books)("a pool with its shares in %s, and its miners", (kind) => {
  it.skipIf(SECONDS === 0)(
    "heal whatever is killed, and no acknowledged share is lost or counted twice",
    async () => {
      const place = await mkdtemp(join(tmpdir(), "sluice-chaos-"))
      const shareLog = join(place, "shares.ndjson")
      /** Those of a pool with workers too. */
      const shareLogs = () => readdirSync(place).filter((name) => name.startsWith("shares"))
      const ledger = kind === "sqlite" ? `sqlite:${join(place, "pool.ledger")}` : kind
      const spool = ledger.startsWith("postgres:") ? ["--spool", join(place, "pool.spool")] : []
      const recording = kind === "log" ? ["--share-log", shareLog] : ["--ledger", ledger, ...spool]
      const acknowledged = { "swarm-a": join(place, "a.ndjson"), "swarm-b": join(place, "b.ndjson") }
      const [rpc, zmq, templates, mining] = await freePorts(4)
      const [forProvider, forPool] = [await keyPair(), await keyPair()]
      const credentials = { SLUICE_NODE__RPC_PASSWORD: "p", SLUICE_TEMPLATE_PROVIDER__RPC_PASSWORD: "p" }
      const swarm = (name: keyof typeof acknowledged) =>
        ["swarm", "--connect", `stratum2+tcp://127.0.0.1:${mining}/${forPool.publicKey}`, "--user", name].concat(
          ["--connections", String(CONNECTIONS), "--hash-rate", "10", "--shares-per-minute", "60"],
          ["--acknowledged", acknowledged[name], "--duplicate", "2", "--stale", "1"]
        )
      const commands = {
        node: ["node", "--rpc-listen", `127.0.0.1:${rpc}`, "--rpc-user", "u", "--zmq", `tcp://127.0.0.1:${zmq}`].concat(
          // About 1,024 hashes for a block, and the swarms try 400 a second.
          ["--bits", "1f3fffff"]
        ),
        provider: ["template-provider", "--rpc-url", `http://127.0.0.1:${rpc}`, "--rpc-user", "u"].concat(
          ["--zmq", `tcp://127.0.0.1:${zmq}`, "--listen", `127.0.0.1:${templates}`],
          ["--authority-secret-key", forProvider.secretKey]
        ),
        pool: ["pool", "--template-provider", `stratum2+tcp://127.0.0.1:${templates}/${forProvider.publicKey}`].concat(
          ["--listen", `127.0.0.1:${mining}`, "--authority-secret-key", forPool.secretKey],
          ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", ...recording],
          ["--min-hash-rate", "1", "--shares-per-minute", "60", "--log-level", "warn"]
        ),
        "swarm-a": swarm("swarm-a"),
        "swarm-b": swarm("swarm-b")
      }
      let poolStarts = 0
      // A pool that is started again has workers if the one before had none.
      const workers = () => (kind === "sqlite" ? [] : ["--workers", String(1 + (poolStarts++ % 2))])
      const start = (name: keyof typeof commands) =>
        new Sluice(name === "pool" ? [...commands.pool, ...workers()] : commands[name], credentials)
      const running = {
        node: start("node"),
        provider: start("provider"),
        pool: start("pool"),
        "swarm-a": start("swarm-a"),
        "swarm-b": start("swarm-b")
      }
      const history: Array<string> = []
      const growth = async (path: string) => {
        const from = sizeOf(path)
        const limit = performance.now() + PATIENCE_MS
        while (sizeOf(path) <= from) {
          if (performance.now() > limit) {
            const said = Object.entries(running).map(([name, { output }]) => `${name}:\n${output.slice(-2000)}`)
            throw new Error(`no more shares in ${path} after ${history.join(", ")}\n${said.join("\n")}`)
          }
          await sleep(50)
        }
      }
      /** Both halves get their shares acknowledged, and blocks go all the way to the node. */
      const allWell = async () => {
        await Promise.all([growth(acknowledged["swarm-a"]), growth(acknowledged["swarm-b"])])
        await running.node.find(/Block \d+ accepted/, running.node.output.length)
      }
      await allWell()

      const until = performance.now() + SECONDS * 1000
      while (performance.now() < until) {
        const victim = victims[Math.floor(Math.random() * victims.length)]!
        history.push(victim)
        await sleep(Math.random() * 5000)
        await running[victim].stop("SIGKILL")
        await sleep(Math.random() * 3000)
        running[victim] = start(victim)
        // Every other time the next blow comes before all is well.
        if (Math.random() < 0.5) await allWell()
      }
      await allWell()

      for (const name of ["swarm-a", "swarm-b", "pool", "provider", "node"] as const) {
        const { status, stderr } = await running[name].stop("SIGINT")
        assert.strictEqual(status, 0, stderr)
      }
      const recorded =
        kind === "log"
          ? shareLogs().flatMap((name) => linesOf(join(place, name)).map((line) => decodeShare(line)))
          : await sharesOf(ledger)
      const userOf = new Map(recorded.map(({ hash, user }) => [hash, user]))
      assert.strictEqual(userOf.size, recorded.length, `a share was counted twice: ${history.join(", ")}`)
      let seen = 0
      for (const path of Object.values(acknowledged)) {
        for (const line of linesOf(path)) {
          const { hash, userIdentity } = decodeAcknowledged(line)
          assert.strictEqual(userOf.get(hash), userIdentity, `an acknowledged share is missing: ${history.join(", ")}`)
          seen++
        }
      }
      assert.isAbove(seen, 100)
      assert.isAtLeast(recorded.length, seen)
      console.log(
        `${kind.replace(/:.*/, "")}: ${history.length} kills; ${recorded.length} shares on record, ${seen} seen acknowledged`
      )
    },
    600_000 + SECONDS * 1000
  )
})

/** The shares of a ledger in which an audit finds no fault. */
const sharesOf = async (ledger: string): Promise<ReadonlyArray<Pick<LoggedShare, "hash" | "user">>> => {
  const audited = await run(["ledger", "audit", "--ledger", ledger])
  assert.strictEqual(audited.status, 0, audited.stdout + audited.stderr)
  const exported = await run(["ledger", "export", "--ledger", ledger, "--format", "ndjson"])
  assert.strictEqual(exported.status, 0, exported.stderr)
  return exported.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const { hash, user, worker } = decodeExported(line)
      return { hash, user: worker === "" ? user : `${user}.${worker}` }
    })
}

const sizeOf = (path: string): number => (existsSync(path) ? statSync(path).size : 0)

/** Without halves of lines, which who is killed may leave behind. */
const linesOf = (path: string): ReadonlyArray<string> =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.endsWith("}"))

const decodeShare = Schema.decodeUnknownSync(Schema.fromJsonString(LoggedShare))
const decodeExported = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ hash: Schema.String, user: Schema.String, worker: Schema.String }))
)
const decodeAcknowledged = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ userIdentity: Schema.String, hash: Schema.String }))
)

const keyPair = async (): Promise<{ readonly secretKey: string; readonly publicKey: string }> =>
  JSON.parse((await run(["key", "generate", "--json"])).stdout)
