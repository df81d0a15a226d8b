/** A typed client of the API: `client.monitor.overview()`, with the types of the answers and of the problems. */
import { Effect, Layer, Redacted } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { MonitorApi } from "./api/api.ts"

export interface ClientOptions {
  /** Such as `http://127.0.0.1:8080`. */
  readonly url: string
  /** Needed from another machine, and to change anything. */
  readonly token?: Redacted.Redacted
}

export type MonitorClient = HttpApiClient.ForApi<typeof MonitorApi>

export const makeClient = ({ token, url }: ClientOptions): Effect.Effect<MonitorClient> =>
  HttpApiClient.make(MonitorApi, {
    transformClient: HttpClient.mapRequest((request) => {
      const here = HttpClientRequest.prependUrl(request, url)
      return token === undefined ? here : HttpClientRequest.bearerToken(here, Redacted.value(token))
    })
  }).pipe(Effect.provide(Layer.fresh(FetchHttpClient.layer)))
