/**
 * Clients that begin a handshake and go: `node handshake-storm.ts PORT RATE`. Their first act is 64 random bytes, which are
 * a key to the curve as good as any, so that the server has all of its work with them and they have none.
 */
import { connect } from "node:net"

const ACT1_SIZE = 64
const TICK_MS = 10
const [port = 0, rate = 0] = process.argv.slice(2).map(Number)
const started = performance.now()
let begun = 0

setInterval(() => {
  const due = ((performance.now() - started) * rate) / 1000
  for (; begun < due; begun++) {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true })
    socket.on("error", () => socket.destroy())
    // The answer is the second act; with it the server's work is done.
    socket.once("data", () => socket.destroy())
    socket.write(crypto.getRandomValues(new Uint8Array(ACT1_SIZE)))
  }
}, TICK_MS)
