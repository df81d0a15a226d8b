/** The ledger cannot do what it was asked to. The message is a sentence for the operator. */
import { Schema } from "effect"

export class LedgerError extends Schema.TaggedError<LedgerError>("sluice/ledger/LedgerError")("LedgerError", {
  message: Schema.String
}) {}

/** Names the ledger's database in an error of it. */
export const ledgerError =
  (name: string) =>
  ({ message }: { readonly message: string }): LedgerError =>
    new LedgerError({ message: `the ledger ${name}: ${message}` })
