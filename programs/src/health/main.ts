/** `sluice health`: asks a program whether it is well. An image of `sluice` alone has nothing else to ask with. */
import { Console, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { FetchHttpClient, HttpClient } from "effect/http"
import { FaultsFound } from "../command/report.ts"
import { summaries } from "../command/summaries.ts"

export const health = Command.make(
  "health",
  { url: Argument.String("URL").pipe(Argument.withDescription("Such as http://127.0.0.1:8080/health/ready")) },
  ({ url }) =>
    HttpClient.get(url).pipe(
      Effect.map(({ status }) => (status >= 200 && status < 300 ? undefined : `answered with ${status}`)),
      Effect.timeout("5 seconds"),
      Effect.catchTags({
        HttpClientError: ({ message }) => Effect.succeed(`does not answer: ${message}`),
        TimeoutError: () => Effect.succeed("did not answer within 5 seconds")
      }),
      Effect.flatMap((problem) =>
        problem === undefined
          ? Effect.void
          : Effect.andThen(Console.error(`sluice health: ${url} ${problem}`), Effect.fail(new FaultsFound()))
      ),
      Effect.provide(FetchHttpClient.layer)
    )
).pipe(
  Command.withDescription(
    `${summaries.health}\n  The exit status is 0 if the answer's status is 2xx. Health checks of containers run it.`
  )
)
