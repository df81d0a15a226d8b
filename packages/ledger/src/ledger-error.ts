/** The ledger cannot do what it was asked to. The message is a sentence for the operator. */
import { Schema } from "effect"
import { SqlError } from "effect/sql"

export class LedgerError extends Schema.TaggedError<LedgerError>("sluice/ledger/LedgerError")("LedgerError", {
  message: Schema.String
}) {}

/** Names the ledger's database in an error of it. */
export const ledgerError =
  (name: string) =>
  (error: { readonly message: string }): LedgerError =>
    new LedgerError({ message: `the ledger ${name}: ${reasonOf(error)}` })

/** What the database says of an error, in its own words. */
export const reasonOf = (error: { readonly message: string }): string => {
  if (!SqlError.isSqlError(error)) return error.message
  const { cause } = error.reason
  if (!(cause instanceof Error)) return error.message
  const [first = cause] = cause instanceof AggregateError ? (cause.errors as ReadonlyArray<Error>) : []
  return first.message
}
