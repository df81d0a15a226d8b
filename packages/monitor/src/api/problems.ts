/** Why a request is refused, as problems of RFC 9457. */
import { HttpApiError } from "effect/http-api"

const about = <const Status extends number>(name: string, status: Status, title: string) => ({
  type: `tag:sluice,2026:${name}` as const,
  status,
  title
})

/** No token, or a wrong one, where one is needed. */
export class Unauthorized extends HttpApiError.Problem<Unauthorized>()(
  "Unauthorized",
  about("unauthorized", 401, "A token is needed")
) {}

/** The request may not change anything: no token is configured, or a web page of another site sent it. */
export class Forbidden extends HttpApiError.Problem<Forbidden>()("Forbidden", about("forbidden", 403, "Not allowed")) {}

export class NotFound extends HttpApiError.Problem<NotFound>()("NotFound", about("not-found", 404, "Not found")) {}

/** The action cannot be done now: it runs already, or the client cannot be told. */
export class Conflict extends HttpApiError.Problem<Conflict>()(
  "Conflict",
  about("conflict", 409, "Not possible now")
) {}

/** As many readers of events are connected as may be. */
export class TooManyReaders extends HttpApiError.Problem<TooManyReaders>()(
  "TooManyReaders",
  about("too-many-readers", 503, "Too many readers of events")
) {}

/** The ledger's database cannot be read or written now. */
export class LedgerUnavailable extends HttpApiError.Problem<LedgerUnavailable>()(
  "LedgerUnavailable",
  about("ledger-unavailable", 503, "The ledger does not answer")
) {}

/** No work comes from the source, so miners cannot be served. */
export class NotReady extends HttpApiError.Problem<NotReady>()("NotReady", about("not-ready", 503, "Not ready")) {}
