/**
 * A method or notification, declared once as data; everything else is derived from the declaration: its TypeScript type, its
 * reader and writer, its JSON view, its random generator and its row in docs/stratum-v1.md.
 *
 *     const Authorize = Method.make("mining.authorize", {
 *       to: "server", answered: true, params: { worker: Text, password: optional(Text) }, result: Bool, source: "..."
 *     })
 *     type Authorize = typeof Authorize.Type
 *
 * On the wire the parameters are a list in the order of the declaration. Reading is lenient, field by field (field.ts);
 * writing has one form.
 */
import { Arbitrary, Schema, type Types } from "effect"
import { describeValue, ParamsError, paramsError } from "../error.ts"
import type { Field } from "./field.ts"

export interface Params {
  readonly [name: string]: Field<unknown>
}

/** The values of the parameters, by name. */
export type ParamsOf<P extends Params> = { readonly [Key in keyof P]: P[Key]["Type"] }

/** A message's value: its method under `_tag`, then the parameters. */
export type MessageType<Name extends string, P extends Params> = Types.Simplify<{ readonly _tag: Name } & ParamsOf<P>>

export interface Declaration<P extends Params, R> {
  /** Who may receive it. */
  readonly to: "server" | "client"
  readonly params: P
  /** The result of its answer; not there for a notification. */
  readonly result?: Field<R>
  /** Other names that peers call it by. */
  readonly aliases?: ReadonlyArray<string>
  /** Puts the parameters that some peers send into the declared order. */
  readonly arrange?: (params: ReadonlyArray<unknown>) => ReadonlyArray<unknown>
  /** What it is for, in a sentence, for the documentation. */
  readonly purpose: string
}

export interface Method<Name extends string = string, P extends Params = Params, R = unknown> {
  readonly name: Name
  readonly aliases: ReadonlyArray<string>
  readonly to: "server" | "client"
  readonly params: P
  readonly result: Field<R> | undefined
  readonly purpose: string
  /** `typeof X.Type` is the type of the message's values; there is nothing at run time. */
  readonly Type: MessageType<Name, P>
  readonly schema: Schema.Codec<MessageType<Name, P>>
  /** To and from JSON with named fields: bytes as hex, hashes and targets in internal order. */
  readonly json: Schema.Codec<MessageType<Name, P>, Schema.Json>
  /** Random messages, for tests. */
  readonly arbitrary: Arbitrary.Arbitrary<MessageType<Name, P>>
  /** The message of the `params` of a line. */
  read(params: unknown): MessageType<Name, P> | ParamsError
  /** The parameters as a list; optional ones at the end that are undefined are left out. */
  write(message: ParamsOf<P>): Schema.Json
  /** The line of a request; with the id null, of a notification. */
  line(id: number | null, params: ParamsOf<P>): string
  /** The value of an answer's `result`. */
  readResult(result: unknown): R | ParamsError
}

const make = <const Name extends string, const P extends Params, R = never>(
  name: Name,
  declaration: Declaration<P, R>
): Method<Name, P, R> => {
  const { aliases = [], arrange, params, purpose, result, to } = declaration
  const schema = Schema.TaggedStruct(
    name,
    Object.fromEntries(Object.entries(params).map(([field, { schema }]) => [field, schema]))
  ) as unknown as Schema.Codec<MessageType<Name, P>>
  const fields = Object.entries(params)
  const readList = compileReader<MessageType<Name, P>>(name, fields)
  const write = (message: Readonly<Record<string, unknown>>): ReadonlyArray<Schema.Json> => {
    const list = fields.map(([field, type]) => type.write(message[field]))
    while (list.length > 0 && list.at(-1) === null) list.pop()
    return list
  }
  let json: Schema.Codec<MessageType<Name, P>, Schema.Json> | undefined
  let arbitrary: Arbitrary.Arbitrary<MessageType<Name, P>> | undefined
  return {
    name,
    aliases,
    to,
    params,
    result,
    purpose,
    Type: undefined as unknown as MessageType<Name, P>,
    schema,
    get json() {
      return (json ??= Schema.toCodecJson(schema))
    },
    get arbitrary() {
      return (arbitrary ??= Arbitrary.schema(schema))
    },
    read: (given) => {
      const list = given ?? none
      if (!Array.isArray(list)) {
        return paramsError({ method: name, field: "params", expected: "a list", actual: describeValue(given) })
      }
      return readList(arrange === undefined ? list : arrange(list))
    },
    write,
    line: (id, message) => `${JSON.stringify({ id, method: name, params: write(message) })}\n`,
    readResult: (given) => {
      const value = result?.read(given)
      if (value !== undefined) return value
      const expected = result?.name ?? "no answer"
      return paramsError({ method: name, field: "result", expected, actual: describeValue(given) })
    }
  }
}

const none: ReadonlyArray<unknown> = []

/**
 * A reader without a loop, so that all messages of a method are objects of one shape: made once with `new Function`, as the
 * codecs of packages/protocol are. The source has nothing but names of the declaration, which are plain identifiers.
 */
const compileReader = <M>(
  method: string,
  fields: ReadonlyArray<readonly [string, Field<unknown>]>
): ((list: ReadonlyArray<unknown>) => M | ParamsError) => {
  const lines = fields.map(([name, { presence }], index) => {
    if (!/^[a-z][A-Za-z0-9]*$/.test(name))
      throw new Error(`${method}: field ${JSON.stringify(name)} is not in camelCase`)
    const read = `const v${index} = reads[${index}](list[${index}])`
    if (presence === "ignorable") return read
    const present = presence === "optional" ? ` && list[${index}] !== undefined && list[${index}] !== null` : ""
    return `${read}\nif (v${index} === undefined${present}) return fail(${index}, list[${index}])`
  })
  const properties = fields.map(([name], index) => `${name}: v${index}`)
  const source = `"use strict"
return (list) => {
${lines.join("\n")}
return { ${[`_tag: ${JSON.stringify(method)}`, ...properties].join(", ")} }
}`
  const fail = (index: number, value: unknown): ParamsError => {
    const [field, { name }] = fields[index]!
    return paramsError({ method, field, expected: name, actual: describeValue(value) })
  }
  return new Function("reads", "fail", source)(
    fields.map(([, field]) => field.read),
    fail
  )
}

export const Method = {
  /** Declares a method. Throws an `Error` if a field's name is no identifier in camelCase. */
  make
}
