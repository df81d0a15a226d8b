/**
 * Decides who may ask. The address that connects and the Host of the request must both be of this machine for a request to count
 * as local: a proxy on this machine connects from it for anybody, and a web page can have its own name resolved to it.
 */
import { isLoopback } from "@sluice/transport"
import { Effect, Layer, Option, Redacted } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiError, HttpApiMiddleware } from "effect/http-api"
import { Changing, Reading, WellFormed } from "../api/access.ts"
import { Forbidden, Unauthorized } from "../api/problems.ts"
import { isEqual } from "./secret.ts"

/** The middlewares of the API. Without a token, only local readers are served and nothing can be changed. */
export const layerAccess = (token: Redacted.Redacted | undefined): Layer.Layer<Reading | Changing | WellFormed> => {
  const knows = (credential: Redacted.Redacted): boolean =>
    token !== undefined && isEqual(Redacted.value(credential), Redacted.value(token))

  const reading = Layer.succeed(Reading, {
    token: (answer, { credential }) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        if (!isLocal(request) && !knows(credential)) return yield* new Unauthorized({ detail: NEEDS_TOKEN })
        return yield* answer
      })
  })

  const changing = Layer.succeed(Changing, {
    token: (answer, { credential }) =>
      Effect.gen(function* () {
        const { headers } = yield* HttpServerRequest.HttpServerRequest
        if (token === undefined) return yield* new Forbidden({ detail: NO_TOKEN })
        if (!knows(credential)) return yield* new Unauthorized({ detail: NEEDS_TOKEN })
        if (isOfAnotherSite(headers)) return yield* new Forbidden({ detail: OTHER_SITE })
        return yield* answer
      })
  })

  return Layer.mergeAll(reading, changing, wellFormed)
}

const NEEDS_TOKEN = "Send the token of http-token as `Authorization: Bearer TOKEN`."
const NO_TOKEN = "Nothing can be changed over HTTP until http-token is configured."
const OTHER_SITE = "A page of another site sent this request: its Origin is not this server."

const wellFormed = HttpApiMiddleware.layerSchemaErrorTransform(WellFormed, (error) => {
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.die(error.cause)
  const where = error.kind.toLowerCase()
  const detail = `${where}: ${error.cause.message.replaceAll(/\s*\n\s*/g, " ")}`.slice(0, MAX_DETAIL)
  return Effect.fail(new HttpApiError.BadRequestProblem({ detail }))
})

/** Characters of an explanation, which may contain text of the client. */
const MAX_DETAIL = 300

type Headers = Readonly<Record<string, string | undefined>>

/** Whether somebody on this machine asks, and no proxy on this machine for somebody else. */
export const isLocal = ({ headers, remoteAddress }: HttpServerRequest.HttpServerRequest): boolean => {
  const isForwarded = FORWARDED.some((name) => headers[name] !== undefined)
  const address = Option.getOrElse(remoteAddress, () => "").replace(/^::ffff:/, "")
  return !isForwarded && isLoopback(address) && isLoopbackName(hostOf(headers["host"] ?? "localhost"))
}

const FORWARDED = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"]

const isLoopbackName = (name: string): boolean => name === "localhost" || isLoopback(name)

/** The name or address in a Host header, without port and brackets. */
export const hostOf = (host: string): string => {
  const name = host.replace(/:\d*$/, "").toLowerCase()
  return name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : name
}

/** Browsers say where the page of a request is from. Other programs say nothing. */
const isOfAnotherSite = (headers: Headers): boolean => {
  const { host, origin } = headers
  const site = headers["sec-fetch-site"]
  if (site !== undefined && site !== "same-origin" && site !== "none") return true
  return origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`
}
