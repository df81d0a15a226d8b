/**
 * Kinds of value in configurations. Each is a Schema from a value of TOML (a string, a number, a boolean) to the program's own
 * type, with a description of what it expects.
 */
import { Effect, Redacted, Result, Schema, SchemaGetter, SchemaIssue } from "effect"
import * as Host from "effect/net/Host"

/** The properties of a kind of value besides its Schema. */
export interface Value {
  /** Its type in TOML. Text from flags and variables is converted to it first. */
  readonly kind: "string" | "number" | "boolean" | "list"
  /** What is between the values of a list where it is one text. */
  readonly separator?: string
  /** The placeholder in help: `HOST:PORT`. */
  readonly metavar: string
  /** The end of the sentence "expected ...". */
  readonly expected: string
  /** It is never shown, and can be given in a file that `NAME-file` names. */
  readonly secret?: boolean
  /** Errors of `parse` are whole sentences, to which nothing is added. */
  readonly isSentence?: boolean
  /** It is a path. In a configuration file it is relative to that file. */
  readonly path?: boolean
  /** It is the path of a file with a secret, which other users should not be able to read. */
  readonly holdsSecret?: boolean
}

const annotation = "sluice/config/value"

/** The `Value` that a Schema of this file carries. */
export const valueOf = (schema: Schema.Top): Value => {
  const value = Schema.resolveAnnotations(schema)?.[annotation] as Value | undefined
  if (value === undefined) throw new Error("a configuration value must be made with config/value.ts")
  return value
}

/** A value written as text. `parse` gives the value, or the problem with the text. */
export const text = <A>(
  value: Omit<Value, "kind">,
  parse: (input: string) => Result.Result<A, string>
): Schema.Codec<A, string> =>
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.declare((value): value is A => value !== undefined),
      {
        decode: SchemaGetter.transformEffect((input: string) => {
          const result = parse(input)
          return Result.isSuccess(result)
            ? Effect.succeed(result.success)
            : Effect.fail(new SchemaIssue.InvalidValue({ message: result.failure }))
        }),
        encode: SchemaGetter.forbidden(() => "configuration is only read")
      }
    ),
    Schema.annotate({ [annotation]: { kind: "string", ...value } satisfies Value })
  )

/**
 * Several values: a list in TOML, or one text with separators in flags and variables. `parse` gives one value, or the problem
 * with its text.
 */
export const list = <A>(
  value: Omit<Value, "kind" | "separator">,
  separator: string,
  parse: (input: string) => Result.Result<A, string>
): Schema.Codec<readonly [A, ...Array<A>], unknown> =>
  Schema.Unknown.pipe(
    Schema.decodeTo(
      Schema.declare((value): value is readonly [A, ...Array<A>] => Array.isArray(value)),
      {
        decode: SchemaGetter.transformEffect((input: unknown) => {
          const texts = typeof input === "string" ? input.split(separator) : input
          const result =
            Array.isArray(texts) && texts.length > 0 && texts.every((text) => typeof text === "string")
              ? Result.all(texts.map((text) => parse(text.trim())))
              : Result.fail(`expected ${value.expected}`)
          return Result.isSuccess(result)
            ? Effect.succeed(result.success as unknown as readonly [A, ...Array<A>])
            : Effect.fail(new SchemaIssue.InvalidValue({ message: result.failure }))
        }),
        encode: SchemaGetter.forbidden(() => "configuration is only read")
      }
    ),
    Schema.annotate({ [annotation]: { kind: "list", separator, ...value } satisfies Value })
  )

/** Text that is not empty and has at most `maxBytes` bytes. */
export const string = (value: Omit<Value, "kind">, maxBytes = Infinity): Schema.Codec<string, string> =>
  text(value, (input) => {
    if (input === "") return Result.fail("it is empty")
    const bytes = Buffer.byteLength(input)
    return bytes <= maxBytes ? Result.succeed(input) : Result.fail(`it has ${bytes} bytes, and ${maxBytes} at most fit`)
  })

/** A path of a file. */
export const file = (expected: string): Schema.Codec<string, string> =>
  string({ metavar: "FILE", expected, path: true })

/** Absolute paths of several files that hold secrets. */
export const secretFilePaths = list(
  { metavar: "FILE,...", expected: "absolute paths with commas between them", holdsSecret: true },
  ",",
  (input) =>
    input.startsWith("/") || /^[A-Za-z]:/.test(input)
      ? Result.succeed(input)
      : Result.fail("it is not an absolute path")
)

/** One of a few words. */
export const choice = <const Words extends ReadonlyArray<string>>(words: Words): Schema.Codec<Words[number], string> =>
  text({ metavar: words.join("|"), expected: `one of ${words.join(", ")}` }, (input) =>
    words.includes(input) ? Result.succeed(input as Words[number]) : Result.fail("")
  )

