/**
 * Serves the page and the description of the API, all from this process. The built page is in `build/page`; without it, which is
 * so only if the build failed, the paths say how to build it.
 */
import { Effect, Scope } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiSwagger } from "effect/http-api"
import { brotliCompressSync, constants } from "node:zlib"
import { MonitorApi } from "../api/api.ts"
import { pageFiles } from "./page-files.ts"

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml"
}

/** Only what this server sends runs or is loaded. uPlot and Solid set styles of elements through the DOM, which needs no more. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
/** The browser of the API has its script in its page. */
const DOCS_POLICY =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

interface File {
  readonly type: string
  readonly plain: Uint8Array
  readonly brotli: Uint8Array
}

/** The files of the page by path, read and compressed once. There are a handful, so no path of a request names a file. */
const readPage = (): ReadonlyMap<string, File> => {
  const files = new Map<string, File>()
  for (const [name, plain] of pageFiles()) {
    const type = TYPES[name.split(".").at(-1) ?? ""]
    if (type === undefined) continue
    const brotli = brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } })
    files.set(name === "index.html" ? "/" : `/${name}`, { type, plain, brotli })
  }
  return files
}

const NOT_BUILT = "The page is not built: run `npm run build -w packages/monitor`. The API is at /api.\n"

export const pageRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const files = readPage()
    for (const [path, file] of files) {
      yield* router.add("GET", path as `/${string}`, sendFile(file, path.startsWith("/assets/")))
    }
    if (!files.has("/")) yield* router.add("GET", "/", HttpServerResponse.text(NOT_BUILT, { status: 503 }))
    yield* router.add("GET", "/api/docs", yield* makeDocs)
  })
)

const sendFile = ({ brotli, plain, type }: File, isNamedByContent: boolean) =>
  Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => {
    const accepts = /\bbr\b/.test(headers["accept-encoding"] ?? "")
    return HttpServerResponse.uint8Array(accepts ? brotli : plain, {
      contentType: type,
      headers: {
        vary: "accept-encoding",
        "content-security-policy": PAGE_POLICY,
        "cache-control": isNamedByContent ? "public, max-age=31536000, immutable" : "no-cache",
        ...(accepts ? { "content-encoding": "br" } : {})
      }
    })
  })

/** The browser of the API, from Effect, without internet. Its two megabytes are loaded when somebody asks for it. */
const makeDocs = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const routes = HttpApiSwagger.layer(MonitorApi, { path: "/api/docs" })
  const load = yield* Effect.cached(Effect.provideService(HttpRouter.toHttpEffect(routes), Scope.Scope, scope))
  return Effect.gen(function* () {
    const response = yield* yield* load
    return HttpServerResponse.setHeaders(response, { "content-security-policy": DOCS_POLICY })
  })
})
