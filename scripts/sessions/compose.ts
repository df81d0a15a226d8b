/**
 * Reads compose files as far as the examples use them: checks each against the compose specification's schema, and resolves `include`,
 * `extends`, `${VARIABLE}` and `${VARIABLE:-default}`, with the `.env` beside the first file. compose-spec.json is the schema of github.com/compose-spec/compose-spec, of 2026-06-23.
 */
import { Ajv } from "ajv"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { parseEnv } from "node:util"
import { parse } from "yaml"

export interface Service {
  readonly image: string
  readonly command: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
  /** SOURCE:TARGET or SOURCE:TARGET:ro. A source without a slash is a named volume; paths are absolute here. */
  readonly volumes?: ReadonlyArray<string>
  readonly depends_on?: Readonly<
    Record<string, { readonly condition: "service_started" | "service_healthy" | "service_completed_successfully" }>
  >
  readonly healthcheck?: {
    readonly test?: ReadonlyArray<string>
    readonly interval?: string
    readonly retries?: number
    readonly disable?: boolean
  }
  readonly extends?: { readonly file?: string; readonly service: string }
}

interface ComposeFile {
  readonly include?: ReadonlyArray<string>
  readonly services?: Readonly<Record<string, Partial<Service>>>
}

const { $schema: _, ...schema } = JSON.parse(
  readFileSync(new URL("compose-spec.json", import.meta.url), "utf8")
) as Record<string, unknown>
const isCompose = new Ajv({ strict: false, validateFormats: false }).compile<ComposeFile>(schema)

type Variables = Readonly<Record<string, string | undefined>>

/** Those of this process win. */
const variablesFor = (file: string): Variables => {
  const path = join(dirname(file), ".env")
  return { ...(existsSync(path) ? parseEnv(readFileSync(path, "utf8")) : {}), ...process.env }
}

/** The services of a compose file, by name. Fails with a sentence for a file that breaks the specification. */
export const servicesOf = (file: string, variables: Variables = variablesFor(file)): Record<string, Service> => {
  const { include = [], services = {} } = read(file, variables)
  const included = include.map((path) => servicesOf(resolve(dirname(file), path), variables))
  const own = Object.keys(services).map((name) => [name, serviceOf(file, name, variables) as Service] as const)
  return Object.assign({}, ...included, Object.fromEntries(own)) as Record<string, Service>
}

const read = (file: string, variables: Variables): ComposeFile => {
  const text = readFileSync(file, "utf8").replaceAll(
    /\$\{(\w+)(?::-([^}]*))?\}/g,
    (_, name: string, otherwise: string | undefined) => {
      const value = variables[name] || otherwise
      if (value === undefined) throw new Error(`${file}: \${${name}} is not set`)
      return value
    }
  )
  const parsed: unknown = parse(text)
  if (isCompose(parsed)) return parsed
  const problems = isCompose.errors?.map(({ instancePath, message }) => `${instancePath} ${message}`)
  throw new Error(`${file} is no compose file: ${problems?.join("; ")}`)
}

const serviceOf = (file: string, name: string, variables: Variables): Partial<Service> => {
  const { extends: base, volumes, ...rest } = read(file, variables).services?.[name] ?? {}
  const own = volumes === undefined ? rest : { ...rest, volumes: volumes.map((volume) => absolute(file, volume)) }
  if (base === undefined) return own
  const from = base.file === undefined ? file : resolve(dirname(file), base.file)
  return merge(serviceOf(from, base.service, variables), own)
}

const absolute = (file: string, volume: string): string =>
  volume.startsWith(".")
    ? resolve(dirname(file), volume.slice(0, volume.indexOf(":"))) + volume.slice(volume.indexOf(":"))
    : volume

/** Mappings are merged, lists are joined, but a command and a test take the place of another. */
const merge = (base: object, over: object): object =>
  Object.entries(over).reduce<Record<string, unknown>>(
    (merged, [key, value]) => {
      const below = merged[key]
      const isList = Array.isArray(below) && Array.isArray(value)
      if (isList) merged[key] = key === "command" || key === "test" ? value : [...below, ...value]
      else if (isObject(below) && isObject(value)) merged[key] = merge(below, value)
      else merged[key] = value
      return merged
    },
    { ...base }
  )

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)
