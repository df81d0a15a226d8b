/** Alerts: what an operator should know at once. Times in milliseconds since 1970. */
import { Schema } from "effect"
import { pageOf } from "./page.ts"

export const ALERTS = [
  "worker-slow",
  "worker-offline",
  "shares-refused",
  "no-work",
  "upstream-lost",
  "upstream-changed",
  "block-found",
  "payout-made",
  "disk-full",
  "clock-set",
  "certificate-ends"
] as const
export type AlertName = (typeof ALERTS)[number]

export const AlertView = Schema.Struct({
  name: Schema.Literals(ALERTS),
  /** What it is about, such as a worker; empty for the whole server. */
  subject: Schema.String,
  state: Schema.Literals(["pending", "firing", "cleared"]),
  /** When it got into this state. */
  since: Schema.Finite,
  /** A sentence for people. */
  message: Schema.String,
  /** When it was sent last; null if it was not sent. */
  sentAt: Schema.NullOr(Schema.Finite)
})
export type AlertView = typeof AlertView.Type
export const Alerts = pageOf(AlertView)
