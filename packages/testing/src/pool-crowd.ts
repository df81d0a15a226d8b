/** A crowd (`startCrowd`): so many clients of a server that send garbage, nothing, or a byte a second. */
import * as Net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { workerData } from "node:worker_threads"
import { type Crowd, CrowdCount } from "./crowd.ts"

/** No byte of it is text, so that the first 64 could be a key; none of it is a frame. */
const garbage = (number: number): Uint8Array =>
  Uint8Array.from({ length: 3000 }, (_, index) => (Math.imul(index + number, 2654435761) >>> 24) | 0x80)

const { count, host, port } = workerData as Crowd
const counted = new CrowdCount()

const join = (number: number): Promise<void> =>
  new Promise((resolve) => {
    const socket = Net.connect({ host, port })
    counted.add(socket)
    let drip: NodeJS.Timeout | undefined
    socket.on("connect", () => {
      resolve()
      // Garbage costs the server a handshake, some milliseconds each: fewer of those, for the test's own time.
      if (number % 5 === 0) socket.write(garbage(number))
      else if (number % 2 === 0) drip = setInterval(() => socket.write(Uint8Array.of(0x90)), 1000)
    })
    socket.on("close", () => {
      clearInterval(drip)
      resolve()
    })
    // To see the end of the stream one has to read.
    socket.resume()
  })

for (let number = 0; number < count; number += 100) {
  await Promise.all(Array.from({ length: Math.min(100, count - number) }, (_, index) => join(number + index)))
  await sleep(1)
}
