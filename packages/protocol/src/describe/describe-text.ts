/** Formats a described frame as one line: name, direction, fields with units, TLVs, and warnings after a "!". */
import { type CatalogueOptions, listMessages, listTlvs } from "./catalogue.ts"
import type { Described } from "./describe.ts"
import type { Message } from "../message.ts"
import { escaped, isPrintable } from "./printable.ts"
import { unitOf } from "./unit.ts"
import type { WireType } from "../codec/wire.ts"

/**
 * Gives one line for any message: escapes control characters. Strings have quotes and bytes are hex without quotes, so a user
 * named "abcd" does not look like two bytes. Pass the `options` that the frame was described with.
 */
export const toLine = (described: Described, options: CatalogueOptions = {}): string => {
  const { bytes, extensionType, message, payload, protocol, tail, tlvs = [], to, type, warnings = [] } = described
  const declared = listMessages(protocol === undefined ? options : { ...options, protocol }).find(
    (listed) => listed.message.name === message?._tag
  )?.message
  const known = declared === undefined ? [] : listTlvs(declared, options)
  const direction = to === undefined ? "" : ` to ${to}`
  const parts =
    bytes !== undefined
      ? [`? ${shorten(bytes)}`]
      : message === undefined
        ? [`? extension_type=${hex(extensionType)} msg_type=${hex(type)} payload=${shorten(payload ?? "") || EMPTY}`]
        : [`${message._tag}${direction}`, ...fieldsOf(message, declared)]
  const behind = tlvs.map((tlv) =>
    "_tag" in tlv
      ? `+${tlv._tag}(${fieldsOf(
          tlv,
          known.find(({ name }) => name === tlv._tag)
        ).join(" ")})`
      : `+TLV(${hex(tlv.extension)} ${hex(tlv.type)} ${shorten(String(tlv.value))})`
  )
  if (tail !== undefined && tlvs.length === 0) behind.push(`+${shorten(tail)}`)
  return [...parts, ...behind, ...warnings.map((warning) => `! ${escaped(warning)}`)].join(" ")
}

const fieldsOf = (
  fields: Readonly<Record<string, unknown>>,
  declared: Pick<Message, "layout"> | undefined
): ReadonlyArray<string> =>
  Object.entries(fields)
    .filter(([name]) => name !== "_tag")
    .map(([name, value]) => {
      const type = declared?.layout.find((field) => field.name === name)?.type
      return `${name}=${annotated(name, value, type)}`
    })

const annotated = (name: string, value: unknown, type: WireType | undefined): string => {
  const unit = unitOf(name)
  const text = shown(value, type)
  if (name === "errorDetails" && typeof value === "string") return details(value) ?? text
  if (value === null || unit === undefined) return isBits(name, value) ? `${text} (${hex(value)})` : text
  if (unit === "seconds since 1970") return `${text} (${new Date(Number(value) * 1000).toISOString().slice(0, 19)}Z)`
  if (unit === "compact target") return `${text} (${hex(Number(value))})`
  // Omits the unit of hashes and targets, which is only their byte order; the page of messages has it.
  return /hash(es)?, as on|little-endian/.test(unit) ? text : `${text} (${unit})`
}

/** The bytes of error details as text, in quotes, as most servers mean them; `undefined` if they are other bytes. */
const details = (digits: string): string | undefined => {
  const text = Buffer.from(digits, "hex").toString("utf8")
  const isText = text !== "" && isPrintable(text) && Buffer.from(text).toString("hex") === digits
  return isText ? JSON.stringify(text) : undefined
}

/** Fields that are shown in hex because their bits have meanings. */
const isBits = (name: string, value: unknown): value is number =>
  typeof value === "number" &&
  (name === "flags" || name === "nonce" || name === "headerNonce" || name.endsWith("ersion")) &&
  value > 0xff

const shown = (value: unknown, type: WireType | undefined): string => {
  const item = type !== undefined && "item" in type ? type.item : type
  if (typeof value === "string") return isQuoted(item) ? escaped(JSON.stringify(value)) : shorten(value) || EMPTY
  if (Array.isArray(value)) {
    const some = value.slice(0, MAX_ITEMS).map((one) => shown(one, item))
    const more = value.length > MAX_ITEMS ? [`... ${value.length} in all`] : []
    return `[${[...some, ...more].join(", ")}]`
  }
  return value === null ? "none" : String(value)
}

/** Whether a JSON string is text: not bytes, and not a number that JSON has as a string. Unknown fields count as text. */
const isQuoted = (type: WireType | undefined): boolean => type === undefined || type._tag === "Text"

const EMPTY = '""'

/** Longer values are cut; the JSON has the full value. */
const MAX_HEX = 128
const MAX_ITEMS = 16

const shorten = (text: string): string =>
  text.length <= MAX_HEX ? text : `${text.slice(0, MAX_HEX)}... (${text.length / 2} bytes)`

const hex = (value = 0): string => `0x${value.toString(16).padStart(2, "0")}`
