/**
 * The code of a hashing thread. It hashes in short slices, checks the shared work number after each, and returns to its event
 * loop every 50 ms for new work. It uses the message format of Effect's worker platform (to the parent `[0]` ready and
 * `[1, data]`, from the parent `[0, data]` and `[1]` close) without loading Effect, which would cost 30 MB a thread.
 */
import { Header } from "@sluice/core"
import { parentPort } from "node:worker_threads"
import { type FromThread, SharedState, type ToThread } from "./hash-thread-message.ts"
import { FULL_SEARCH_SPACE, type Lane, Search } from "./search.ts"

/** Headers between two checks of the work number: about a millisecond. */
const SLICE = 1000
/** How long a thread hashes before it returns to the event loop. */
const TURN_MS = 50
/** If more found shares than this wait for the main thread, the threads pause. */
const MAX_WAITING = 1024
const MEASURE_MS = 150

const port = parentPort
if (port === null) throw new Error("hash-thread.ts is the code of a worker thread; it cannot be run by itself")

let lane: Lane = { index: 0, count: 1 }
let space = FULL_SEARCH_SPACE
let shared = new SharedState(1)
let search: Search | undefined
let workNumber = 0
/** The time of `performance.now()` at which the previous hash came. */
let prevHashAt = 0
let turn: NodeJS.Immediate | NodeJS.Timeout | undefined

const send = (message: FromThread): void => port.postMessage([1, message])

/** One turn: hashes until the work is stale, the event loop is due, or there is nothing to hash for now. */
const mine = (): void => {
  turn = undefined
  const current = search
  if (current === undefined) return
  const turnEnd = performance.now() + TURN_MS
  while (shared.workNumber === workNumber) {
    const now = performance.now()
    if (now >= turnEnd) {
      turn = setImmediate(mine)
      return
    }
    if (shared.waiting >= MAX_WAITING) {
      turn = setTimeout(mine, 10)
      return
    }
    const { minNtime, prevHashNtime } = current.work
    const latest = Math.max(minNtime, prevHashNtime + Math.floor((now - prevHashAt) / 1000))
    const share = current.run(SLICE, latest)
    if (current.tried === 0) {
      // Everything is tried up to this second: it may go on in the next.
      turn = setTimeout(mine, 1000 - ((now - prevHashAt) % 1000))
      return
    }
    shared.addHashes(lane.index, current.tried)
    if (share !== undefined) {
      shared.addWaiting(1)
      send({ _tag: "Found", workNumber, share })
    }
  }
  search = undefined
}

const receive = (message: ToThread): void => {
  switch (message._tag) {
    case "Begin":
      lane = message.lane
      space = message.space
      shared = new SharedState(lane.count, message.shared)
      return
    case "Measure":
      return send({ _tag: "Measured", hashesPerSecond: measure() })
    case "Start":
      if (message.workNumber !== shared.workNumber) return
      workNumber = message.workNumber
      prevHashAt = performance.now() - message.elapsedMs
      search = new Search(message.work, lane, space)
      if (turn === undefined) turn = setImmediate(mine)
  }
}

const measure = (): number => {
  const hasher = new Header.HeaderHasher()
  const target = new Uint8Array(32)
  const hashFor = (milliseconds: number): number => {
    const start = performance.now()
    let hashes = 0
    while (performance.now() - start < milliseconds) {
      hasher.search(hashes | 0, SLICE, target, 0)
      hashes += SLICE
    }
    return (hashes * 1000) / (performance.now() - start)
  }
  // The first part is for the compiler.
  hashFor(MEASURE_MS / 3)
  return hashFor(MEASURE_MS)
}

port.on("message", (message: readonly [0, ToThread] | readonly [1]) => {
  if (message[0] === 0) return receive(message[1])
  search = undefined
  clearImmediate(turn as NodeJS.Immediate | undefined)
  clearTimeout(turn as NodeJS.Timeout | undefined)
  port.close()
})
port.postMessage([0])
