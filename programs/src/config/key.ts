/**
 * One key of a program's configuration, described once. The TOML key, the flag, the environment variable, the help
 * text and the lines of the example file all come from this description.
 */
import { Effect, Schema } from "effect"
import { type Value, valueOf } from "./value.ts"

type Raw = string | number | boolean | ReadonlyArray<string>

/** The description of a key. `default` and `example` are written as in the TOML file. */
export interface Description {
  readonly description: string
  readonly default?: Raw
  readonly example?: Raw
  /** Most operators set it, so the example file has it without a comment sign. */
  readonly usual?: boolean
  /** The name of the library's option that the key sets, where it is not the name of the field. */
  readonly option?: string
}

/** A key with its names in each place where it can be given. */
export interface KeyInfo extends Description {
  /** The field in the decoded configuration: `rpcListen`. */
  readonly field: string
  /** The TOML key and, after two dashes, the flag: `rpc-listen`. */
  readonly name: string
  /** The environment variable: `SLUICE_NODE__RPC_LISTEN`. */
  readonly variable: string
  readonly required: boolean
  readonly value: Value
}

const annotation = "sluice/config/key"

/** Declares a key that must be given. */
export const required = <S extends Schema.Top>(schema: S, description: Description & { readonly default?: never }) =>
  schema.annotateKey({ [annotation]: { ...description, value: valueOf(schema), required: true } })

/** Declares a key that may be left out, and then is absent. */
export const optional = <S extends Schema.Top>(schema: S, description: Description & { readonly default?: never }) =>
  Schema.optionalKey(schema).annotateKey({ [annotation]: { ...description, value: valueOf(schema), required: false } })

/** Declares a key that may be left out, and then has its default. */
export const defaulted = <A, I extends Raw>(
  schema: Schema.Codec<A, I>,
  description: Description & { readonly default: NoInfer<I> }
) =>
  schema.pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(description.default)),
    Schema.annotateKey({ [annotation]: { ...description, value: valueOf(schema), required: false } })
  )

/** The keys of a program's Schema, in order. */
export const keysOf = (program: string, fields: Schema.Struct.Fields): ReadonlyArray<KeyInfo> =>
  Object.entries(fields).map(([field, schema]) => {
    const description = Schema.resolveAnnotationsKey(schema as Schema.Top)?.[annotation] as
      | (Description & { readonly value: Value; readonly required: boolean })
      | undefined
    if (description === undefined) throw new Error(`${program}: ${field} is not described by config/key.ts`)
    const name = kebab(field)
    return { ...description, field, name, variable: variableOf(program, name) }
  })

/** The environment variable of a key: `SLUICE_TEMPLATE_PROVIDER__RPC_URL`. */
export const variableOf = (program: string, name: string): string => `${variablePrefix(program)}${shout(name)}`

/** The beginning of a program's environment variables: `SLUICE_POOL__`. */
export const variablePrefix = (program: string): string => `SLUICE_${shout(program)}__`

/** The name of a field as a key: `rpcListen` becomes `rpc-listen`. */
export const kebab = (field: string): string => field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
const shout = (name: string): string => name.replaceAll(/[- ]/g, "_").toUpperCase()
