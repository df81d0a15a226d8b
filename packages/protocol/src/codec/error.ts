/** Errors of encoding and decoding messages. */
import { Schema } from "effect"

/**
 * The payload of a known message is invalid: it is too short, or a length or count exceeds the limit of its type. There is no
 * other reason for decoding to fail.
 */
export class DecodeError extends Schema.TaggedError<DecodeError>()("DecodeError", {
  message: Schema.String,
  /** The message's name in the specification, such as "SubmitShares.Success". */
  messageName: Schema.String,
  field: Schema.String,
  /** Offset of the field in the payload, in bytes. */
  offset: Schema.Int,
  expected: Schema.String,
  actual: Schema.String
}) {}

/** A value does not fit its field. */
export class EncodeError extends Schema.TaggedError<EncodeError>()("EncodeError", {
  message: Schema.String,
  messageName: Schema.String,
  /** Empty if the error is not about a field: an unknown message, or a buffer that is too small. */
  field: Schema.String,
  /** The limit of the field. */
  limit: Schema.String,
  actual: Schema.String
}) {}
