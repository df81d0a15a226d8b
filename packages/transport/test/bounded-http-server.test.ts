/** The connections of an HTTP server at its limit, over real sockets. */
import { once } from "node:events"
import { connect, type AddressInfo, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it, onTestFinished } from "vitest"
import { connect as tlsConnect, createSecureContext } from "node:tls"
import { makeCertificate } from "@sluice/testing/certificate"
import { makeBoundedHttpServer, type Tls } from "../src/index.ts"

/** A server for three connections. It trusts a connection with a request for /trusted. */
const serving = async (certificate?: Tls.ServerCertificate) => {
  const timeouts = { headersTimeout: 10_000, requestTimeout: 10_000 }
  const { http, trust } = makeBoundedHttpServer(3, timeouts, certificate)
  http.on("request", (request, response) => {
    if (request.url === "/trusted") trust(request.socket)
    response.end("yes")
  })
  http.listen(0, "127.0.0.1")
  await once(http, "listening")
  const { port } = http.address() as AddressInfo
  const sockets: Array<Socket> = []
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    http.close()
  })
  const closed: Array<string> = []
  const come = async (name: string): Promise<Socket> => {
    const socket = connect(port, "127.0.0.1")
    sockets.push(socket)
    socket.on("close", () => closed.push(name)).on("error", () => {})
    await once(socket, "connect")
    socket.resume()
    return socket
  }
  const ask = async (socket: Socket, path = "/"): Promise<void> => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    const [answer] = (await once(socket, "data")) as [Buffer]
    assert.match(answer.toString(), /^HTTP\/1.1 200 OK/)
  }
  const closedAre = async (...names: ReadonlyArray<string>): Promise<void> => {
    while (closed.length < names.length) await sleep(5)
    assert.deepStrictEqual(closed, names)
  }
  const secured = async (socket: Socket): Promise<Socket> => {
    const client = tlsConnect({ socket, rejectUnauthorized: false }).on("error", () => {})
    await once(client, "secureConnect")
    return client
  }
  return { come, ask, closedAre, secured }
}

describe("a full HTTP server", () => {
  it("closes the connection without a request for the longest time, and answers the new one", async () => {
    const { ask, closedAre, come } = await serving()
    const first = await come("first")
    await come("second")
    await come("third")
    await ask(first)
    await ask(await come("fourth"))
    await closedAre("second")
    await ask(first)
    await ask(await come("fifth"))
    await closedAre("second", "third")
  })

  it("keeps trusted connections, and closes a new one if all are trusted", async () => {
    const { ask, closedAre, come } = await serving()
    const trusted = await come("trusted")
    await ask(trusted, "/trusted")
    const others = [await come("a"), await come("b")]
    await ask(others[1]!)
    await come("c")
    await closedAre("a")
    await ask(others[1]!, "/trusted")
    await ask(await come("d"), "/trusted")
    await closedAre("a", "c")
    await come("e")
    await closedAre("a", "c", "e")
    await ask(trusted)
  })

  it("does the same with TLS, where a connection counts from its beginning", async () => {
    const { certificate: cert, key } = makeCertificate()
    const context = createSecureContext({ cert, key })
    const { ask, closedAre, come, secured } = await serving({ context: () => context })
    const trusted = await secured(await come("trusted"))
    await ask(trusted, "/trusted")
    await come("silent")
    const busy = await secured(await come("busy"))
    await ask(busy)
    await ask(await secured(await come("new")))
    await closedAre("silent")
    await ask(await secured(await come("newer")))
    await closedAre("silent", "busy")
    await ask(trusted)
  })
})
