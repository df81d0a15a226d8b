/**
 * The thread of crowd.test.ts: hostile V1 clients, each in one of some ways. A client whose connection ends comes again, a
 * second later.
 */
import { CrowdCount, type Crowd } from "@sluice/testing/crowd"
import * as Net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { workerData } from "node:worker_threads"

const { count, host, port } = workerData as Crowd
const counted = new CrowdCount()

const SUBSCRIBE = '{"id":1,"method":"mining.subscribe","params":["hostile/1.0"]}\n'
const AUTHORIZE = '{"id":2,"method":"mining.authorize","params":["mallory","x"]}\n'
const repeat = (line: (id: number) => string, times: number): string =>
  Array.from({ length: times }, (_, id) => line(id)).join("")
const call = (method: string, params: unknown) => (id: unknown) => `${JSON.stringify({ id, method, params })}\n`

/** What a client sends: once, and then again and again as fast as the server reads. */
interface Way {
  readonly first?: string | Buffer
  readonly again?: string | Buffer
  /** Milliseconds between two repetitions; without it there are none. */
  readonly everyMs?: number
  readonly neverReads?: boolean
}

const pings = repeat(call("mining.ping", []), 200)

const ways: ReadonlyArray<Way> = [
  { again: Buffer.alloc(4096, "x") },
  { first: SUBSCRIBE, again: `{"id":1,"method":"mining.submit","params":${"[".repeat(8000)}${"]".repeat(8000)}}\n` },
  { first: AUTHORIZE + repeat(call("mining.ping", []), 100_000) },
  { again: repeat(() => SUBSCRIBE, 100) },
  { first: SUBSCRIBE + AUTHORIZE, again: pings, neverReads: true },
  { first: Buffer.from([0x7b, 0xff, 0xfe, 0x7d, 0x0a]) },
  { first: SUBSCRIBE + AUTHORIZE, again: repeat(call("mining.submit", [1, 2, 3, 4, 5]), 50) },
  { again: call("mining.suggest_difficulty", ["many"])("x") + call("mining.authorize", [{}, []])(null) },
  { first: SUBSCRIBE + AUTHORIZE, again: pings },
  { first: '{"id":1,"method":"mining.', again: "x", everyMs: 1000 },
  {}
]

const client = ({ again, everyMs, first, neverReads = false }: Way): Promise<void> =>
  new Promise((resolve) => {
    const socket = Net.connect({ host, port })
    counted.add(socket)
    let timer: NodeJS.Timeout | undefined
    const send = (): void => {
      if (again === undefined || socket.destroyed) return
      if (everyMs !== undefined) timer = setInterval(() => socket.write(again), everyMs)
      else socket.write(again, () => setImmediate(send))
    }
    socket.on("connect", () => {
      if (first !== undefined) socket.write(first)
      send()
    })
    socket.on("close", () => {
      clearInterval(timer)
      resolve()
    })
    // One that does not read sees no end, either.
    if (neverReads) socket.pause()
    else socket.resume()
  })

const live = async (way: Way): Promise<never> => {
  for (;;) {
    await client(way)
    await sleep(1000)
  }
}

for (let number = 0; number < count; number++) {
  void live(ways[number % ways.length]!)
  if (number % 100 === 99) await sleep(10)
}
