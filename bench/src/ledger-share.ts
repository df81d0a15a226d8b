/** The shares that the ledgers of the benchmarks are given, and the table of a bare database that has as much of them. */
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

/** A row for each share, without an index. The words of types are those of SQLite and PostgreSQL. */
export const SHARES_TABLE = `CREATE TABLE shares (
  seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, user_id BIGINT NOT NULL REFERENCES users, worker TEXT NOT NULL,
  work TEXT NOT NULL, height BIGINT NOT NULL, hash BYTEA NOT NULL, is_block BIGINT NOT NULL)`
