/**
 * The address of a peer, and for a server to dial, the key that its certificate must be signed with. The text form is the URL
 * of the specification, section 4.7: `stratum2+tcp://host:port/AUTHORITYKEY`. For a server without Noise, which the
 * specification has no URL for, we write `stratum2+tcp+plain://host:port`. A server of Stratum V1 has the URL that miners
 * know: `stratum+tcp://host:port`, or `stratum+ssl://host:port` with TLS, which some write `stratum+tls://`.
 */
import { AuthorityKey } from "@sluice/noise"
import { Effect, Result, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { Host } from "effect/net"

/** One side of a TCP connection, or an address of an in-memory network. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

export const Endpoint: Schema.Codec<Endpoint> = Schema.Struct({
  host: Schema.String,
  port: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65535 }))
})

/** A server to connect to. */
export interface ServerAddress extends Endpoint {
  readonly security: ServerSecurity
}

/**
 * What protects the connection, and so which protocol the server speaks: Stratum V2 with `"noise"` (`authorityKey` is the
 * authority's x-only public key, 32 bytes, section 4.7) or `"plain"`, Stratum V1 with `"v1"`, over TLS or not.
 */
export type ServerSecurity =
  | { readonly _tag: "noise"; readonly authorityKey: Uint8Array }
  | { readonly _tag: "plain" }
  | { readonly _tag: "v1"; readonly tls: boolean }

/** The text is not a valid address. */
export class AddressError extends Schema.TaggedError<AddressError>("sluice/transport/AddressError")("AddressError", {
  message: Schema.String
}) {}

/** Formats as `host:port`, with an IPv6 host in brackets. */
export const formatEndpoint = (endpoint: Endpoint): string =>
  `${endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`

/** Whether a name that a peer sent is one of a host, or an IP address. */
export const isHost = (text: string): boolean => Result.isSuccess(Host.hostFromString(text))

/** Parses an address to listen on or connect to: `127.0.0.1:3333`, `[::1]:3333`, `pool.example:3333`. */
export const parseEndpoint = (text: string): Result.Result<Endpoint, AddressError> => {
  const parsed = Host.hostPortFromString(text)
  if (Result.isSuccess(parsed)) {
    const { host, port } = parsed.success
    return Result.succeed({ host: Host.formatHost(host), port })
  }
  const { message } = parsed.failure
  const why = message === "expected host:port" ? "expected HOST:PORT, for instance 127.0.0.1:3333" : message
  return refuse(`"${text}" is not an address: ${why}`)
}

/** Parses the URL of a server of Stratum V2 or V1. */
export const parseServerAddress = (text: string): Result.Result<ServerAddress, AddressError> => {
  const match = SERVER_URL.exec(text)
  if (match === null) {
    return refuse(
      `"${text}" is not a server's address: expected ${NOISE_FORM}, or ${PLAIN_FORM} without encryption; ` +
        `for Stratum V1 ${V1_FORM}, or ${V1_TLS_FORM} with TLS`
    )
  }
  const [, scheme, hostPort = "", key = ""] = match
  const endpoint = parseEndpoint(hostPort)
  if (Result.isFailure(endpoint)) return Result.fail(endpoint.failure)
  if (endpoint.success.port === 0) return refuse(`"${text}" is not a server's address: no server has port 0`)
  if (scheme === "stratum+tcp" || scheme === "stratum+ssl" || scheme === "stratum+tls") {
    const tls = scheme !== "stratum+tcp"
    if (key !== "") {
      return refuse(`"${text}" goes on after the port; expected ${tls ? V1_TLS_FORM : V1_FORM} and nothing else`)
    }
    return Result.succeed({ ...endpoint.success, security: { _tag: "v1", tls } })
  }
  if (scheme === "stratum2+tcp+plain") {
    if (key !== "")
      return refuse(`"${text}" has a key, and a plain connection has none: expected ${NOISE_FORM} or ${PLAIN_FORM}`)
    return Result.succeed({ ...endpoint.success, security: { _tag: "plain" } })
  }
  if (key === "") {
    return refuse(`"${text}" lacks the authority key that the server publishes: expected ${NOISE_FORM}`)
  }
  return Result.mapBoth(AuthorityKey.parsePublicKey(key), {
    onFailure: (failure) => new AddressError({ message: `the key in "${text}": ${failure.message}` }),
    onSuccess: (authorityKey) => ({ ...endpoint.success, security: { _tag: "noise", authorityKey } as const })
  })
}

/** Formats the URL of a server; the inverse of `parseServerAddress`. */
export const formatServerAddress = (server: ServerAddress): string => {
  const { security } = server
  const endpoint = formatEndpoint(server)
  switch (security._tag) {
    case "noise":
      return `stratum2+tcp://${endpoint}/${AuthorityKey.formatPublicKey(security.authorityKey)}`
    case "plain":
      return `stratum2+tcp+plain://${endpoint}`
    case "v1":
      return `stratum+${security.tls ? "ssl" : "tcp"}://${endpoint}`
  }
}

/** A Schema between `HOST:PORT` text and endpoint, for configurations. */
export const EndpointFromString: Schema.Codec<Endpoint, string> = Schema.String.pipe(
  Schema.decodeTo(
    Endpoint,
    SchemaTransformation.transformEffect({
      decode: (text: string) => orIssue(parseEndpoint(text)),
      encode: (endpoint) => Effect.succeed(formatEndpoint(endpoint))
    })
  )
)

/** A Schema between URL text and server address, for configurations. */
export const ServerAddressFromString: Schema.Codec<ServerAddress, string> = Schema.String.pipe(
  Schema.decodeTo(
    Schema.declare(
      (value): value is ServerAddress => typeof value === "object" && value !== null && "security" in value
    ),
    SchemaTransformation.transformEffect({
      decode: (text: string) => orIssue(parseServerAddress(text)),
      encode: (server) => Effect.succeed(formatServerAddress(server))
    })
  )
)

const NOISE_FORM = "stratum2+tcp://HOST:PORT/AUTHORITYKEY"
const PLAIN_FORM = "stratum2+tcp+plain://HOST:PORT"
const V1_FORM = "stratum+tcp://HOST:PORT"
const V1_TLS_FORM = "stratum+ssl://HOST:PORT"
const SERVER_URL = /^(stratum2\+tcp|stratum2\+tcp\+plain|stratum\+(?:tcp|ssl|tls)):\/\/([^/#]+)(?:[/#](.*))?$/

const refuse = (message: string): Result.Result<never, AddressError> => Result.fail(new AddressError({ message }))

const orIssue = <A>(result: Result.Result<A, AddressError>): Effect.Effect<A, SchemaIssue.Issue> =>
  Result.isSuccess(result)
    ? Effect.succeed(result.success)
    : Effect.fail(new SchemaIssue.InvalidValue({ message: result.failure.message }))
