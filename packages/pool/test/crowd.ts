/** The worker of crowd.test.ts: so many clients of a server that send garbage, nothing, or a byte a second. */
import * as Net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { parentPort, workerData } from "node:worker_threads"

export interface Crowd {
  readonly host: string
  readonly port: number
  readonly count: number
}

/** How many are connected, and how many the server has got rid of. */
export interface CrowdState {
  readonly open: number
  readonly closed: number
}

/** No byte of it is text, so that the first 64 could be a key; none of it is a frame. */
const garbage = (number: number): Uint8Array =>
  Uint8Array.from({ length: 3000 }, (_, index) => (Math.imul(index + number, 2654435761) >>> 24) | 0x80)

const port = parentPort
if (port !== null) {
  const server = workerData as Crowd
  const sockets = new Set<Net.Socket>()
  let closed = 0
  const join = (number: number): Promise<void> =>
    new Promise((resolve) => {
      const socket = Net.connect({ host: server.host, port: server.port })
      let drip: NodeJS.Timeout | undefined
      socket.on("connect", () => {
        sockets.add(socket)
        resolve()
        // Garbage costs the server a handshake, some milliseconds each: fewer of those, for the test's own time.
        if (number % 5 === 0) socket.write(garbage(number))
        else if (number % 2 === 0) drip = setInterval(() => socket.write(Uint8Array.of(0x90)), 1000)
      })
      socket.on("error", () => {})
      socket.on("close", () => {
        clearInterval(drip)
        sockets.delete(socket)
        closed++
        resolve()
      })
      // To see the end of the stream one has to read.
      socket.resume()
    })
  setInterval(() => {
    const state: CrowdState = { open: sockets.size, closed }
    port.postMessage(state)
  }, 100)
  for (let number = 0; number < server.count; number += 100) {
    await Promise.all(Array.from({ length: Math.min(100, server.count - number) }, (_, index) => join(number + index)))
    await sleep(1)
  }
}
