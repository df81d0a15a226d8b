import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { Sluice } from "@sluice/testing/program"
import { freePorts } from "@sluice/testing/ports"
import { barLine } from "../src/output/progress.ts"
import { startDevProvider } from "./dev-provider.ts"
import { run } from "./in-process.ts"

const POOL_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
const ALICE = "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7"

let directory = ""
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-ledger-"))
})
afterAll(() => rm(directory, { recursive: true }))

const json = (stdout: string): ReadonlyArray<Record<string, unknown>> =>
  stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

const line = (number: number) =>
  JSON.stringify({
    at: 1_700_000_000_000 + number,
    user: `${number % 2 === 0 ? ALICE : 'bob, the "builder"'}.rig`,
    connectionId: 1,
    channelId: 1,
    sequenceNumber: number,
    jobId: 1,
    height: 10,
    difficulty: 1,
    hash: number.toString(16).padStart(64, "0"),
    block: false
  })

describe("sluice ledger", () => {
  it("imports a share log once, and names the line that is no share", async () => {
    const [log, ledger] = [join(directory, "shares.ndjson"), `sqlite:${join(directory, "import.ledger")}`]
    await writeFile(log, `${[1, 2, 3, 4].map(line).join("\n")}\n`)
    const imported = () => run(["ledger", "import", "--ledger", ledger, "--share-log", log])
    assert.deepStrictEqual(json((await imported()).stdout), [{ lines: 4, added: 4, known: 0 }])
    assert.deepStrictEqual(json((await imported()).stdout), [{ lines: 4, added: 0, known: 4 }])
    await writeFile(log, `${line(5)}\n{}\n`)
    const { status, stderr } = await imported()
    assert.strictEqual(status, 2)
    assert.match(stderr, /^sluice ledger import: .*shares\.ndjson: line 2 is no share: /)

    const csv = await run(["ledger", "export", "--ledger", ledger])
    assert.strictEqual(csv.stderr, "")
    assert.deepStrictEqual(csv.stdout.split("\n").slice(0, 2), [
      "seq,at,user,worker,work,height,hash,block",
      `1,1700000000001,"bob, the ""builder""",rig,4295032833,10,${"1".padStart(64, "0")},false`
    ])
    const { stdout } = await run(["ledger", "export", "--ledger", ledger, "--format", "ndjson", "--from-share", "4"])
    assert.deepStrictEqual(json(stdout)[0], {
      seq: 4,
      at: 1_700_000_000_004,
      user: ALICE,
      worker: "rig",
      work: "4295032833",
      height: 10,
      hash: "4".padStart(64, "0"),
      block: false
    })
  })

  it("keeps an adjustment with its reason, and says whom a payment would pay", async () => {
    const ledger = `sqlite:${join(directory, "adjust.ledger")}`
    for (const [user, satoshis] of [
      [ALICE, "200000"],
      ["bob", "150000"],
      [ALICE, "-50000"]
    ] as const) {
      const args = ["--user", user, "--satoshis", satoshis, "--reason", "by hand"]
      assert.strictEqual((await run(["ledger", "adjust", "--ledger", ledger, ...args])).status, 0)
    }
    const balances = json((await run(["ledger", "users", "--ledger", ledger])).stdout)
    assert.deepStrictEqual(
      balances.map(({ balance, user }) => [user, balance]),
      [
        ["bob", "150000"],
        [ALICE, "150000"],
        ["(the pool)", "-300000"]
      ]
    )
    assert.deepStrictEqual(json((await run(["ledger", "pay", "--dry-run", "--ledger", ledger])).stdout), [
      { user: "bob", satoshis: "150000", payable: false, address: "" },
      { user: ALICE, satoshis: "150000", payable: true, address: ALICE }
    ])
    const { status, stderr } = await run(["ledger", "pay", "--ledger", ledger, "--no-dry-run"])
    assert.strictEqual(status, 2)
    assert.match(stderr, /node-rpc-url is missing: a payment needs a node/)
    const entries = await run(["ledger", "export", "--table", "entries", "--ledger", ledger])
    assert.match(entries.stdout, /^3,,,,bob,adjustment,150000,\d+,by hand$/m)
    assert.strictEqual((await run(["ledger", "audit", "--ledger", ledger])).status, 0)
  })

  it("takes no address with the name of a worker, which no node would pay", async () => {
    const ledger = ["--ledger", `sqlite:${join(directory, "address.ledger")}`]
    const address = (text: string) => run(["ledger", "address", ...ledger, "--user", "bob", "--address", text])
    const { status, stderr } = await address(`${POOL_ADDRESS}.rig`)
    assert.strictEqual(status, 2)
    assert.match(stderr, /address: .*\.rig: expected an address without a worker's name/)
    assert.strictEqual((await address(POOL_ADDRESS)).status, 0)
  })

  it("ends with status 1 and a line for each fault if something was changed", async () => {
    const file = join(directory, "adjust.ledger")
    const database = new DatabaseSync(file)
    database.exec("DROP TRIGGER entries_refuse_update; UPDATE entries SET amount = amount + 1 WHERE id = 1")
    database.close()
    const { status, stdout } = await run(["ledger", "audit", "--ledger", `sqlite:${file}`])
    assert.strictEqual(status, 1)
    assert.deepStrictEqual(json(stdout).slice(1), [{ fault: "all balances together are 0; they are 1 satoshis" }])
  })

  it("makes a backup that is a ledger, and none over a file", async () => {
    const [ledger, copy] = [`sqlite:${join(directory, "import.ledger")}`, join(directory, "copy.ledger")]
    assert.strictEqual((await run(["ledger", "backup", "--ledger", ledger, "--to", copy])).status, 0)
    const { stdout } = await run(["ledger", "audit", "--ledger", `sqlite:${copy}`])
    assert.deepStrictEqual(json(stdout), [
      { slices: 1, removedSlices: 0, shares: 5, blocks: 0, settlements: 0, purchases: 0, payments: 0, faults: 0 }
    ])
    const { status, stderr } = await run(["ledger", "backup", "--ledger", ledger, "--to", copy])
    assert.strictEqual(status, 2)
    assert.match(stderr, /there is a file already/)
  })

  it("says that there is no ledger where there is none", async () => {
    const { status, stderr } = await run(["ledger", "audit", "--ledger", `sqlite:${join(directory, "none")}`])
    assert.strictEqual(status, 2)
    assert.match(stderr, /^sluice ledger audit: the ledger .*none: unable to open/)
    const other = await run(["ledger", "audit", "--ledger", "postgres://localhost/pool"])
    assert.match(other.stderr, /expected sqlite: and the path of a file.*it names no user/)
  })

  it("never shows the password of its database, and warns of one on the command line", async () => {
    const wrong = await run(["ledger", "users", "--ledger", "postgres://pool:hunter2@127.0.0.1"])
    assert.match(wrong.stderr, /got "...@127.0.0.1" \(it names no database\)/)
    // Nothing listens there.
    const url = "postgres://pool:hunter2@127.0.0.1:9/pool"
    const refused = await run(["ledger", "users", "--ledger", url])
    assert.match(refused.stderr, /the ledger postgres:\/\/127.0.0.1:9\/pool: connect ECONNREFUSED/)
    assert.match(refused.stderr, /--ledger: every user .* give SLUICE_LEDGER_USERS__LEDGER instead/)
    const pool = ["pool", "config", "--plain", "--template-provider", "stratum2+tcp+plain://127.0.0.1:1"]
    const shown = await run([...pool, "--coinbase-address", POOL_ADDRESS, "--ledger", url])
    assert.match(shown.stdout, /ledger = "...@127.0.0.1:9\/pool" # --ledger/)
    for (const { stderr, stdout } of [wrong, refused, shown]) assert.notMatch(stderr + stdout, /hunter2/)
  })

  it("is not used by a pool whose other keys do not fit", async () => {
    const ledger = ["--ledger", `sqlite:${join(directory, "config.ledger")}`]
    const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, problem: RegExp]> = [
      [["--payout-scheme", "pplns"], /payout-scheme pplns needs a ledger/],
      [[...ledger, "--payout-scheme", "solo", "--solo-fee", "1"], /give payout-scheme or solo-fee, not both/],
      [
        [...ledger, "--workers", "2"],
        /ledger, workers: an SQLite file has one writer, so 2 workers cannot share it: give workers = 1, or a ledger in PostgreSQL/
      ],
      [[...ledger, "--payout-scheme", "fpps"], /payout-scheme fpps needs payout-reserve/],
      [[...ledger, "--payout-scheme", "tides", "--payout-reserve", "5"], /payout-reserve is for fpps and pps/]
    ]
    const pool = ["pool", "config", "--plain", "--template-provider", "stratum2+tcp+plain://127.0.0.1:1"]
    for (const [args, problem] of cases) {
      const { status, stderr } = await run([...pool, "--coinbase-address", POOL_ADDRESS, ...args])
      assert.strictEqual(status, 2)
      assert.match(stderr, problem)
    }
    const { status } = await run([...pool, "--coinbase-address", POOL_ADDRESS, ...ledger, "--payout-scheme", "tides"])
    assert.strictEqual(status, 0)
  })

  it("shows how much of long work is done", () => {
    assert.strictEqual(barLine("audit", 0.5), `audit [${"#".repeat(15)}${"-".repeat(15)}] 50 %`)
  })
})

it("a pool that is killed has every share that it acknowledged, once, and its blocks' settlements are right", async () => {
  // A block takes some thousand hashes.
  const provider = await startDevProvider({ bits: 0x1f00ffff, transactionsPerSecond: 0 })
  const [mining] = await freePorts(1)
  const file = join(directory, "pool.ledger")
  const pool = new Sluice(
    ["pool", "--plain", "--listen", `127.0.0.1:${mining}`, "--shares-per-minute", "3000"].concat(
      ["--template-provider", provider],
      ["--coinbase-address", POOL_ADDRESS, "--ledger", `sqlite:${file}`, "--payout-scheme", "pplns"],
      ["--acknowledge-within", "0"]
    )
  )
  await pool.find(/on the disk.* ledger=/)
  const miner = new Sluice(
    ["miner", "--connect", `stratum2+tcp+plain://127.0.0.1:${mining}`, "--user", `${ALICE}.rig`, "--json"].concat([
      "--threads",
      "1",
      "--channel",
      "extended"
    ])
  )
  let from = 0
  for (let accepted = 0; accepted < 20; accepted++) {
    const found = await miner.find(/"event":"ShareAccepted"/, from)
    from += found.index + found[0].length
  }
  // The first one may come before any share is in its window.
  const first = await pool.find(/found a block/)
  await pool.find(/found a block/, first.index + first[0].length)
  await pool.stop("SIGKILL")
  await miner.stop("SIGTERM")

  const acknowledged = json(miner.output.replaceAll(/^[^{].*$/gm, "")).filter(({ event }) => event === "ShareAccepted")
  const [audited, ...faults] = json((await run(["ledger", "audit", "--ledger", `sqlite:${file}`])).stdout)
  assert.deepStrictEqual(faults, [])
  assert.isAtLeast(Number(audited!["shares"]), acknowledged.length)
  assert.isAtLeast(acknowledged.length, 20)
  const blocks = json((await run(["ledger", "blocks", "--ledger", `sqlite:${file}`])).stdout)
  assert.isNotEmpty(blocks)
  for (const { scheme } of blocks) assert.strictEqual(scheme, "pplns")
  const replayed = json((await run(["ledger", "replay", "--ledger", `sqlite:${file}`, "--scheme", "pplns"])).stdout)
  assert.sameMembers(
    replayed.map(({ user }) => user),
    ["(the pool)", ALICE]
  )
  assert.include(await readFile(file, "latin1"), "SQLite format 3")
}, 120_000)
