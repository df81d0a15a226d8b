/** Servers for the benchmarks at the miners' own pace: any command line, with placeholders for what it has to know. */
import { once } from "node:events"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { sleep } from "./crowd.ts"

/** What the placeholders stand for. */
export interface Places {
  /** Where the server has to listen on 127.0.0.1. */
  readonly port: number
  /** The keys of the authority that signs the server's certificate. */
  readonly "public-key": string
  readonly "secret-key": string
  /** The template provider on 127.0.0.1, and the public key of its authority. */
  readonly "template-port": number
  readonly "template-key": string
  /** The rate that the difficulty has to aim at. */
  readonly "shares-per-minute": number
}

export interface PaceServer {
  readonly port: number
  readonly pid: number
  /** Seconds of CPU that the process has used since its start, with all its threads and what the system did for it. */
  readonly cpuSeconds: () => number
  readonly stop: () => Promise<void>
}

/**
 * Starts a command and waits until it accepts connections. `{NAME}` stands for a place, and `{file:PATH}` for the name of a copy of
 * this file in which the places are filled in.
 */
export const startServer = async (command: string, places: Places): Promise<PaceServer> => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-pace-"))
  const fill = (text: string): string =>
    text.replaceAll(/\{(?<name>[a-z-]+)\}/g, (whole, name: string) => String(places[name as keyof Places] ?? whole))
  const line = fill(command).replaceAll(/\{file:(?<path>[^}]+)\}/g, (_, path: string) => {
    const copy = join(folder, basename(path))
    writeFileSync(copy, fill(readFileSync(path, "utf8")))
    return copy
  })
  // The shell becomes the command, so its process is the one to measure.
  const child = spawn(`exec ${line}`, { shell: true, stdio: ["ignore", "ignore", "inherit"] })
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL")
      await once(child, "exit")
    }
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await untilListening(child, places.port, line)
  } catch (error) {
    await stop()
    throw error
  }
  return { port: places.port, pid: child.pid!, cpuSeconds: () => cpuSecondsOf(child.pid!), stop }
}

const START_TIMEOUT_MS = 30_000

const untilListening = async (child: ChildProcess, port: number, line: string): Promise<void> => {
  const limit = performance.now() + START_TIMEOUT_MS
  for (;;) {
    if (child.exitCode !== null) throw new Error(`ended with status ${child.exitCode} at its start: ${line}`)
    const socket = connect({ port, host: "127.0.0.1" })
    const isOpen = await Promise.race([
      once(socket, "connect").then(
        () => true,
        () => false
      ),
      sleep(1000).then(() => false)
    ])
    socket.destroy()
    if (isOpen) return
    if (performance.now() > limit) throw new Error(`does not listen at 127.0.0.1:${port}: ${line}`)
    await sleep(100)
  }
}

/** What Linux counts in hundredths of a second, which includes threads; `process.cpuUsage` is only for programs of Node. */
const cpuSecondsOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  // The name of the program, in parentheses, may have spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) / 100
}
