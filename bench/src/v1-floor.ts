/**
 * The least that a server does for V1 shares: it reads a socket, parses each line, hashes the share, encodes the answer and writes
 * it. It judges nothing: it has no jobs, no difficulty and no limits. Its miners are those that the proxy has.
 */
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"

interface Line {
  readonly id: number
  readonly method: string
}

const NOTIFY = { id: null, method: "mining.notify", params: ["1", "", "", "", [], "20000000", "1d00ffff", "65000000"] }

/** Serves on a free port of this machine. `hash` does the hashes of one share; `answered` counts the shares. */
export const serveFloor = async (
  hash: (nonce: number) => void
): Promise<{ readonly port: number; readonly answered: () => number }> => {
  let answered = 0
  const answer = ({ id, method }: Line): string => {
    if (method === "mining.subscribe") return `${JSON.stringify({ id, result: [[], "00000000", 4], error: null })}\n`
    if (method === "mining.authorize") {
      return `${JSON.stringify({ id, result: true, error: null })}\n${JSON.stringify(NOTIFY)}\n`
    }
    hash(answered++)
    return `${JSON.stringify({ id, result: true, error: null })}\n`
  }
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy())
    socket.on("data", (chunk) => {
      let answers = ""
      for (const line of chunk.toString().split("\n")) if (line !== "") answers += answer(JSON.parse(line) as Line)
      socket.write(answers)
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return { port: (server.address() as AddressInfo).port, answered: () => answered }
}
