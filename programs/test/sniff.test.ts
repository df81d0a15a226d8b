/** `sluice sniff` and `sluice replay` as processes, between a miner that is one too and a pool on a real socket with Noise. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { it } from "@effect/vitest"
import { formatServerAddress } from "@sluice/transport"
import { Effect, Logger } from "effect"
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll } from "vitest"
import { tcpPool } from "@sluice/testing/pool-worlds"
import { openRecording } from "../src/sniff/record.ts"
import { Sluice } from "@sluice/testing/program"
import { run } from "./in-process.ts"

const secretKey = "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n"

let directory = ""
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-sniff-"))
})
afterAll(() => rm(directory, { recursive: true }))

/** A pool with work for its miners, and its URL. */
const startPool = Effect.map(tcpPool({ policy: { sharesPerMinute: 600, shareBatchSize: 1 } }), formatServerAddress)

it.live("a miner's session is printed, recorded and replayed", () =>
  Effect.gen(function* () {
    const url = yield* startPool
    yield* Effect.promise(async () => {
      const recording = join(directory, "session.ndjson")
      const keyFile = join(directory, "sniffer.key")
      await writeFile(keyFile, secretKey)
      const keys = ["--authority-secret-key-file", keyFile]
      const sniff = new Sluice(["sniff", "--listen", "127.0.0.1:0", "--connect", url, "--record", recording, ...keys])
      const [, own] = await sniff.find(/connect to (stratum2\S+?)"/)
      const miner = await new Sluice(["miner", "--connect", own!, "--user", "alice", "--shares", "3"]).finished
      assert.strictEqual(miner.status, 0, miner.stderr)
      await sniff.find(/#1 closed by the client: the peer closed the connection/)
      const { status, stderr, stdout } = await sniff.stop("SIGTERM")
      assert.strictEqual(status, 0, stderr)

      const lines = stdout.trimEnd().split("\n")
      assert.match(lines[0]!, /^\d\d:\d\d:\d\d\.\d{3} #1 opened by 127\.0\.0\.1:\d+ to 127\.0\.0\.1:\d+$/)
      assert.match(lines[1]!, /^\S+ #1 > SetupConnection to server protocol=0 .*vendor="Sluice"/)
      assert.match(lines[2]!, /^\S+ #1 < SetupConnection\.Success to client usedVersion=2 /)
      assert.match(stdout, /^\S+ #1 > OpenStandardMiningChannel to server .*userIdentity="alice"/m)
      assert.match(stdout, /^\S+ #1 > SubmitSharesStandard to server .*sequenceNumber=\d/m)
      assert.match(stdout, /^\S+ #1 < SubmitShares\.Success to client /m)
      for (const text of [stdout, stderr]) assert.notInclude(text, secretKey)

      const recorded = (await readFile(recording, "utf8"))
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.strictEqual((await stat(recording)).mode & 0o777, 0o600)
      assert.lengthOf(recorded, lines.length)
      assert.deepInclude(recorded[2], {
        event: "Message",
        connectionId: 1,
        to: "client",
        fate: "passed",
        protocol: "mining"
      })
      assert.deepInclude(recorded.at(-1), { event: "Closed", by: "client" })
      // Anybody can read the frames.
      const { stdout: decoded } = await run(["decode", "--json", recorded[1].frame])
      assert.deepStrictEqual(JSON.parse(decoded).message, recorded[1].message)

      // The pool gives every connection another extranonce, so the shares of another connection are worth nothing.
      const replayed = await run(["replay", "--recording", recording, "--connect", url, "--log-level", "none"])
      assert.match(replayed.stdout, /^\S+ #1 < OpenStandardMiningChannel\.Success to client /m)
      assert.match(
        replayed.stdout,
        /^#1 ! recorded: SubmitShares\.Success; came: SubmitShares\.Error, (once|\d+ times)$/m
      )
      assert.match(replayed.stdout, /\n1 connection replayed, \d+ differences?\n$/)
      assert.strictEqual(replayed.status, 1)
    })
  }).pipe(Effect.scoped, Effect.orDie)
)

it.live("the sniffer reports a server that cannot be reached, and goes on; --json prints events", () =>
  Effect.promise(async () => {
    const sniff = new Sluice([
      "sniff",
      "--plain",
      "--listen",
      "127.0.0.1:0",
      "--connect",
      "stratum2+tcp+plain://127.0.0.1:1",
      "--json"
    ])
    const [, own] = await sniff.find(/connect to (stratum2\S+?)"/)
    for (const connectionId of [1, 2]) {
      connect(Number(own!.split(":").at(-1)), "127.0.0.1")
      await sniff.find(new RegExp(`"event":"Closed","connectionId":${connectionId}`))
    }
    const { status, stderr, stdout } = await sniff.stop()
    assert.strictEqual(status, 0)
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
    assert.deepInclude(events[1], { event: "Closed", by: "server" })
    assert.match(events[1].reason, /^cannot connect to 127\.0\.0\.1:1: nothing listens there/)
    assert.match(stderr, /The connection from 127\.0\.0\.1:\d+ ended: cannot connect to 127\.0\.0\.1:1/)
  })
)

it.live("a recording ends at its limit with a whole line, and logs it once", () =>
  Effect.gen(function* () {
    const path = join(directory, "limited.ndjson")
    const log: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void log.push(`${logLevel} ${String(message)}`))
    yield* Effect.gen(function* () {
      const record = yield* openRecording(path, 20)
      const lines = ["12345", "1234", "12345678", "1"].map((line) => record([line]))
      yield* Effect.all(lines, { concurrency: "unbounded" })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer), Effect.provide(Logger.layer([logger])))
    assert.strictEqual(yield* Effect.promise(() => readFile(path, "utf8")), "12345\n1234\n12345678\n")
    assert.deepStrictEqual(log, [`Warn The recording ends because it reached its limit; connections go on (${path})`])
  })
)

it.live("wrong arguments give one line and status 2", () =>
  Effect.promise(async () => {
    const path = join(directory, "bad.ndjson")
    const nowhere = ["--connect", "stratum2+tcp+plain://127.0.0.1:1"]
    await writeFile(path, '{"event":"Opened","connectionId":1,"at":0,"server":"a:1"}\n{"frame":"00"}\n')
    const refused = async (args: ReadonlyArray<string>) => {
      const { status, stderr } = await run([...args, ...nowhere])
      assert.strictEqual(status, 2)
      return stderr.trimEnd().replace(/\nSee `sluice \w+ --help`\.$/, "")
    }
    assert.strictEqual(
      await refused(["replay", "--recording", path]),
      `sluice replay: ${path}: line 2 of the recording: expected a sniffer event: an object with event, connectionId and at`
    )
    assert.match(
      await refused(["replay", "--recording", join(directory, "none")]),
      /--recording: expected .*none" \(there is no such file\)$/
    )
    await writeFile(path, '{"event":"Opened","connectionId":1,"at":0,"server":"a:1"}\n')
    assert.match(await refused(["replay", "--recording", path, "--connection", "2"]), /it has no connection 2$/)
    assert.match(
      await refused(["replay", "--recording", path, "--log-level", "none"]),
      /^sluice replay: cannot connect to 127\.0\.0\.1:1: nothing/
    )
    const sniff = ["sniff", "--plain", "--listen", "127.0.0.1:0"]
    assert.match(
      await refused([...sniff, "--record", path]),
      /^sluice sniff: --record: expected .*bad\.ndjson" \(there is a file already\)$/
    )
  })
)
