/** What the metrics of all processes say of them, for the operators' page. */
import type { Processes } from "@sluice/monitor"

export const processesIn = (metrics: string): Processes => {
  const sums = new Map<string, number>()
  for (const line of metrics.split("\n")) {
    const [, name = "", value = ""] = /^(\w+)(?:\{[^}]*\})? (\S+)$/.exec(line) ?? []
    if (NAMES.has(name)) sums.set(name, (sums.get(name) ?? 0) + Number(value))
  }
  const of = (name: string): number => sums.get(name) ?? 0
  return {
    process: { residentBytes: of(RESIDENT), cpuSeconds: of(CPU) },
    replies: { count: of(REPLIES), seconds: of(REPLY_SECONDS) }
  }
}

const RESIDENT = "process_resident_memory_bytes"
const CPU = "process_cpu_seconds_total"
const REPLIES = "sluice_pool_reply_seconds_count"
const REPLY_SECONDS = "sluice_pool_reply_seconds_sum"
const NAMES: ReadonlySet<string> = new Set([RESIDENT, CPU, REPLIES, REPLY_SECONDS])