/** A whole number between two limits, both included. */
export const whole = (metavar: string, minimum: number, maximum: number): Schema.Codec<number, number> =>
  Schema.Number.check(Schema.isInt({ message: "" }), Schema.isBetween({ minimum, maximum }, { message: "" })).annotate({
    [annotation]: {
      kind: "number",
      metavar,
      expected: `a whole number from ${minimum} to ${maximum}`
    } satisfies Value
  })

/** A number between two limits, both included. */
export const decimal = (metavar: string, minimum: number, maximum: number): Schema.Codec<number, number> =>
  Schema.Number.check(Schema.isBetween({ minimum, maximum }, { message: "" })).annotate({
    [annotation]: { kind: "number", metavar, expected: `a number from ${minimum} to ${maximum}` } satisfies Value
  })

/** Yes or no. */
export const toggle: Schema.Codec<boolean, boolean> = Schema.Boolean.annotate({
  [annotation]: { kind: "boolean", metavar: "", expected: "true or false" } satisfies Value
})

/** An address to listen on or to connect to. IPv6 addresses stand in brackets. */
export const hostPort = text(
  { metavar: "HOST:PORT", expected: "HOST:PORT, such as 127.0.0.1:3333 or [::1]:3333" },
  (input) => Result.map(parseHostPort(input), ({ host, port }) => ({ host: Host.formatHost(host), port }))
)

/** An address to listen on, or none. */
export const hostPortOrNone = text(
  { metavar: "HOST:PORT|none", expected: "HOST:PORT, such as 127.0.0.1:3333 or [::1]:3333, or none" },
  (input) => (input === "none" ? Result.succeed(input) : Result.map(parseHostPort(input), () => input))
)

/** Names of hosts, without ports. */
export const hostNames = list(
  { metavar: "NAME,...", expected: "names of hosts, without ports, with commas between them" },
  ",",
  (input) =>
    /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(input) ? Result.succeed(input) : Result.fail("it is not a host's name")
)

const parseHostPort = (input: string) =>
  Result.mapError(Host.hostPortFromString(input), ({ message }) => (message === "expected host:port" ? "" : message))

/** The address of an HTTP server. */
export const httpUrl = text({ metavar: "URL", expected: "a URL such as http://127.0.0.1:18443" }, (input) =>
  parseHttpUrl(input)
)

/** Addresses of several HTTP servers. */
export const httpUrls = text({ metavar: "URL,...", expected: "URLs with commas between them" }, (input) =>
  Result.all(input.split(",").map((part) => parseHttpUrl(part.trim())))
)

const parseHttpUrl = (input: string): Result.Result<string, string> => {
  const url = URL.parse(input)
  if (url === null) return Result.fail("it is not a URL")
  if (url.protocol !== "http:" && url.protocol !== "https:")
    return Result.fail("it does not begin with http:// or https://")
  if (url.username !== "" || url.password !== "") return Result.fail("user and password have keys of their own")
  return Result.succeed(input)
}

const parseZmqEndpoint = (input: string): Result.Result<string, string> => {
  if (input.startsWith("ipc://") && input.length > "ipc://".length) return Result.succeed(input)
  if (!input.startsWith("tcp://")) return Result.fail("it does not begin with tcp:// or ipc://")
  // ZeroMQ writes * for any free port.
  return Result.map(parseHostPort(input.slice("tcp://".length).replace(/:\*$/, ":0")), () => input)
}

/** A ZeroMQ endpoint. */
export const zmqEndpoint = text(
  { metavar: "ENDPOINT", expected: "an endpoint such as tcp://127.0.0.1:28332" },
  parseZmqEndpoint
)

/** Several ZeroMQ endpoints. */
export const zmqEndpoints = list(
  { metavar: "ENDPOINT,...", expected: "endpoints such as tcp://127.0.0.1:28332, with commas between them" },
  ",",
  parseZmqEndpoint
)

/** A difficulty in the compact form of a block header. */
export const compactBits = text(
  { metavar: "BITS", expected: 'a difficulty as the 8 hex digits of nBits, such as "1e0fffff"' },
  (input) => (/^[0-9a-f]{8}$/i.test(input) ? Result.succeed(Number.parseInt(input, 16)) : Result.fail(""))
)

/** A password. No message, log or help ever shows it. */
export const password = text({ metavar: "PASSWORD", expected: "a password", secret: true }, (input) =>
  input === "" ? Result.fail("it is empty") : Result.succeed(Redacted.make(input))
)

export interface Login {
  readonly user: string
  readonly password: Redacted.Redacted
}

/** Several users with their passwords, separated by blanks or line feeds. No message, log or help ever shows them. */
export const logins = text<ReadonlyArray<Login>>(
  { metavar: "LOGINS", expected: "one or several USER:PASSWORD, each on a line", secret: true },
  (input) =>
    Result.all(
      input
        .trim()
        .split(/\s+/)
        .map((login) => {
          const colon = login.indexOf(":")
          return colon > 0 && colon < login.length - 1
            ? Result.succeed({ user: login.slice(0, colon), password: Redacted.make(login.slice(colon + 1)) })
            : Result.fail("each must be a user, a colon and a password, without blanks")
        })
    )
)
