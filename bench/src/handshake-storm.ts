/**
 * Clients that begin a handshake and leave: `node handshake-storm.ts PORT RATE`. Their first act is 64 random bytes, which the
 * curve accepts as a key. So the server does all of its work for them, and they do none.
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
    // The answer is the second act, after which the server has done its work.
    socket.once("data", () => socket.destroy())
    socket.write(crypto.getRandomValues(new Uint8Array(ACT1_SIZE)))
  }
}, TICK_MS)
