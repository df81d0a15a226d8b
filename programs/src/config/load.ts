/**
 * From flags, environment variables, a file and defaults (in this order of precedence) to a program's configuration,
 * decoded by its one Schema. Everything that is wrong is told at once, each with where it stands and what was expected.
 */
import { Effect, type FileSystem, Path, Result, Schema, SchemaIssue } from "effect"
import { type KeyInfo, keysOf, variableOf, variablePrefix } from "./key.ts"
import { nearest } from "./nearest.ts"
import { readText } from "./read-text.ts"
import { parseToml } from "./toml.ts"

/** A program's configuration as it describes it: the Schema's fields are made with config/key.ts. */
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
  /** By key name; a key that is not here has its default. */
  readonly given: ReadonlyMap<string, Given>
}

/** The configuration is wrong; nothing was started. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  program: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.join("\n")
  }
}

/** Where values come from: the command line (by key name), the environment, and the path of a file, if any. */
export interface Sources {
  readonly flags: ReadonlyMap<string, string | boolean>
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly file: string | undefined
}

interface Source {
  readonly values: ReadonlyMap<string, unknown>
  readonly where: (name: string) => string
  /** Everything in it is text, as on a command line. */
  readonly isText: boolean
  /** What a path in it is relative to, when that is not the working directory. */
  readonly directory: string | undefined
}

export const load = Effect.fn("Config.load")(function* <A>(
  { program, schema }: ProgramConfig<A>,
  { flags, environment, file }: Sources
): Effect.fn.Return<Loaded<A>, ConfigError, FileSystem.FileSystem | Path.Path> {
  const path = yield* Path.Path
  const keys = keysOf(program, schema.fields)
  const names = keys.flatMap((key) => (key.value.secret ? [key.name, `${key.name}-file`] : [key.name]))
  const problems: Array<string> = []

  const fromFlags: Source = { values: flags, where: (name) => `--${name}`, isText: true, directory: undefined }
  const fromEnvironment = readEnvironment(program, environment, names, problems)
  const sources: Array<Source> = [fromFlags, fromEnvironment]
  const configFile = file ?? environment[variableOf(program, "config")]
  if (configFile !== undefined && configFile !== "") {
    const content = yield* readText(configFile).pipe(
      Effect.mapError((problem) => new ConfigError({ program, problems: [...problems, problem] }))
    )
    const parsed = parseToml(content)
    if (Result.isFailure(parsed)) {
      return yield* new ConfigError({ program, problems: [...problems, `${configFile}: ${parsed.failure}`] })
    }
    const { values, lineOf } = parsed.success
    for (const name of values.keys()) {
      if (!names.includes(name)) {
        problems.push(`${configFile}, line ${lineOf(name)}: there is no key "${name}"${didYouMean(name, names)}`)
      }
    }
    const where = (name: string): string => `${configFile}, line ${lineOf(name)}: ${name}`
    sources.push({ values, where, isText: false, directory: path.dirname(configFile) })
  }

  const given = new Map<string, Given>()
  for (const key of keys) {
    const found = find(key, sources, problems)
    if (found === undefined) continue
    const { source, name, raw } = found
    const where = source.where(name)
    const isPath = key.value.path === true || name !== key.name
    const inPlace =
      isPath && typeof raw === "string" && source.directory !== undefined ? path.resolve(source.directory, raw) : raw
    if (name === key.name) {
      given.set(key.name, { raw: inPlace, where })
    } else if (typeof inPlace !== "string" || inPlace === "") {
      problems.push(`${where}: expected the path of a file, got ${show(inPlace)}`)
    } else {
      const content = yield* Effect.result(readText(inPlace))
      if (Result.isFailure(content)) problems.push(`${where}: ${content.failure}`)
      else given.set(key.name, { raw: content.success.trim(), where: `${where} (${inPlace})` })
    }
  }

  const input = Object.fromEntries(
    keys.flatMap((key) => {
      const value = given.get(key.name)
      return value === undefined ? [] : [[key.field, value.raw]]
    })
  )
  const decoded = Schema.decodeUnknownResult(schema)(input, { errors: "all" })
  if (Result.isSuccess(decoded) && problems.length === 0) return { config: decoded.success, given }
  if (Result.isFailure(decoded)) {
    // A key whose file cannot be read has had its say.
    const told = (key: KeyInfo): boolean =>
      !given.has(key.name) && sources.some(({ values }) => values.has(`${key.name}-file`))
    problems.push(
      ...describeIssues(
        decoded.failure.issue,
        keys.filter((key) => !told(key)),
        given
      )
    )
  }
  return yield* new ConfigError({ program, problems })
})

/** The variables that belong to this program; others may be set for other programs or by other people. */
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
  return { values, where: (name) => variableOf(program, name), isText: true, directory: undefined }
}

/** The first source that has the key, under its own name or as `NAME-file`. */
const find = (key: KeyInfo, sources: ReadonlyArray<Source>, problems: Array<string>) => {
  for (const source of sources) {
    const named = [key.name, ...(key.value.secret ? [`${key.name}-file`] : [])].filter((name) =>
      source.values.has(name)
    )
    if (named.length === 2) problems.push(`${source.where(named[1]!)}: give it or ${source.where(key.name)}, not both`)
    const name = named[0]
    if (name !== undefined)
      return { source, name, raw: source.isText ? fromText(key, source.values.get(name)) : source.values.get(name) }
  }
  return undefined
}

/** Flags and variables are text; where a number or a boolean is meant and written, it becomes one. */
const fromText = (key: KeyInfo, raw: unknown): unknown => {
  if (typeof raw !== "string") return raw
  if (key.value.kind === "number" && /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(raw)) return Number(raw)
  if (key.value.kind === "boolean" && (raw === "true" || raw === "false")) return raw === "true"
  return raw
}

/** One line for each problem that the Schema found. */
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
    if (key.value.tellsAll && message !== "") return [`${value.where}: ${message}`]
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

const show = (raw: unknown): string => {
  const shown = typeof raw === "object" && raw !== null && !Array.isArray(raw) ? "a table" : JSON.stringify(raw)
  return shown.length > 100 ? `${shown.slice(0, 100)}...` : shown
}
