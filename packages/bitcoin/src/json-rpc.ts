/**
 * JSON-RPC requests and answers as Bitcoin Core reads and writes them: version 2.0 where a request says so, and else its
 * own mixture of 1.0 and 1.1, in which an answer always has both a result and an error.
 */
import { Predicate, Result } from "effect"
import { JsonRpcCode, JsonRpcError } from "./json-rpc-error.ts"

/** What an answer names its request by. */
export type JsonRpcId = string | number | null

export interface JsonRpcRequest {
  /** `undefined` for a notification of version 2.0, which gets no answer. */
  readonly id: JsonRpcId | undefined
  readonly version: JsonRpcVersion
  readonly method: string
  /** By position or by name. */
  readonly params: ReadonlyArray<unknown> | Readonly<Record<string, unknown>>
}

export type JsonRpcVersion = "legacy" | "2.0"

/** A request that cannot be read still has an id and a version to answer with, as far as it got. */
export interface BadRequest {
  readonly id: JsonRpcId
  readonly version: JsonRpcVersion
  readonly error: JsonRpcError
}

/** One request from parsed JSON. */
export const readRequest = (value: unknown): Result.Result<JsonRpcRequest, BadRequest> => {
  let version: JsonRpcVersion = "legacy"
  let id: JsonRpcId = null
  const bad = (message: string) =>
    Result.fail({ id, version, error: new JsonRpcError({ code: JsonRpcCode.invalidRequest, message }) })
  if (!Predicate.isObject(value) || Array.isArray(value)) return bad("Invalid Request object")
  const request: Readonly<Record<PropertyKey, unknown>> = value
  // Other forms of an id are legal in version 1.0 and used by nobody.
  if (!isId(request["id"])) return bad("id must be a string, a number or null")
  id = request["id"] ?? null
  const { jsonrpc, method, params } = request
  if (jsonrpc !== undefined && jsonrpc !== null) {
    if (typeof jsonrpc !== "string") return bad("jsonrpc field must be a string")
    if (jsonrpc === "2.0") version = "2.0"
    else if (jsonrpc !== "1.0") return bad("JSON-RPC version not supported")
  }
  if (method === undefined || method === null) return bad("Missing method")
  if (typeof method !== "string") return bad("Method must be a string")
  const isNotification = version === "2.0" && !("id" in request)
  const head = { id: isNotification ? undefined : id, version, method }
  if (params === undefined || params === null) return Result.succeed({ ...head, params: [] })
  if (Array.isArray(params)) return Result.succeed({ ...head, params: params as ReadonlyArray<unknown> })
  if (Predicate.isObject(params)) return Result.succeed({ ...head, params: { ...params } })
  return bad("Params must be an array or object")
}

/** The object that answers a request. */
export const answer = (
  { id, version }: { readonly id: JsonRpcId | undefined; readonly version: JsonRpcVersion },
  outcome: Result.Result<unknown, JsonRpcError>
): Readonly<Record<string, unknown>> => {
  const error = Result.isFailure(outcome) ? { code: outcome.failure.code, message: outcome.failure.message } : null
  const result = Result.isSuccess(outcome) ? outcome.success : null
  if (version === "legacy") return { result, error, id }
  return error === null ? { jsonrpc: "2.0", result, id } : { jsonrpc: "2.0", error, id }
}

/** The HTTP status that goes with an answer to one request. */
export const httpStatus = (version: JsonRpcVersion, error: JsonRpcError | undefined): number => {
  if (error === undefined || version === "2.0") return 200
  if (error.code === JsonRpcCode.invalidRequest) return 400
  return error.code === JsonRpcCode.methodNotFound ? 404 : 500
}

const isId = (id: unknown): id is JsonRpcId | undefined =>
  id === undefined || id === null || typeof id === "string" || typeof id === "number"
