/** Errors of the development node's JSON-RPC methods. */
import { Schema } from "effect"

/** An error of a JSON-RPC answer, with Bitcoin Core's code (its `rpc/protocol.h`) and message. */
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
