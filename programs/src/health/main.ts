/**
 * `sluice health`: the check of a supervisor that has no other program to make a request with, such as that of a container. The status is 0
 * if the program is ready or if there is nothing to ask, and 1 if it is not ready.
 */
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { configured } from "../command/program.ts"
import { FaultsFound } from "../command/report.ts"
import { summaries } from "../command/summaries.ts"
import { HealthConfig } from "./config.ts"

const { flags, loadFrom, note } = configured(HealthConfig)

export const health = Command.make(
  "health",
  flags,
  Effect.fnUntraced(function* (input) {
    const { timeout, url = urlOf(process.env) } = (yield* loadFrom(input)).config
    if (url === undefined) return yield* Console.log("nothing to ask: no http-listen in the environment, and no url")
    const answer = yield* Effect.promise((signal) =>
      ask(url, AbortSignal.any([signal, AbortSignal.timeout(timeout * 1000)]))
    )
    yield* Console.log(`${url}: ${answer.text}`)
    if (!answer.isReady) return yield* new FaultsFound()
  })
).pipe(
  Command.withDescription([summaries.health, "", ...note].join("\n  ")),
  Command.withShortDescription(summaries.health)
)

/** The check of the program that has its page's address from the environment. One that listens everywhere is asked over loopback. */
export const urlOf = (environment: Readonly<Record<string, string | undefined>>): string | undefined => {
  for (const [name, address] of Object.entries(environment)) {
    if (!/^SLUICE_[A-Z_]+__HTTP_LISTEN$/.test(name) || address === undefined || address === "") continue
    return `http://${address.replace(/^0\.0\.0\.0:/, "127.0.0.1:").replace(/^\[::\]:/, "[::1]:")}/health/ready`
  }
  return undefined
}

const ask = async (url: string, signal: AbortSignal): Promise<{ readonly isReady: boolean; readonly text: string }> => {
  try {
    const response = await fetch(url, { signal })
    await response.body?.cancel()
    return { isReady: response.ok, text: response.ok ? "ready" : `not ready: it answers ${response.status}` }
  } catch (error) {
    const { cause, message } = error as Error
    return { isReady: false, text: `not ready: ${cause instanceof Error ? cause.message : message}` }
  }
}
