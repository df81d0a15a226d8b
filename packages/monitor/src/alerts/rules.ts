/** When an alert fires: what has to be true, and how many times in a row. docs/operators/monitoring.md has a table of them. */
import type { AlertName } from "../api/alerts.ts"

/** How often conditions are looked at. */
export const LOOK_MS = 10_000

export interface Rule {
  /** The condition is true at so many looks in a row, ten seconds apart, before the alert fires. */
  readonly times: number
  /** Something that happens at a moment: it is told once, and is over at once. */
  readonly isMoment: boolean
  readonly severity: "critical" | "warning" | "news"
}

const lasting = (severity: Rule["severity"], times: number): Rule => ({ severity, times, isMoment: false })
const moment = (severity: Rule["severity"]): Rule => ({ severity, times: 1, isMoment: true })

export const RULES: Readonly<Record<AlertName, Rule>> = {
  "worker-slow": lasting("warning", 30),
  "worker-offline": lasting("warning", 1),
  "shares-refused": lasting("critical", 3),
  "no-work": lasting("critical", 1),
  "upstream-lost": lasting("critical", 3),
  "upstream-changed": moment("warning"),
  "block-found": moment("news"),
  "payout-made": moment("news"),
  "disk-full": lasting("critical", 6),
  "clock-set": moment("warning"),
  "certificate-ends": lasting("warning", 1)
}

/** A worker is slow below this part of the mean of its last 24 hours. */
export const SLOW = 0.7
/** A worker without a channel and without a share for this long is offline. */
export const OFFLINE_MS = 600_000
/** A disk with less room than this is full soon. */
export const DISK_FREE_BYTES = 1e9
export const DISK_FREE_PART = 0.05
/** The clock was set if it moved by this much more or less than time passed. */
export const CLOCK_MS = 10_000
/** A certificate that is valid for less than this should be replaced. */
export const CERTIFICATE_MS = 14 * 86_400_000
/** More workers with the same trouble are told as one alert. */
export const ONE_BY_ONE = 10
