import { makeCertificate, type TestCertificate } from "@sluice/testing/certificate"
import { Effect, Redacted } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { request } from "node:https"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TLSSocket } from "node:tls"
import { assert, it, onTestFinished } from "vitest"
import { served, StandIn } from "./stand-in.ts"

const first = makeCertificate()
const second = makeCertificate({ to: new Date(Date.now() + 3 * 86_400_000) })

/** The status of a path, and the fingerprint of the certificate that came. */
const get = (url: string, headers: Record<string, string> = {}) =>
  Effect.promise(
    () =>
      new Promise<{ readonly status: number; readonly fingerprint: string; readonly text: string }>(
        (resolve, reject) => {
          const ca = [first.certificate, second.certificate]
          request(url, { headers, ca, agent: false, servername: "localhost" }, (response) => {
            let text = ""
            const { fingerprint256 } = (response.socket as TLSSocket).getPeerCertificate()
            response.setEncoding("utf8").on("data", (part: string) => (text += part))
            response.on("end", () => resolve({ status: response.statusCode ?? 0, fingerprint: fingerprint256, text }))
          })
            .on("error", reject)
            .end()
        }
      )
  )

/** What comes back for these bytes, until the connection is closed. */
const bare = (url: string, bytes: string) =>
  Effect.promise(
    () =>
      new Promise<string>((resolve) => {
        let got = ""
        const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(bytes))
        socket.setEncoding("latin1").on("data", (part: string) => (got += part))
        socket.on("close", () => resolve(got)).on("error", () => {})
      })
  )

it("the page speaks HTTPS with a certificate that it reads again, and the rules of access are the same", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sluice-https-"))
  onTestFinished(() => rm(directory, { recursive: true }))
  const tls = { certificate: join(directory, "fullchain.pem"), key: join(directory, "privkey.pem") }
  const install = ({ certificate, key }: TestCertificate) =>
    Effect.promise(() => Promise.all([writeFile(tls.certificate, certificate), writeFile(tls.key, key)]))
  await Effect.runPromise(install(first))
  const options = { tls, token: Redacted.make("token"), certificates: [tls.certificate] }
  await served(new StandIn(), options, (url, { alerts, certificates }) =>
    Effect.gen(function* () {
      assert.match(url, /^https:/)
      const before = yield* get(`${url}/api/overview`)
      assert.strictEqual(before.status, 200)
      assert.strictEqual((yield* get(`${url}/api/overview`, { "x-forwarded-for": "192.0.2.1" })).status, 401)
      assert.strictEqual((yield* get(`${url}/api/overview`, { host: "evil.example" })).status, 421)
      assert.notInclude(yield* bare(url, "GET /api/overview HTTP/1.1\r\nHost: localhost\r\n\r\n"), "HTTP/1.1 200")

      // The server looks every ten seconds: each look reads the files.
      yield* alerts.look
      assert.deepStrictEqual(alerts.views(), [])
      yield* install(second)
      process.emit("SIGHUP")
      let after = before
      while (after.fingerprint === before.fingerprint) after = yield* get(`${url}/api/overview`)
      const [shown] = yield* certificates
      assert.strictEqual(shown!.kind, "tls")
      assert.approximately(shown!.validTo!, Date.now() + 3 * 86_400_000, 3_600_000)
      yield* alerts.look
      assert.deepStrictEqual(
        alerts.views().map(({ message, name }) => [name, /ends in \d days/.test(message)]),
        [["certificate-ends", true]]
      )
      // Nonsense in place of a certificate changes nothing.
      yield* Effect.promise(() => writeFile(tls.certificate, "nonsense"))
      process.emit("SIGHUP")
      yield* Effect.sleep(50)
      assert.strictEqual((yield* get(`${url}/api/overview`)).fingerprint, after.fingerprint)
    })
  )
})
