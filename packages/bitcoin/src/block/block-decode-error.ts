/** What the readers of blocks and transactions fail with. */
import { Schema } from "effect"

/** Bytes that are no transaction or no block: what was expected, and the offset in the bytes where it was not there. */
export class BlockDecodeError extends Schema.TaggedError<BlockDecodeError>("sluice/bitcoin/BlockDecodeError")(
  "BlockDecodeError",
  { at: Schema.Int, detail: Schema.String }
) {
  override get message(): string {
    return `cannot be decoded at byte ${this.at}: ${this.detail}`
  }
}
