/**
 * `--http-listen`: the operators' page and its API, for every program that serves miners. The monitor is loaded only where an
 * address is configured, so that other programs start without it.
 */
import type { Endpoint } from "@sluice/transport"
import type { DatabaseError, Monitored } from "@sluice/monitor"
import type { LoggedLine } from "@sluice/monitor/log-line"
import { parseReceiver, type Receiver } from "@sluice/monitor/receiver"
import { isLoopback, type ListenError, type Tls } from "@sluice/transport"
import { Effect, Layer, type Redacted, Result, Schema } from "effect"
import { AuthorityKey } from "@sluice/noise"
import { ConfigurationInForce } from "../config/in-force.ts"
import { optional } from "../config/key.ts"
import { fileOfAnother, fileToRead, fileToWrite } from "../config/path.ts"
import { hostNames, hostPort, password, text } from "../config/value.ts"
import type { Worker } from "../workers/worker.ts"
import { layerProcessMetrics, metricsPage } from "./metrics.ts"

/** Several receivers of alerts, separated by blanks or line feeds. Their URLs contain secrets, so no message shows them. */
const receivers = text<ReadonlyArray<Receiver>>(
  { metavar: "URLS", expected: "one or several URLs of receivers, each on a line", secret: true },
  (input) => Result.all(input.trim().split(/\s+/).map(parseReceiver))
)

export const monitorKeys = {
  httpListen: optional(hostPort, {
    description:
      "The address of the operators' page, its API at /api, metrics at /metrics and checks at /health; without it nothing is served. This machine reads without a token.",
    example: "127.0.0.1:8080"
  }),
  httpToken: optional(password, {
    description:
      "The token that other machines need to read, and everybody to change something: to close a channel or to send miners away."
  }),
  httpHostNames: optional(hostNames, {
    description:
      "Host names that requests of http-listen may use, beside IP addresses and localhost. Requests for other names are refused, because a web page could read through one (DNS rebinding).",
    example: ["pool.internal"]
  }),
  httpTlsCertificate: optional(fileToRead("a file with a certificate as PEM"), {
    description:
      "The certificate with which http-listen serves HTTPS, with those between it and its authority. It is read again when it changes, and on SIGHUP.",
    example: "fullchain.pem"
  }),
  httpTlsKey: optional(fileOfAnother("a file with a secret key as PEM", { holdsSecret: true }), {
    description: "The secret key of http-tls-certificate, without a passphrase.",
    example: "privkey.pem"
  }),
  historyFile: optional(fileToWrite("a file to write"), {
    description:
      "The file that keeps the history for the operators' page over restarts, at most some hundred megabytes with ten thousand workers. Without it the history ends with the program.",
    example: "history.sqlite"
  }),
  alertTo: optional(receivers, {
    description:
      "Who is told of alerts: webhook+https://HOST/PATH#SECRET, ntfy+https://ntfy.sh/TOPIC, telegram+https://api.telegram.org/botTOKEN?chat_id=CHAT, or smtps://USER:PASSWORD@HOST?from=ADDRESS&to=ADDRESS. Only with http-listen."
  })
}

export interface MonitorConfig {
  readonly httpListen?: Endpoint
  readonly httpToken?: Redacted.Redacted
  readonly httpHostNames?: ReadonlyArray<string>
  readonly httpTlsCertificate?: string
  readonly httpTlsKey?: string
  readonly historyFile?: string
  readonly alertTo?: ReadonlyArray<Receiver>
  /** A certificate that the program serves, if any. */
  readonly v1TlsCertificate?: string
}

/** A check: an address that other machines reach has a token. */
export const tokenForOthers = Schema.makeFilter<MonitorConfig>(({ httpListen, httpToken }) =>
  httpListen === undefined || httpToken !== undefined || isLoopback(httpListen.host) || httpListen.host === "localhost"
    ? undefined
    : `http-token: missing; other machines reach http-listen at ${httpListen.host}, and read only with a token`
)

