/**
 * Loads a program's configuration from flags, environment variables, a file and defaults, in this order of precedence, and
 * decodes it with the program's Schema. Reports all problems at once, each with its place and what was expected.
 */
import { dirname, resolve } from "node:path"
import { Effect, type FileSystem, Result, Schema, SchemaIssue } from "effect"
import { ConfigError } from "./config-error.ts"
import { exposedArgument, exposedFile } from "./exposed.ts"
import { type KeyInfo, keysOf, variableOf, variablePrefix } from "./key.ts"
import { nearest } from "./nearest.ts"
import { readText } from "./read-text.ts"
import { parseToml } from "./toml.ts"
import { withoutUserinfo } from "./userinfo.ts"

/** The configuration that a program declares. The Schema's fields are made with config/key.ts. */
export interface ProgramConfig<A> {
  readonly program: string
  readonly schema: Schema.Codec<A, unknown> & { readonly fields: Schema.Struct.Fields }
}

/** A value before it is decoded, and where it was given. */
export interface Given {
  readonly raw: unknown
  readonly where: string
}

export interface Loaded<A> {
  readonly config: A
  /** Problems that do not prevent the start, such as secrets that other users can read. */
  readonly warnings: ReadonlyArray<string>
  /** By key name. A key that is absent has its default. */
  readonly given: ReadonlyMap<string, Given>
}

/** The places where values can be given: the command line (by key name), the environment, and a file, by its path. */
export interface Sources {
  readonly flags: ReadonlyMap<string, unknown>
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly file: string | undefined
}

interface Source {
  readonly values: ReadonlyMap<string, unknown>
  readonly where: (name: string) => string
  /** Whether all values are text, as on a command line. */
  readonly isText: boolean
  /** Warnings for the secret of this key, which the source contains. */
  readonly exposed: (key: KeyInfo) => ReadonlyArray<string>
  /** The directory that paths are relative to, if not the working directory. */
  readonly directory: string | undefined
}

export const load = Effect.fn("Config.load")(function* <A>(
  { program, schema }: ProgramConfig<A>,
  { flags, environment, file = environment[variableOf(program, "config")] }: Sources
): Effect.fn.Return<Loaded<A>, ConfigError, FileSystem.FileSystem> {
  const keys = keysOf(program, schema.fields)
  const names = keys.flatMap((key) => (key.value.secret ? [key.name, `${key.name}-file`] : [key.name]))
  const problems: Array<string> = []
  const sources: Array<Source> = [
    { values: flags, where: (name) => `--${name}`, isText: true, directory: undefined, exposed: onCommandLine },
    readEnvironment(program, environment, names, problems)
  ]
  if (file !== undefined && file !== "") {
    sources.push(
      yield* Effect.mapError(
        readFile(file, names, problems),
        (problem) => new ConfigError({ program, problems: [...problems, problem] })
      )
    )
  }
  const given = new Map<string, Given>()
  const warnings: Array<string> = []
  for (const key of keys) {
    const found = find(key, sources, problems)
    if (found === undefined) continue
    warnings.push(...exposedBy(key, found))
    yield* Effect.match(readValue(key, found), {
      onSuccess: (value) => void given.set(key.name, value),
      onFailure: (problem) => void problems.push(problem)
    })
  }

  const input = keys.flatMap(({ field, name }) => (given.has(name) ? [[field, given.get(name)!.raw] as const] : []))
  const decoded = Schema.decodeUnknownResult(schema)(Object.fromEntries(input), { errors: "all" })
  if (Result.isSuccess(decoded) && problems.length === 0) return { config: decoded.success, warnings, given }
  if (Result.isFailure(decoded)) {
    // A key whose file cannot be read is reported already.
    const isReported = ({ name }: KeyInfo): boolean =>
      !given.has(name) && sources.some(({ values }) => values.has(`${name}-file`))
    const others = keys.filter((key) => !isReported(key))
    problems.push(...new Set(describeIssues(decoded.failure.issue, others, given)))
  }
  return yield* new ConfigError({ program, problems })
})

/** Reads a configuration file; fails with the reason if it cannot be read or is not TOML. */
const readFile = Effect.fnUntraced(function* (file: string, names: ReadonlyArray<string>, problems: Array<string>) {
  const parsed = parseToml(yield* readText(file))
  if (Result.isFailure(parsed)) return yield* Effect.fail(`${file}: ${parsed.failure}`)
  const { values, lineOf } = parsed.success
  for (const name of values.keys()) {
    if (names.includes(name)) continue
    problems.push(`${file}, line ${lineOf(name)}: there is no key "${name}"${didYouMean(name, names)}`)
  }
  const source: Source = {
    values,
    where: (name) => `${file}, line ${lineOf(name)}: ${name}`,
    isText: false,
    directory: dirname(file),
    exposed: ({ name }) => exposedFile(source.where(name), file)
  }
  return source
})

/** Reads the environment variables with this program's prefix. Others belong to other programs. */
const readEnvironment = (
  program: string,
  environment: Sources["environment"],
  names: ReadonlyArray<string>,
  problems: Array<string>
): Source => {
  const variables = new Map(["config", ...names].map((name) => [variableOf(program, name), name]))
  const values = new Map<string, string>()
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(variablePrefix(program)) || value === undefined || value === "") continue
    const name = variables.get(variable)
    if (name !== undefined) values.set(name, value)
    else problems.push(`${variable}: there is no such key${didYouMean(variable, [...variables.keys()])}`)
  }
  return { values, where: (name) => variableOf(program, name), isText: true, directory: undefined, exposed: () => [] }
}

