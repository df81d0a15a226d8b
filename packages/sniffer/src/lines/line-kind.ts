/** Kinds of lines, to compare a session with a recorded one. */
import { escaped } from "@sluice/protocol"
import { readRefusal } from "@sluice/stratum-v1"
import type { Side } from "../event.ts"
import { parseLine } from "./parse-line.ts"

/** Gives the kinds of the lines of one connection: a method, or for an answer the method with `.Success` or `.Error`. */
export const lineKinds = (): ((to: Side, bytes: Uint8Array) => string) => {
  /** The methods of requests without an answer, by the side that answers and the id. */
  const asked = { server: new Map<string, string>(), client: new Map<string, string>() }
  return (to, bytes) => {
    const line = parseLine(bytes)
    if (line === undefined) return "a line that is no JSON object"
    const id = JSON.stringify(line.id)
    if (typeof line.method === "string") {
      const method = escaped(line.method.slice(0, MAX_METHOD))
      if (line.id !== undefined && line.id !== null && asked[to].size < MAX_ASKED) asked[to].set(id, method)
      return method
    }
    const questions = asked[to === "client" ? "server" : "client"]
    const method = questions.get(id) ?? "an answer to nothing"
    questions.delete(id)
    return `${method}.${readRefusal(line) === undefined ? "Success" : "Error"}`
  }
}

const MAX_METHOD = 64
/** A peer can ask without end. */
const MAX_ASKED = 10_000
