/** `sluice pool` with Stratum V1 over TLS, and behind a load balancer, as a process. */
import { makeCertificate, type TestCertificate } from "@sluice/testing/certificate"
import { Sluice } from "@sluice/testing/program"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Tls from "node:tls"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { run } from "./in-process.ts"

const ALICE = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
const first = makeCertificate()
const second = makeCertificate({ names: ["pool.example"] })

let directory = ""
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-v1-tls-"))
  await install(first)
})
afterAll(() => rm(directory, { recursive: true }))

const install = ({ certificate, key }: TestCertificate) =>
  Promise.all([
    writeFile(join(directory, "fullchain.pem"), certificate),
    writeFile(join(directory, "privkey.pem"), key, { mode: 0o600 })
  ])
const tlsKeys = () => [
  ["--v1-tls-listen", "127.0.0.1:0"],
  ["--v1-tls-certificate", join(directory, "fullchain.pem")],
  ["--v1-tls-key", join(directory, "privkey.pem")]
]
const pool = ["--plain", "--template-provider", "stratum2+tcp+plain://127.0.0.1:1", "--coinbase-address", ALICE]

/** Connects with TLS behind a header of the PROXY protocol, subscribes, and gives the answer and the certificate. */
const subscribe = (port: number): Promise<{ readonly answer: string; readonly fingerprint: string }> =>
  new Promise((resolve, reject) => {
    const socket = Net.connect(port, "127.0.0.1").on("error", reject)
    socket.write("PROXY TCP4 192.0.2.7 192.0.2.1 5555 3443\r\n")
    const secured = Tls.connect({ socket, rejectUnauthorized: false }, () => {
      secured.write('{"id":1,"method":"mining.subscribe","params":["test/1.0"]}\n')
    }).on("error", reject)
    secured.on("close", () => reject(new Error("the pool closed the connection")))
    secured.on("data", (chunk) => {
      resolve({ answer: chunk.toString(), fingerprint: secured.getPeerX509Certificate()!.fingerprint256 })
      secured.destroy()
    })
  })

describe("sluice pool with Stratum V1 over TLS", () => {
  it("serves miners, knows them behind a load balancer, and takes a new certificate on SIGHUP", async () => {
    const behind = ["--proxy-protocol", "127.0.0.0/8"]
    const sluice = new Sluice(["pool", ...pool, "--listen", "127.0.0.1:0", ...behind, ...tlsKeys().flat()])
    const [, port] = await sluice.find(/connect to stratum\+ssl:\/\/127\.0\.0\.1:(\d+)/)
    const { answer, fingerprint } = await subscribe(Number(port))
    assert.strictEqual(JSON.parse(answer).id, 1)
    assert.strictEqual(fingerprint, first.fingerprint)

    await install(second)
    sluice.process.kill("SIGHUP")
    await sluice.find(/is for DNS:pool\.example/)
    assert.strictEqual((await subscribe(Number(port))).fingerprint, second.fingerprint)

    Net.connect(Number(port), "127.0.0.1").end("PROXY TCP4 192.0.2.9 192.0.2.1 5555 3443\r\nhello")
    await sluice.find(/The connection from 192\.0\.2\.9:5555 ended: TLS handshake: the peer does not speak TLS/)
    const { status, stderr } = await sluice.stop("SIGTERM")
    assert.strictEqual(status, 0, stderr)
  }, 60_000)

  it("does not start with a certificate that it cannot use", async () => {
    const path = join(directory, "none.pem")
    await writeFile(path, "none")
    const { status, stderr } = await run(
      ["pool", ...pool, ...tlsKeys().flat(), "--listen", "127.0.0.1:0"].map((arg) =>
        arg.endsWith("fullchain.pem") ? path : arg
      )
    )
    assert.strictEqual(status, 2)
    assert.match(stderr, /^sluice pool: .*none\.pem is not a certificate: expected one that begins with -----BEGIN/m)
  })

  it("says which keys of TLS are missing", async () => {
    const [listen] = tlsKeys()
    const { status, stderr } = await run(["pool", "config", ...pool, ...listen!])
    assert.strictEqual(status, 2)
    assert.include(stderr, "v1-tls-certificate, v1-tls-key: missing; TLS for Stratum V1 needs")
  })

  it("refuses one address for two listeners", async () => {
    const flags = tlsKeys()
      .flat()
      .map((arg) => (arg === "127.0.0.1:0" ? "127.0.0.1:3333" : arg))
    const { status, stderr } = await run(["pool", "config", ...pool, ...flags])
    assert.strictEqual(status, 2)
    assert.include(stderr, "listen, v1-tls-listen: both are port 3333 of the same address")
  })

  it("refuses a load balancer that is not an address", async () => {
    const { status, stderr } = await run(["pool", "config", ...pool, "--proxy-protocol", "10.0.0.7,lb.example"])
    assert.strictEqual(status, 2)
    assert.include(stderr, '"lb.example" is not an address or a network: expected for instance 10.0.0.7')
  })
})
