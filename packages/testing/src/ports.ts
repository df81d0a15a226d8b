/** Free ports, for programs that must know their port before they start, or use it again after a restart. */
import { randomInt } from "node:crypto"
import { once } from "node:events"
import { createServer, type Server } from "node:net"

/** Below the ports that systems give to connections: one of those could take a port before the program listens on it. */
const FIRST = 10_000
const END = 32_768

export const freePorts = async (count: number): Promise<ReadonlyArray<number>> => {
  const servers = new Map<number, Server>()
  while (servers.size < count) {
    const port = randomInt(FIRST, END)
    if (servers.has(port)) continue
    const server = createServer().listen(port, "127.0.0.1")
    const isFree = await once(server, "listening").then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EADDRINUSE") return false
        throw error
      }
    )
    if (isFree) servers.set(port, server)
  }
  await Promise.all([...servers.values()].map((server) => once(server.close(), "close")))
  return [...servers.keys()]
}

export const freePort = async (): Promise<number> => (await freePorts(1))[0]!
