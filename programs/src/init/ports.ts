/** Ports that are free to listen on. */
import { parseEndpoint } from "@sluice/transport"
import { Effect, Result } from "effect"
import { createServer } from "node:net"
import type { Check } from "./ask.ts"

/** A check: nobody listens there, on this machine or in the answers before. */
export const isFree =
  (others: ReadonlyArray<string>): Check =>
  (text) =>
    Effect.gen(function* () {
      if (text === "none") return
      const { host, port } = Result.getOrThrow(parseEndpoint(text))
      if (port === 0) return yield* Effect.fail("miners need a port that stays the same: give one from 1 to 65535")
      const used = others.some((other) => other !== "none" && Result.getOrThrow(parseEndpoint(other)).port === port)
      if (used) return yield* Effect.fail(`port ${port} is given already: choose another one`)
      const problem = yield* listenProblem(host, port)
      if (problem !== undefined) yield* Effect.fail(problem)
    })

/** The first port from this one on that no program listens on. */
export const freePort = (first: number, others: ReadonlyArray<string> = []): Effect.Effect<number> =>
  Effect.gen(function* () {
    for (let port = first; port < first + 100; port++) {
      if (others.some((other) => other.endsWith(`:${port}`))) continue
      if ((yield* listenProblem("0.0.0.0", port)) === undefined) return port
    }
    return first
  })

const listenProblem = (host: string, port: number): Effect.Effect<string | undefined> =>
  Effect.callback((resume) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) => resume(Effect.succeed(whyNot(error, host, port))))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resume(Effect.undefined)))
  })

const whyNot = ({ code, message }: NodeJS.ErrnoException, host: string, port: number): string => {
  if (code === "EADDRINUSE") return `another program uses port ${port}: choose another one`
  if (code === "EACCES") return `ports below 1024 are for the system: choose another one than ${port}`
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") return `${host} is not an address of this machine`
  return message
}
