/**
 * Which alerts fire. A pure machine: it is told what is true at each look, and says what to send. An alert fires when its condition
 * was true several times in a row, and is sent again at most once an hour, also if it clears and fires in between.
 */
import type { AlertName, AlertView } from "../api/alerts.ts"
import { type Rule, RULES } from "./rules.ts"

/** Something that is true now. */
export interface Condition {
  readonly name: AlertName
  /** What it is about; empty for the whole server. */
  readonly subject: string
  /** A sentence for people. */
  readonly message: string
}

/** Something to send. */
export interface Notice extends Condition {
  readonly at: number
  readonly state: "firing" | "cleared"
  readonly severity: Rule["severity"]
}

interface Alert extends Condition {
  state: AlertView["state"]
  since: number
  count: number
  sentAt: number | undefined
  message: string
}

const HOUR_MS = 3_600_000
/** A cleared alert is shown for a day. */
const SHOWN_MS = 86_400_000
/** The most alerts at once. Conditions come in groups where they are many, so this is never reached in practice. */
const MAX_ALERTS = 1000

export class AlertMachine {
  readonly #alerts = new Map<string, Alert>()

  /** Takes all conditions that are true. Those that are missing are not true any more. */
  look(conditions: ReadonlyArray<Condition>, now: number): ReadonlyArray<Notice> {
    const notices: Array<Notice> = []
    const seen = new Set<string>()
    for (const condition of conditions) {
      const key = `${condition.name}\n${condition.subject}`
      seen.add(key)
      const alert = this.#alert(key, condition, now)
      if (alert !== undefined) this.#hold(alert, condition, now, notices)
    }
    for (const [key, alert] of this.#alerts) {
      if (seen.has(key)) continue
      if (alert.state === "pending") this.#alerts.delete(key)
      else if (alert.state === "firing") this.#clear(alert, now, notices)
      else if (now - alert.since > SHOWN_MS) this.#alerts.delete(key)
    }
    return notices
  }

  /** All alerts, those that fire first, then the newest first. */
  views(): ReadonlyArray<AlertView> {
    const order = { firing: 0, pending: 1, cleared: 2 }
    return Array.from(this.#alerts.values(), ({ message, name, sentAt = null, since, state, subject }) => ({
      name,
      subject,
      state,
      since,
      message,
      sentAt
    })).toSorted((a, b) => order[a.state] - order[b.state] || b.since - a.since)
  }

  /** How many troubles fire. A block that was found is none. */
  get firing(): number {
    let count = 0
    for (const { name, state } of this.#alerts.values()) if (state === "firing" && !RULES[name].isMoment) count++
    return count
  }

  #alert(key: string, condition: Condition, now: number): Alert | undefined {
    const known = this.#alerts.get(key)
    if (known !== undefined) return known
    if (this.#alerts.size >= MAX_ALERTS) return undefined
    const alert: Alert = { ...condition, state: "pending", since: now, count: 0, sentAt: undefined }
    this.#alerts.set(key, alert)
    return alert
  }

  #hold(alert: Alert, { message }: Condition, now: number, notices: Array<Notice>): void {
    alert.message = message
    if (alert.state === "cleared") {
      alert.state = "pending"
      alert.since = now
      alert.count = 0
    }
    if (alert.state === "pending") {
      if (++alert.count < RULES[alert.name].times) return
      alert.state = "firing"
      alert.since = now
    }
    // Each moment is news of its own.
    if (!RULES[alert.name].isMoment && alert.sentAt !== undefined && now - alert.sentAt < HOUR_MS) return
    alert.sentAt = now
    notices.push(noticeOf(alert, "firing", now))
  }

  #clear(alert: Alert, now: number, notices: Array<Notice>): void {
    // Nobody is told that something is over who was not told that it began.
    const wasSent = alert.sentAt !== undefined && alert.sentAt >= alert.since
    alert.state = "cleared"
    alert.since = now
    alert.count = 0
    if (wasSent && !RULES[alert.name].isMoment) notices.push(noticeOf(alert, "cleared", now))
  }
}

const noticeOf = ({ message, name, subject }: Alert, state: Notice["state"], at: number): Notice => ({
  name,
  subject,
  message,
  state,
  at,
  severity: RULES[name].severity
})