/** A check: HTTPS has all that it needs, or is off. */
export const wholeHttps = Schema.makeFilter<MonitorConfig>(({ httpTlsCertificate, httpTlsKey }) =>
  (httpTlsCertificate === undefined) === (httpTlsKey === undefined)
    ? undefined
    : `${httpTlsKey === undefined ? "http-tls-key" : "http-tls-certificate"}: missing; HTTPS needs http-tls-certificate and http-tls-key together`
)

/** The public key that signs the certificates of Noise, as the page shows it. */
export const authorityOf = ({
  authoritySecretKey: secretKey
}: {
  readonly authoritySecretKey?: Redacted.Redacted<Uint8Array>
}): Pick<Monitored, "authorityKey"> =>
  secretKey === undefined ? {} : { authorityKey: AuthorityKey.formatPublicKey(AuthorityKey.publicKeyOf(secretKey)) }

export interface ProgramMonitor {
  /** Follows the server and serves the page. */
  readonly layer: <E, R>(
    monitored: Effect.Effect<Omit<Monitored, "configuration">, E, R>
  ) => Layer.Layer<never, E | ListenError | Tls.CertificateError | DatabaseError, R>
  /** Keeps the last lines of the log of everything that it is provided to. */
  readonly logs: Layer.Layer<never>
  /** Adds a line of another process. */
  readonly addLine: (line: LoggedLine) => void
}

export interface MonitorPart {
  /** Gets the address of the page. */
  readonly announce?: (url: string) => Effect.Effect<void>
  /** The metrics of the whole program. By default those of this process. */
  readonly metrics?: Effect.Effect<string>
  /** In a worker, which serves no page but tells its primary. */
  readonly worker?: Worker | undefined
}

const NOTHING: ProgramMonitor = { layer: () => Layer.empty, logs: Layer.empty, addLine: () => {} }

/** The monitor of a program; it does nothing without an address. */
export const makeMonitor = Effect.fnUntraced(function* (
  config: MonitorConfig,
  { announce = (url) => Effect.logInfo(`The operators' page is at ${url}`), metrics, worker }: MonitorPart = {}
): Effect.fn.Return<ProgramMonitor> {
  const { alertTo = [], historyFile, httpHostNames, httpListen, httpTlsCertificate, httpTlsKey, httpToken } = config
  if (worker?.start.isFollowed === true) return { ...NOTHING, logs: worker.link.teller.layer }
  if (httpListen === undefined) return NOTHING
  const ofAll = metricsPage(metrics)
  const { layerHttp, LogTail, Monitor } = yield* Effect.promise(() => import("@sluice/monitor"))
  const configuration = yield* ConfigurationInForce
  const tail = new LogTail()
  const http = layerHttp(
    {
      listen: httpListen,
      other: (path) => (path === "/metrics" ? ofAll : undefined),
      ...(httpTlsCertificate === undefined || httpTlsKey === undefined
        ? {}
        : { tls: { certificate: httpTlsCertificate, key: httpTlsKey } }),
      ...(httpToken === undefined ? {} : { token: httpToken }),
      ...(httpHostNames === undefined ? {} : { hostNames: httpHostNames })
    },
    announce
  )
  return {
    logs: tail.layer,
    addLine: ({ at, level, message }) => tail.add(level, message, at),
    layer: (monitored) =>
      Layer.unwrap(
        Effect.map(monitored, (found) => {
          const files = [config.v1TlsCertificate, httpTlsCertificate].filter((path) => path !== undefined)
          const certificates = [...new Set(files)]
          const history = historyFile === undefined ? {} : { historyFile }
          const options = { logs: tail, receivers: alertTo, certificates, ...history }
          return Layer.provide(http, Monitor.layer({ ...found, configuration }, options))
        })
      ).pipe(Layer.merge(layerProcessMetrics))
  }
})
