/** The forms in which bytes are given: hex, base64, or as they are. */
import { Result } from "effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"

export type Format = "auto" | "hex" | "base64" | "binary"

/** Converts the input to bytes. White space in text is ignored. */
export const toBytes = (input: Uint8Array, format: Format): Result.Result<Uint8Array, string> => {
  if (format === "binary" || (format === "auto" && !isText(input))) return Result.succeed(input)
  const text = new TextDecoder("latin1").decode(input).replaceAll(/\s/g, "")
  const hex = text.replace(/^0x/i, "")
  if (format === "hex" || (format === "auto" && isHex(hex))) {
    if (isHex(hex)) return Result.mapError(Hex.decode(hex), ({ message }) => message)
    return Result.fail(
      hex.length % 2 === 1 && /^[0-9a-f]*$/i.test(hex) ? ODD : "the input should be hex, two digits a byte"
    )
  }
  if (/^[0-9a-f]+$/i.test(hex) && format === "auto") return Result.fail(ODD)
  if (/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    const decoded = Base64.decode(text)
    if (Result.isSuccess(decoded)) return Result.succeed(decoded.success)
  }
  return Result.fail(
    format === "base64" ? "the input should be base64" : "the input is neither hex nor base64 nor binary"
  )
}

const ODD = "the input is hex with a digit too many or too few"

const isHex = (text: string): boolean => text.length % 2 === 0 && /^[0-9a-f]*$/i.test(text)

/** Binary frames are never text alone: such a frame would be for an extension above 0x2000 and have more than 2 MB. */
const isText = (input: Uint8Array): boolean =>
  input.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09)
