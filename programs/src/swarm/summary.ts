/** The report of a swarm, for people. */
import { escaped } from "@sluice/protocol"
import type { Latency, SwarmReport } from "@sluice/swarm"

/** The progress in one line. */
export const progressLine = ({ channels, connections, latency, plan, shares }: SwarmReport): string => {
  const refused = total(shares.refused)
  return (
    `${connections.open} of ${plan.connections} connections, ${channels.working} channels with work, ` +
    `${shares.accepted} shares accepted, ${refused} refused; ` +
    `acknowledged after ${milliseconds(latency.acknowledgement.p50)}, p99 ${milliseconds(latency.acknowledgement.p99)}`
  )
}

export const summary = (report: SwarmReport): ReadonlyArray<string> => {
  const { bad, channels, connections, latency, plan, process, shares, violations } = report
  const misbehaviour = Object.entries(bad).filter(([, { sent }]) => sent > 0)
  return [
    `${report.seconds.toFixed(0)} s, ${plan.connections} connections with ${plan.channels} ${plan.kind} channel(s) each`,
    `connections  ${connections.open} open, ${connections.opened} opened${by("lost", connections.lost)}${by("failed", connections.failed)}`,
    `channels     ${channels.working} with work, ${channels.opened} opened${by("refused", channels.refused)}${by("closed", channels.closed)}` +
      (connections.allWorkingAfterSeconds > 0
        ? `; all had work after ${connections.allWorkingAfterSeconds.toFixed(1)} s`
        : ""),
    `shares       ${shares.accepted} accepted (${shares.perSecond.toFixed(1)} a second) of ${shares.submitted}` +
      `${by("refused", shares.refused)}, ${shares.unanswered} unanswered, ${shares.pending} pending, ` +
      `${shares.tooLate} too late to send`,
    ...(shares.behind > 0
      ? [
          `             ${shares.behind} came late: this machine cannot find so many; announce fewer hashes (--hash-rate) ` +
            `or let the pool make easier targets (its --min-hash-rate)`
        ]
      : []),
    ...misbehaviour.map(([kind, { accepted, sent }]) => `bad          ${kind}: ${sent} sent, ${accepted} accepted`),
    ...(total(violations) > 0 ? [`violations   ${by("", violations).slice(2)}`] : []),
    `${report.jobs} jobs, ${report.prevHashes} new previous hashes`,
    "",
    "milliseconds           count      p50      p99    p99.9      max",
    row("connect", latency.connect),
    row("acknowledgement", latency.acknowledgement),
    row("job after the first", latency.job),
    row("prev hash after first", latency.prevHash),
    "",
    `the swarm itself: ${process.cpuSeconds.toFixed(1)} s CPU, ${(process.rssBytes / 2 ** 20).toFixed(0)} MiB, ` +
      `event loop late by ${milliseconds(process.eventLoopDelay.p50)}, p99 ${milliseconds(process.eventLoopDelay.p99)}`
  ]
}

const row = (name: string, { count, max, p50, p99, p999 }: Latency): string =>
  [name.padEnd(21), String(count).padStart(8), ...[p50, p99, p999, max].map((ms) => ms.toFixed(2).padStart(9))].join("")

/** `, 3 lost (Closed 2, ECONNRESET 1)`. The server chooses its error codes, so they are escaped. */
const by = (what: string, counts: Readonly<Record<string, number>>): string => {
  const all = total(counts)
  if (all === 0) return ""
  const parts = Object.entries(counts).map(([kind, count]) => `${escaped(kind)} ${count}`)
  return `, ${all} ${what} (${parts.join(", ")})`
}

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

const milliseconds = (ms: number): string => `${ms.toFixed(2)} ms`
