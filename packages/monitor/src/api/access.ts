/** Who may ask: middlewares of the endpoints that read, and of those that change something. */
import { HttpApiError, HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import { Forbidden, Unauthorized } from "./problems.ts"

/** Reading is open on loopback. Elsewhere it needs the token. */
export class Reading extends HttpApiMiddleware.Service<Reading>()("sluice/monitor/Reading", {
  security: { token: HttpApiSecurity.bearer },
  error: Unauthorized
}) {}

/** Changing something needs the token always, and must not be the request of a page of another site. */
export class Changing extends HttpApiMiddleware.Service<Changing>()("sluice/monitor/Changing", {
  security: { token: HttpApiSecurity.bearer },
  error: [Unauthorized, Forbidden]
}) {}

/** Answers requests that do not fit the Schemas, with the place of the fault. */
export class WellFormed extends HttpApiMiddleware.Service<WellFormed>()("sluice/monitor/WellFormed", {
  error: HttpApiError.BadRequestProblem
}) {}
