/** What can go wrong between a message and its bytes. */
import { Schema } from "effect"

/**
 * The bytes of a known message are not that message: too short, or a length or count above what its type allows. Nothing
 * else makes decoding fail.
 */
export class DecodeError extends Schema.TaggedError<DecodeError>()("DecodeError", {
  message: Schema.String,
  /** The message's name in the specification, such as "SubmitShares.Success". */
  messageName: Schema.String,
  field: Schema.String,
  /** Where the field begins, in bytes from the beginning of the payload. */
  offset: Schema.Int,
  expected: Schema.String,
  actual: Schema.String
}) {}

/** A value does not fit the field that it is for. */
export class EncodeError extends Schema.TaggedError<EncodeError>()("EncodeError", {
  message: Schema.String,
  messageName: Schema.String,
  /** Empty where the fault is not a field's: an unknown message, a buffer that is too small. */
  field: Schema.String,
  /** What the field can hold. */
  limit: Schema.String,
  actual: Schema.String
}) {}
