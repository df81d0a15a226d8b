/**
 * Reads JSON-RPC requests and writes answers as Bitcoin Core does: version 2.0 if the request says so, or else Core's mixture of
 * 1.0 and 1.1, in which an answer always has both a result and an error.
 */
import { Predicate, Result } from "effect"
import { JsonRpcCode, JsonRpcError } from "./json-rpc-error.ts"

/** The id of the request: any JSON, as Core does not check it. `undefined` if there is none. */
export type JsonRpcId = unknown

export interface JsonRpcRequest {
  readonly id: JsonRpcId
  /** A notification: version 2.0 without an id. It gets no answer. */
  readonly isNotification: boolean
  readonly version: JsonRpcVersion
  readonly method: string
  /** Parameters by position or by name. */
  readonly params: ReadonlyArray<unknown> | Readonly<Record<string, unknown>>
}

export type JsonRpcVersion = "legacy" | "2.0"

/** An unreadable request, with the id and version for its answer as far as they are readable. */
export interface BadRequest {
  readonly id: JsonRpcId
  readonly version: JsonRpcVersion
  readonly error: JsonRpcError
}

/** Reads one request from parsed JSON. */
export const readRequest = (value: unknown): Result.Result<JsonRpcRequest, BadRequest> => {
  let version: JsonRpcVersion = "legacy"
  let id: JsonRpcId = null
  const bad = (message: string) =>
    Result.fail({ id, version, error: new JsonRpcError({ code: JsonRpcCode.invalidRequest, message }) })
  if (!Predicate.isObject(value) || Array.isArray(value)) return bad("Invalid Request object")
  const request: Readonly<Record<PropertyKey, unknown>> = value
  id = request["id"]
  const { jsonrpc, method, params } = request
  if (jsonrpc !== undefined && jsonrpc !== null) {
    if (typeof jsonrpc !== "string") return bad("jsonrpc field must be a string")
    if (jsonrpc === "2.0") version = "2.0"
    else if (jsonrpc !== "1.0") return bad("JSON-RPC version not supported")
  }
  if (method === undefined || method === null) return bad("Missing method")
  if (typeof method !== "string") return bad("Method must be a string")
  const head = { id, version, method, isNotification: version === "2.0" && id === undefined }
  if (params === undefined || params === null) return Result.succeed({ ...head, params: [] })
  if (Array.isArray(params)) return Result.succeed({ ...head, params: params as ReadonlyArray<unknown> })
  if (Predicate.isObject(params)) return Result.succeed({ ...head, params: { ...params } })
  return bad("Params must be an array or object")
}

/** The answer to a request. Has no id if the request had none, as in Core since version 28. */
export const answer = (
  { id, version }: { readonly id: JsonRpcId; readonly version: JsonRpcVersion },
  outcome: Result.Result<unknown, JsonRpcError>
): Readonly<Record<string, unknown>> => {
  const error = Result.isFailure(outcome) ? { code: outcome.failure.code, message: outcome.failure.message } : null
  const result = Result.isSuccess(outcome) ? outcome.success : null
  const end = id === undefined ? {} : { id }
  if (version === "legacy") return { result, error, ...end }
  return error === null ? { jsonrpc: "2.0", result, ...end } : { jsonrpc: "2.0", error, ...end }
}

/** The HTTP status of the answer to a single request. */
export const httpStatus = (version: JsonRpcVersion, error: JsonRpcError | undefined): number => {
  if (error === undefined || version === "2.0") return 200
  if (error.code === JsonRpcCode.invalidRequest) return 400
  return error.code === JsonRpcCode.methodNotFound ? 404 : 500
}
