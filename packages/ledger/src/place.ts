/** Where a ledger's database is. */
import { Redacted } from "effect"

export type LedgerPlace =
  /** An SQLite file. It is created if there is none. */
  | { readonly file: string }
  /** `postgres://USER:PASSWORD@HOST:PORT/NAME`, as libpq takes it. The database exists. */
  | { readonly postgres: Redacted.Redacted }

/** The name of a ledger in messages, without user and password. */
export const nameOf = (place: LedgerPlace): string => {
  if ("file" in place) return place.file
  const { host, pathname, protocol } = new URL(Redacted.value(place.postgres))
  return `${protocol}//${host}${pathname}`
}
