/**
 * The least that a server does for shares at the miners' own pace: it reads sockets, and writes as many bytes as a pool does at the
 * same times. An acknowledgement waits as that of a pool does: until a connection has so many shares, for so long at most, or for the
 * next job, and not at all if the share comes alone. Started as `node pace-floor.ts PORT SHARES MILLISECONDS`.
 */
import { createServer, type Socket } from "node:net"

/** Sizes of SubmitSharesStandard and of SubmitSharesExtended with 8 bytes of extranonce, encrypted with Noise. */
export const SHARE_SIZES = { standard: 22 + 24 + 16, extended: 22 + 33 + 16 }
/** The same of SubmitShares.Success, and of NewMiningJob. */
export const REPLY_SIZE = 22 + 20 + 16
export const JOB_SIZE = 22 + 45 + 16
/** The size of a read that asks for a job to all connections. */
export const ANNOUNCE_SIZE = 1

interface Miner {
  pending: number
  since: number
  lastAt: number
}

const serve = (port: number, after: number, withinMs: number): void => {
  const miners = new Map<Socket, Miner>()
  /** Those with shares that wait, the first one first. */
  const waiting = new Map<Socket, Miner>()
  const reply = new Uint8Array(REPLY_SIZE)
  const job = new Uint8Array(JOB_SIZE)
  const both = new Uint8Array(JOB_SIZE + REPLY_SIZE)
  const acknowledge = (socket: Socket, miner: Miner): void => {
    miner.pending = 0
    waiting.delete(socket)
    socket.write(reply)
  }
  const announce = (): void => {
    for (const [socket, miner] of miners) {
      socket.write(miner.pending > 0 ? both : job)
      miner.pending = 0
    }
    waiting.clear()
  }
  const receive = (socket: Socket, miner: Miner): void => {
    const now = performance.now()
    const isAlone = now - miner.lastAt >= withinMs
    miner.lastAt = now
    if (++miner.pending >= after || isAlone) return acknowledge(socket, miner)
    if (miner.pending > 1) return
    miner.since = now
    waiting.set(socket, miner)
  }
  createServer({ noDelay: true }, (socket) => {
    const miner: Miner = { pending: 0, since: 0, lastAt: -Infinity }
    miners.set(socket, miner)
    socket.on("error", () => socket.destroy())
    socket.on("close", () => {
      miners.delete(socket)
      waiting.delete(socket)
    })
    socket.on("data", (chunk) => {
      if (chunk.length === ANNOUNCE_SIZE) announce()
      else receive(socket, miner)
    })
  }).listen(port, "127.0.0.1", 4096)
  if (withinMs === 0) return
  setInterval(() => {
    const due = performance.now() - (withinMs * 3) / 4
    for (const [socket, miner] of waiting) {
      if (miner.since > due) return
      acknowledge(socket, miner)
    }
  }, withinMs / 4)
}

if (process.argv[1] === import.meta.filename) {
  const [port, after, withinMs] = process.argv.slice(2).map(Number) as [number, number, number]
  serve(port, after, withinMs)
}
