/** The error of the readers of blocks and transactions. */
import { Schema } from "effect"

/** The bytes are no transaction or no block. `detail` says what was expected, and `at` is the offset of the fault. */
export class BlockDecodeError extends Schema.TaggedError<BlockDecodeError>("sluice/bitcoin/BlockDecodeError")(
  "BlockDecodeError",
  { at: Schema.Int, detail: Schema.String }
) {
  override get message(): string {
    return `cannot be decoded at byte ${this.at}: ${this.detail}`
  }
}
