/** Workers of a pool with Stratum V1 over TLS behind a load balancer, and workers of a proxy. */
import { makeClient } from "@sluice/monitor"
import { makeCertificate, type TestCertificate } from "@sluice/testing/certificate"
import { freePorts } from "@sluice/testing/ports"
import { Sluice } from "@sluice/testing/program"
import { Effect } from "effect"
import { mkdtemp, writeFile } from "node:fs/promises"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as Tls from "node:tls"
import { assert, describe, it, onTestFinished } from "vitest"
import { startDevProvider } from "./dev-provider.ts"

const ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

/** Connects with TLS for a client of the load balancer. Gives the certificate when the pool has answered, or undefined if it closes. */
const subscribe = (
  port: number,
  client: string
): Promise<{ readonly fingerprint?: string; readonly close: () => void }> =>
  new Promise((resolve) => {
    const socket = Net.connect(port, "127.0.0.1").on("error", () => {})
    onTestFinished(() => void socket.destroy())
    socket.write(`PROXY TCP4 ${client} 192.0.2.1 5555 3443\r\n`)
    const secured = Tls.connect({ socket, rejectUnauthorized: false }, () => {
      secured.write('{"id":1,"method":"mining.subscribe","params":["test/1.0"]}\n')
    }).on("error", () => {})
    const close = () => void secured.destroy()
    secured.on("close", () => resolve({ close }))
    secured.once("data", () => resolve({ close, fingerprint: secured.getPeerX509Certificate()!.fingerprint256 }))
  })

describe("workers", () => {
  it("keep the limit of an address together, and read a new certificate on SIGHUP", { timeout: 180_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), "sluice-workers-v1-"))
    const install = ({ certificate, key }: TestCertificate) =>
      Promise.all([
        writeFile(join(directory, "fullchain.pem"), certificate),
        writeFile(join(directory, "privkey.pem"), key, { mode: 0o600 })
      ])
    const [first, second] = [makeCertificate(), makeCertificate({ names: ["pool.example"] })]
    await install(first)
    const pool = new Sluice(
      ["pool", "--plain", "--workers", "2", "--listen", "127.0.0.1:0", "--coinbase-address", ADDRESS].concat(
        ["--template-provider", "stratum2+tcp+plain://127.0.0.1:1", "--proxy-protocol", "127.0.0.0/8"],
        ["--v1-tls-listen", "127.0.0.1:0", "--max-connections-per-address", "3"],
        ["--v1-tls-certificate", join(directory, "fullchain.pem"), "--v1-tls-key", join(directory, "privkey.pem")]
      )
    )
    const [, port] = await pool.find(/connect to stratum\+ssl:\/\/127\.0\.0\.1:(\d+)/)
    await pool.find(/Worker 1 serves/)
    await pool.find(/Worker 2 serves/)
    const connect = (client: string) => subscribe(Number(port), client)
    const admitted = [await connect("198.51.100.7"), await connect("198.51.100.7"), await connect("198.51.100.7")]
    assert.deepStrictEqual(
      admitted.map(({ fingerprint }) => fingerprint),
      [first.fingerprint, first.fingerprint, first.fingerprint]
    )
    assert.isUndefined((await connect("198.51.100.7")).fingerprint)
    await pool.find(/198\.51\.100\.7 has 3 open already, and no address may have more \(max-connections-per-address\)/)
    assert.isDefined((await connect("198.51.100.8")).fingerprint)
    admitted[0]!.close()
    // Its place is free when the worker has told the primary.
    let again = await connect("198.51.100.7")
    while (again.fingerprint === undefined) {
      await sleep(50)
      again = await connect("198.51.100.7")
    }

    await install(second)
    pool.process.kill("SIGHUP")
    for (const number of [1, 2]) await pool.find(new RegExp(`is for DNS:pool\\.example.*worker=${number}`))
    const renewed = [await connect("198.51.100.9"), await connect("198.51.100.10")]
    assert.deepStrictEqual(
      renewed.map(({ fingerprint }) => fingerprint),
      [second.fingerprint, second.fingerprint]
    )
    assert.strictEqual((await pool.stop("SIGTERM")).status, 0)
  })

  it("of a proxy have a channel each at the pool, and one page of statistics", { timeout: 180_000 }, async () => {
    const provider = await startDevProvider({ transactionsPerSecond: 0, bits: 0x1d00ffff })
    const [upstream, mining, metrics] = await freePorts(3)
    const pool = new Sluice(
      ["pool", "--plain", "--listen", `127.0.0.1:${upstream}`, "--coinbase-address", ADDRESS].concat(
        ["--template-provider", provider, "--min-hash-rate", "1"],
        ["--shares-per-minute", "600"]
      )
    )
    const proxy = new Sluice(
      ["proxy", "--plain", "--workers", "2", "--listen", `127.0.0.1:${mining}`, "--min-hash-rate", "1"].concat(
        ["--upstream", `stratum2+tcp+plain://127.0.0.1:${upstream}`, "--http-listen", `127.0.0.1:${metrics}`],
        ["--shares-per-minute", "600"]
      )
    )
    await proxy.find(/Work comes from .*worker=1/)
    await proxy.find(/Work comes from .*worker=2/)
    await pool.find(/sluice opened extended channel/)
    const swarm = new Sluice(
      [
        "swarm",
        "--connect",
        `stratum2+tcp+plain://127.0.0.1:${mining}`,
        "--connections",
        "4",
        "--hash-rate",
        "40"
      ].concat(["--shares-per-minute", "600"])
    )
    const { monitor } = await Effect.runPromise(makeClient({ url: `http://127.0.0.1:${metrics}` }))
    const get = () => Effect.runPromise(Effect.all([monitor.overview(), monitor.upstreams({ query: {} })]))
    let [overview, upstreams] = await get()
    while (overview.accepted < 20 || upstreams.items[0]!.accepted === 0) {
      await sleep(100)
      ;[overview, upstreams] = await get()
    }
    assert.strictEqual(overview.connections, 4)
    assert.deepInclude(upstreams.items[0], { kind: "pool", state: "active", refused: 0 })
    assert.strictEqual(upstreams.total, 1)
    assert.isNotNull((await Effect.runPromise(monitor.coinbase())).coinbase)
    assert.strictEqual((await swarm.stop()).status, 0)
    const { status, stderr } = await proxy.stop("SIGTERM")
    assert.strictEqual(status, 0, stderr)
  })
})
