/** What the JSON-RPC methods of the development node fail with. */
import { Schema } from "effect"

/** An error as JSON-RPC answers it: Bitcoin Core's code and its words (its `rpc/protocol.h`). */
export class JsonRpcError extends Schema.TaggedError<JsonRpcError>("sluice/dev-node/JsonRpcError")("JsonRpcError", {
  code: Schema.Int,
  message: Schema.String
}) {}

/** Bitcoin Core's error codes that a development node uses. */
export const JsonRpcCode = {
  miscellaneous: -1,
  type: -3,
  addressOrKey: -5,
  parameter: -8,
  notConnected: -9,
  initialDownload: -10,
  deserialization: -22,
  invalidRequest: -32600,
  methodNotFound: -32601,
  internal: -32603,
  parse: -32700
} as const
