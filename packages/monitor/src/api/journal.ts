/** What happened: log lines, events, and the changes that operators made. Times in milliseconds since 1970. */
import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"
import { LEVELS } from "../follow/log-line.ts"
import { pageOf, pageQuery } from "./page.ts"

export { LEVELS }

export const LogLine = Schema.Struct({
  id: Schema.Finite,
  at: Schema.Finite,
  level: Schema.Literals(LEVELS),
  message: Schema.String
})
export type LogLine = typeof LogLine.Type

export const LogPage = pageOf(LogLine)
export const logQuery = {
  ...pageQuery,
  /** Lines of this level and above. */
  level: Schema.optionalKey(Schema.Literals(LEVELS)),
  search: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(255)))
}

export const ConfigurationKey = Schema.Struct({
  name: Schema.String,
  /** Null if it is not given, or a secret. */
  value: Schema.NullOr(Schema.Json),
  isSecret: Schema.Boolean,
  /** Where it was given: a flag, a variable, a line of a file, or `default`. */
  source: Schema.String
})
export type ConfigurationKey = typeof ConfigurationKey.Type
export const Configuration = pageOf(ConfigurationKey)

/** A change that somebody made, or was refused. */
export const AuditEntry = Schema.Struct({
  at: Schema.Finite,
  /** The address that asked. */
  remote: Schema.String,
  action: Schema.String,
  /** What it was done to, as JSON. */
  subject: Schema.String,
  outcome: Schema.String
})
export type AuditEntry = typeof AuditEntry.Type
export const Audit = pageOf(AuditEntry)

/** The name of an event, and its fields as JSON. Later versions may have more names. */
export const EventData = Schema.Struct({
  at: Schema.Finite,
  event: Schema.String,
  fields: Schema.Record(Schema.String, Schema.Json)
})
export type EventData = typeof EventData.Type

/** Events as Server-Sent Events. A reader that comes again names the last one that it has in `Last-Event-ID`. */
export const Events = HttpApiSchema.StreamSse({
  events: Schema.Struct({
    id: Schema.optional(Schema.String),
    event: Schema.String,
    data: Schema.fromJsonString(EventData)
  })
})
