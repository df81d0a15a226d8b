/**
 * Reads the answers of a node's JSON-RPC server to one call or to a batch: errors are a JSON body under HTTP status 500 or
 * 404 (or 200, with newer nodes and in a batch), plain text under 401, 403 and 503.
 */
import { Effect, Option, Schema } from "effect"
import {
  NodeBadAnswer,
  NodeBadCredentials,
  NodeBusy,
  NodeMethodUnknown,
  NodeRefused,
  type NodeRpcError,
  NodeWarmingUp
} from "./node-rpc-error.ts"

/** An answer over HTTP. */
export interface HttpAnswer {
  readonly status: number
  readonly body: Uint8Array
}

const RpcAnswer = Schema.Struct({
  id: Schema.Unknown,
  result: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(Schema.NullOr(Schema.Struct({ code: Schema.Int, message: Schema.String })))
})

const decodeRpcAnswer = Schema.decodeUnknownOption(RpcAnswer)
const decodeRpcAnswers = Schema.decodeUnknownOption(Schema.Array(RpcAnswer))

/** The result of call `id`, undecoded. */
export const readResult = (answer: HttpAnswer, id: number): Effect.Effect<unknown, NodeRpcError["reason"]> =>
  Effect.flatMap(readBody(answer), (json) => {
    const rpc = Option.flatMap(json, decodeRpcAnswer)
    if (Option.isNone(rpc)) return Effect.fail(badAnswer(answer))
    const { id: answered } = rpc.value
    if (isFailure(rpc.value) || answered === id) return readAnswered(rpc.value)
    return Effect.fail(new NodeBadAnswer({ detail: `the answer to call ${answered}, not to ${id}` }))
  })

/** Reads the answers to a batch, by id. A node that refuses the whole batch answers one error. */
export const readBatch = (
  answer: HttpAnswer
): Effect.Effect<ReadonlyMap<unknown, typeof RpcAnswer.Type>, NodeRpcError["reason"]> =>
  Effect.flatMap(readBody(answer), (json) => {
    const answers = Option.flatMap(json, decodeRpcAnswers)
    if (Option.isSome(answers)) return Effect.succeed(new Map(answers.value.map((each) => [each.id, each])))
    const whole = Option.flatMap(json, decodeRpcAnswer)
    return Option.isSome(whole) && isFailure(whole.value)
      ? Effect.flatMap(readAnswered(whole.value), () => Effect.fail(badAnswer(answer)))
      : Effect.fail(badAnswer(answer))
  })

/** Parses the JSON of an answer, unless its status says that the node has not looked at the call. */
const readBody = (answer: HttpAnswer): Effect.Effect<Option.Option<unknown>, NodeRpcError["reason"]> => {
  if (answer.status === 401 || answer.status === 403) {
    return Effect.fail(new NodeBadCredentials({ detail: `HTTP status ${answer.status}` }))
  }
  if (answer.status === 503) return Effect.fail(new NodeBusy({ detail: shorten(textOf(answer)) }))
  return Effect.succeed(parseJson(textOf(answer)))
}

const isFailure = ({ error }: typeof RpcAnswer.Type): boolean => error !== undefined && error !== null

/** Reads the result in one answer of a batch; the answer may be missing. */
export const readAnswered = (
  answer: typeof RpcAnswer.Type | undefined
): Effect.Effect<unknown, NodeRpcError["reason"]> => {
  if (answer === undefined) return Effect.fail(new NodeBadAnswer({ detail: "no answer to a call of a batch" }))
  const { error, result } = answer
  return error !== undefined && error !== null
    ? Effect.fail(readError(error.code, error.message))
    : Effect.succeed(result)
}

const badAnswer = (answer: HttpAnswer): NodeBadAnswer =>
  new NodeBadAnswer({ detail: `HTTP status ${answer.status}, ${shorten(textOf(answer))}` })

const textOf = ({ body }: HttpAnswer): string => utf8.decode(body)
const utf8 = new TextDecoder()

const parseJson = Option.liftThrowable((text: string): unknown => JSON.parse(text))

/** Codes of Bitcoin Core's src/rpc/protocol.h. */
const readError = (code: number, detail: string): NodeRpcError["reason"] => {
  switch (code) {
    case -28:
      return new NodeWarmingUp({ detail })
    case -32601:
      return new NodeMethodUnknown()
    default:
      return new NodeRefused({ code, detail })
  }
}

/** Puts a text of the node on one line and shortens it for an error message. */
export const shorten = (text: string): string => {
  const line = text.replaceAll(/\s+/g, " ").trim()
  return line === "" ? "an empty body" : line.length > 300 ? `${line.slice(0, 300)}…` : line
}
