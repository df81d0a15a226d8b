/** Events of the roles as lines of JSON, for machines that watch a program. */
import { escaped } from "@sluice/protocol/printable"

/** Gives an event as `{"role": ..., "event": ..., "at": milliseconds since 1970, ...}`, escaped for terminals. */
export const eventLine = (role: string, event: { readonly _tag: string; readonly at: number }): string => {
  const { _tag, ...fields } = event
  return escaped(JSON.stringify({ role, event: _tag, ...fields }, plain))
}

/** JSON has no bigint and no bytes: amounts and ids become decimal text, bytes hex. */
const plain = (_key: string, value: unknown): unknown => {
  if (typeof value === "bigint") return value.toString()
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value
}
