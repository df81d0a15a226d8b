/** The shares that the ledgers of the benchmarks are given. */
import type { NewShare } from "@sluice/ledger"
import { randomBytes } from "node:crypto"

export const WORK = 1_000_000_000_000n

export const share = (index: number): NewShare => ({
  at: Date.now(),
  user: `user${index % 100}`,
  worker: "rig",
  work: WORK,
  height: 800_000,
  hash: randomBytes(32),
  isBlock: false
})
