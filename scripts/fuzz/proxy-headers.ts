/** What `npm run fuzz` throws at the reader of headers of the PROXY protocol, with which load balancers begin connections. */
import { parseEndpoint, formatEndpoint, readProxyHeader } from "@sluice/transport"
import { Result } from "effect"
import { ok } from "node:assert/strict"
import { isDeepStrictEqual } from "node:util"
import type { FuzzTarget } from "./target.ts"

const run = (input: Uint8Array): void => {
  const whole = readProxyHeader(input)
  if (Result.isSuccess(whole) && whole.success !== undefined) {
    const { client, size } = whole.success
    ok(size > 0 && size <= input.length, "a header is longer than the input")
    if (client !== undefined)
      ok(Result.isSuccess(parseEndpoint(formatEndpoint(client))), "a client has no valid address")
  }
  // A header that comes in pieces is the same. Once it is complete or wrong, more bytes do not change it.
  for (let size = 1; size < input.length; size++) {
    const part = readProxyHeader(input.subarray(0, size))
    if (Result.isSuccess(part) && part.success === undefined) continue
    const isSame = Result.isSuccess(part) ? isDeepStrictEqual(part, whole) : Result.isFailure(whole)
    ok(isSame, `the header changes with the bytes after the first ${size}`)
    return
  }
}

const SIGNATURE = "0d0a0d0a000d0a515549540a"
const text = (line: string) => new Uint8Array(Buffer.from(line))
const hex = (digits: string) => new Uint8Array(Buffer.from(digits, "hex"))

export const proxyHeadersTarget: FuzzTarget = {
  name: "proxy-headers",
  run,
  seeds: () => [
    text("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n{}"),
    text("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"),
    text("PROXY UNKNOWN\r\n"),
    hex(`${SIGNATURE}2111000cc0a80001c0a8000bdc0401bb7b7d`),
    hex(`${SIGNATURE}21210024${"20010db8000000000000000000000001".repeat(2)}dc0401bb`),
    hex(`${SIGNATURE}20000000`)
  ]
}