/** The value of the first source that has the key, under its own name or as `NAME-file`. */
const find = (key: KeyInfo, sources: ReadonlyArray<Source>, problems: Array<string>) => {
  const names = key.value.secret ? [key.name, `${key.name}-file`] : [key.name]
  for (const source of sources) {
    const { directory, isText, values, where } = source
    const [name, other] = names.filter((name) => values.has(name))
    if (name === undefined) continue
    if (other !== undefined) problems.push(`${where(other)}: give it or ${where(name)}, not both`)
    const isPath = key.value.path === true || name !== key.name
    const typed = isText ? fromText(key, values.get(name)) : values.get(name)
    const raw = isPath && typeof typed === "string" && directory !== undefined ? resolve(directory, typed) : typed
    return { name, raw, where: where(name), source }
  }
  return undefined
}

/** Warnings if other users can read this secret, or the files that it names. */
const exposedBy = (
  key: KeyInfo,
  { name, raw, source, where }: Given & { readonly name: string; readonly source: Source }
): ReadonlyArray<string> => {
  if ((key.value.secret || hasPassword(raw)) && name === key.name) return source.exposed(key)
  if (!key.value.secret && !key.value.holdsSecret) return []
  const paths: ReadonlyArray<unknown> =
    key.value.kind === "list" && typeof raw === "string" ? raw.split(",") : [raw].flat()
  return paths.flatMap((path) => (typeof path === "string" ? exposedFile(where, path.trim()) : []))
}

/** Whether it is a URL with a password. */
const hasPassword = (raw: unknown): boolean => typeof raw === "string" && /^[a-z+]+:\/\/[^/]*:.*@/i.test(raw)

const onCommandLine = ({ name, value, variable }: KeyInfo): ReadonlyArray<string> => [
  exposedArgument(`--${name}`, value.secret ? `--${name}-file or ${variable}` : variable)
]

/** The value, or the content of the file that `NAME-file` names; fails with the reason if the file cannot be read. */
const readValue = Effect.fnUntraced(function* (
  key: KeyInfo,
  { name, raw, where }: Given & { readonly name: string }
): Effect.fn.Return<Given, string, FileSystem.FileSystem> {
  if (name === key.name) return { raw, where }
  if (typeof raw !== "string" || raw === "") {
    return yield* Effect.fail(`${where}: expected the path of a file, got ${show(raw)}`)
  }
  const content = yield* Effect.mapError(readText(raw), (problem) => `${where}: ${problem}`)
  return { raw: content.trim(), where: `${where} (${raw})` }
})

/** Parses the text of a flag or variable if the key is a number or a boolean. Other text stays as it is. */
const fromText = (key: KeyInfo, raw: unknown): unknown => {
  if (typeof raw !== "string") return raw
  if (key.value.kind === "number" && /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(raw)) return Number(raw)
  if (key.value.kind === "boolean" && (raw === "true" || raw === "false")) return raw === "true"
  return raw
}

/** One line for each problem that the Schema reports. */
const describeIssues = (
  issue: SchemaIssue.Issue,
  keys: ReadonlyArray<KeyInfo>,
  given: ReadonlyMap<string, Given>
): ReadonlyArray<string> => {
  const reasonOf = SchemaIssue.makeFormatterStandardSchemaV1({
    leafHook: (leaf) =>
      "annotations" in leaf && typeof leaf.annotations?.message === "string" ? leaf.annotations.message : ""
  })
  return reasonOf(issue).issues.flatMap(({ message, path }) => {
    if (path === undefined || path.length === 0) return [message]
    const key = keys.find(({ field }) => field === path[0])
    if (key === undefined) return []
    const value = given.get(key.name)
    if (value === undefined) {
      return [
        `--${key.name} is missing (or ${key.variable}, or ${key.name} in the file): expected ${key.value.expected}`
      ]
    }
    if (key.value.isSentence && message !== "") return [`${value.where}: ${message}`]
    const quotes = key.value.kind === "string" && typeof value.raw !== "string" ? "write it in quotes" : ""
    const reason = [quotes, message].filter((part) => part !== "").join("; ")
    const shown = key.value.secret ? "something else, which is not shown" : show(value.raw)
    return [`${value.where}: expected ${key.value.expected}, got ${shown}${reason === "" ? "" : ` (${reason})`}`]
  })
}

const didYouMean = (name: string, known: ReadonlyArray<string>): string => {
  const meant = nearest(name, known)
  return meant === undefined ? `; known are ${known.join(", ")}` : `; did you mean ${meant}?`
}

/** A number as TOML writes it, also if it is not finite. */
const numberText = (number: number): string => String(number).replace("Infinity", "inf").replace("NaN", "nan")

const show = (raw: unknown): string => {
  const isTable = typeof raw === "object" && raw !== null && !Array.isArray(raw)
  const shown = isTable
    ? "a table"
    : typeof raw === "number"
      ? numberText(raw)
      : JSON.stringify(raw, (_, part: unknown) =>
          typeof part === "string"
            ? withoutUserinfo(part)
            : typeof part === "number" && !Number.isFinite(part)
              ? numberText(part)
              : part
        )
  return shown.length > 100 ? `${shown.slice(0, 100)}...` : shown
}
