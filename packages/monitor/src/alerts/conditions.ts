/** What is true of a server now, for alerts. */
import { formatHashRate } from "./format.ts"
import { Effect } from "effect"
import type { CertificateView } from "../api/certificates.ts"
import type { PayoutView } from "../api/ledger.ts"
import type { Overview } from "../api/overview.ts"
import { inSteps } from "../follow/steps.ts"
import type { WorkerNote } from "../follow/worker-notes.ts"
import type { WorkerDays } from "../history/worker-days.ts"
import type { Condition } from "./alert-machine.ts"
import { CERTIFICATE_MS, DISK_FREE_BYTES, DISK_FREE_PART, OFFLINE_MS, ONE_BY_ONE, SLOW } from "./rules.ts"

/** The conditions of the whole server. */
export const serverConditions = ({
  now,
  jobs,
  refusedPart,
  troubles,
  upstream
}: Overview): ReadonlyArray<Condition> => {
  const found: Array<Condition> = []
  const add = (name: Condition["name"], message: string): void => void found.push({ name, subject: "", message })
  if (troubles.includes("many-refused") && refusedPart !== null) {
    add("shares-refused", `${(refusedPart * 100).toFixed(1)} % of the shares of the last five minutes were refused.`)
  }
  if (troubles.includes("no-work")) {
    const minutes = jobs.lastAt === null ? undefined : Math.floor((now - jobs.lastAt) / 60_000)
    add("no-work", `No new work has come ${minutes === undefined ? "since the start" : `for ${minutes} minutes`}.`)
  }
  if (upstream.state === "disconnected") {
    add("upstream-lost", `${upstream.server} is not connected: ${upstream.reason}.`)
  }
  return found
}

/** Workers that are slow or gone, one by one, or together if they are many. */
export const workerConditions = Effect.fnUntraced(function* (
  workers: Iterable<Pick<WorkerNote, "worker" | "hashRate">>,
  days: WorkerDays,
  now: number
) {
  const slow: Array<Condition> = []
  const online = new Set<string>()
  yield* inSteps(workers, ({ hashRate, worker }) => {
    online.add(worker)
    const mean = days.dayMean(worker, now)
    // Chance alone makes the shares of five minutes few. Only a worker that is surely slow is one.
    if (mean === undefined || mean === 0 || hashRate.windowSeconds < 300 || hashRate.high >= mean * SLOW) return
    const rates = `${formatHashRate(hashRate.hashesPerSecond)} in place of ${formatHashRate(mean)}`
    slow.push({ name: "worker-slow", subject: worker, message: `${worker} has ${rates}, the mean of its day.` })
  })
  const offline: Array<Condition> = []
  for (const [worker, lastShareAt] of days.lastShares(now)) {
    if (online.has(worker) || now - lastShareAt < OFFLINE_MS) continue
    const minutes = Math.floor((now - lastShareAt) / 60_000)
    offline.push({ name: "worker-offline", subject: worker, message: `${worker} is offline for ${minutes} minutes.` })
  }
  return [...together(slow, "slow"), ...together(offline, "offline")]
})

/** A farm without power is one alert, and not one for each machine. */
const together = (conditions: ReadonlyArray<Condition>, what: string): ReadonlyArray<Condition> => {
  const [first] = conditions
  if (first === undefined || conditions.length <= ONE_BY_ONE) return conditions
  const some = conditions.slice(0, 3).map(({ subject }) => subject)
  const message = `${conditions.length} workers are ${what}: ${some.join(", ")} and others.`
  return [{ name: first.name, subject: "", message }]
}

export const certificateConditions = (
  certificates: ReadonlyArray<CertificateView>,
  now: number
): ReadonlyArray<Condition> =>
  certificates.flatMap(({ name, validTo }) => {
    if (validTo === null || validTo - now >= CERTIFICATE_MS) return []
    const days = Math.floor((validTo - now) / 86_400_000)
    const message =
      days < 0 ? `The certificate in ${name} has ended.` : `The certificate in ${name} ends in ${days} days.`
    return [{ name: "certificate-ends" as const, subject: name, message }]
  })

/** Blocks whose coinbase pays users. */
export const payoutConditions = (payouts: ReadonlyArray<PayoutView>): ReadonlyArray<Condition> =>
  payouts
    .filter(({ users }) => users > 0)
    .map(({ hash, height, paid, users }) => {
      const whom = users === 1 ? "one user" : `${users} users`
      return { name: "payout-made", subject: hash, message: `Block ${height} pays ${paid} satoshis to ${whom}.` }
    })

export const diskCondition = (path: string, free: number, size: number): ReadonlyArray<Condition> => {
  if (free >= DISK_FREE_BYTES && free >= size * DISK_FREE_PART) return []
  const message = `The disk of ${path} has ${(free / 1e9).toFixed(1)} GB left.`
  return [{ name: "disk-full", subject: path, message }]
}
