/** Pages of lists: how many items, after how many, in which order, and which of them. */
import { Schema, SchemaGetter } from "effect"

/** The most items of one answer, which then has some hundreds of kilobytes. */
export const MAX_LIMIT = 1000
export const DEFAULT_LIMIT = 100
/** The most bytes of a text to search for. */
const MAX_SEARCH = 255

/** The last moment of a JavaScript date, in milliseconds since 1970. */
export const MAX_TIME = 8_640_000_000_000_000

/** The whole numbers of queries and paths, with their bounds. */
export const QUERY_NUMBERS: Readonly<Record<string, { readonly minimum: number; readonly maximum: number }>> = {
  limit: { minimum: 1, maximum: MAX_LIMIT },
  offset: { minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
  from: { minimum: 0, maximum: MAX_TIME },
  to: { minimum: 0, maximum: MAX_TIME },
  connectionId: { minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
  channelId: { minimum: 0, maximum: 0xffff_ffff }
}

/** A whole number of a query or path, in decimal digits: `+1.0` is none. */
export const queryNumber = (name: keyof typeof QUERY_NUMBERS) =>
  Schema.String.check(Schema.isPattern(/^\d{1,16}$/)).pipe(
    Schema.decodeTo(Schema.Int.check(Schema.isBetween(QUERY_NUMBERS[name]!)), {
      decode: SchemaGetter.transform(Number),
      encode: SchemaGetter.transform(String)
    })
  )

const limit = queryNumber("limit")
const offset = queryNumber("offset")

/** The query of a list without an order of its own: newest first, or as it is configured. */
export const pageQuery = {
  limit: Schema.optionalKey(limit),
  offset: Schema.optionalKey(offset)
}

/** The query of a list that can be sorted by these columns, and searched. */
export const sortedQuery = <const Columns extends ReadonlyArray<string>>(columns: Columns) => ({
  ...pageQuery,
  sort: Schema.optionalKey(Schema.Literals(columns)),
  order: Schema.optionalKey(Schema.Literals(["asc", "desc"])),
  /** Items whose name contains this text, in any case. */
  search: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(MAX_SEARCH)))
})

export interface PageQuery {
  readonly limit?: number
  readonly offset?: number
}

export interface SortedQuery<Column extends string> extends PageQuery {
  readonly sort?: Column
  readonly order?: "asc" | "desc"
  readonly search?: string
}

/** A part of a long list: `items` after the first `offset` of `total`. */
export const pageOf = <S extends Schema.Top>(item: S) =>
  Schema.Struct({ total: Schema.Finite, offset: Schema.Finite, items: Schema.Array(item) })

export interface Page<A> {
  readonly total: number
  readonly offset: number
  readonly items: ReadonlyArray<A>
}
