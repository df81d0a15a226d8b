/**
 * The header with which a load balancer tells whose connection it passes on: the PROXY protocol, versions 1 (text) and 2
 * (binary). The section numbers are those of HAProxy's doc/proxy-protocol.txt.
 */
import { escaped } from "@sluice/protocol"
import { Result } from "effect"
import * as Net from "node:net"
import type { Endpoint } from "../endpoint.ts"
import { beginsLike, recognise, V1_PROXY_HEADER, V2_PROXY_HEADER } from "./other-protocol.ts"

export interface ProxyHeader {
  /** Bytes of the header. The bytes behind it are the client's. */
  readonly size: number
  /** The client; undefined if the header names none, such as that of a health check. Then the peer is the client. */
  readonly client: Endpoint | undefined
}

/** The longest header of version 1 (2.1). */
const MAX_V1 = 107
/** The longest header of version 2 that we read. Addresses take 232 bytes; the rest is for TLVs, which are skipped. */
const MAX_V2 = 4096

/** Reads a header from the first bytes of a connection; undefined if they are only a part of it. Fails with what is wrong. */
export const readProxyHeader = (bytes: Uint8Array): Result.Result<ProxyHeader | undefined, string> => {
  if (beginsLike(bytes, V1_PROXY_HEADER)) return bytes.length < V1_PROXY_HEADER.length ? MORE : readText(bytes)
  if (beginsLike(bytes, V2_PROXY_HEADER)) return bytes.length < FIXED ? MORE : readBinary(bytes)
  return Result.fail(`the peer sent no such header${recognise(bytes)}`)
}

const MORE: Result.Result<ProxyHeader | undefined, string> = Result.succeed(undefined)

/** Version 1, section 2.1. */
const readText = (bytes: Uint8Array): Result.Result<ProxyHeader | undefined, string> => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MAX_V1)).toString("latin1")
  const end = text.indexOf("\r\n")
  if (end < 0) {
    return bytes.length < MAX_V1
      ? MORE
      : Result.fail(`the peer sent a header of version 1 without an end within ${MAX_V1} bytes`)
  }
  const size = end + 2
  const line = text.slice(0, end)
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return Result.succeed({ size, client: undefined })
  const [, family, source = "", destination = "", port = "", otherPort = ""] =
    /^PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})$/.exec(line) ?? []
  const isAddress = family === "4" ? Net.isIPv4 : Net.isIPv6
  if (family === undefined || !isAddress(source) || !isAddress(destination) || +port > 65535 || +otherPort > 65535) {
    return Result.fail(`the peer sent a wrong header of version 1: "${escaped(line)}"`)
  }
  return Result.succeed({ size, client: { host: canonical(source), port: +port } })
}

/** Bytes of a header of version 2 before the addresses. */
const FIXED = 16

/** Version 2, section 2.2. */
const readBinary = (bytes: Uint8Array): Result.Result<ProxyHeader | undefined, string> => {
  const wrong = (what: string) => Result.fail(`the peer sent a wrong header of version 2: ${what}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [version, command] = [bytes[12]! >> 4, bytes[12]! & 15]
  const [family, protocol] = [bytes[13]! >> 4, bytes[13]! & 15]
  const length = view.getUint16(14)
  if (version !== 2) return wrong(`it says version ${version}`)
  if (command > 1) return wrong(`command ${command} does not exist`)
  if (FIXED + length > MAX_V2) return wrong(`it has ${FIXED + length} bytes; at most ${MAX_V2} are allowed`)
  // A connection of the load balancer itself: the family is ignored.
  const isLocal = command === 0
  if (!isLocal && (family > 3 || protocol > 2)) {
    return wrong(`family ${family} with protocol ${protocol} does not exist`)
  }
  const size = FIXED + length
  const addressSize = family === 1 ? 4 : 16
  // Of the families, only those of TCP name an address that limits can use.
  const isTcp = !isLocal && protocol === 1 && (family === 1 || family === 2)
  if (isTcp && length < 2 * addressSize + 4) return wrong(`${length} bytes are too few for its addresses`)
  if (bytes.length < size) return MORE
  if (!isTcp) return Result.succeed({ size, client: undefined })
  const source = bytes.subarray(FIXED, FIXED + addressSize)
  return Result.succeed({ size, client: { host: hostOf(source), port: view.getUint16(FIXED + 2 * addressSize) } })
}

const hostOf = (address: Uint8Array): string =>
  address.length === 4
    ? address.join(".")
    : canonical(
        Buffer.from(address)
          .toString("hex")
          .replace(/.{4}(?=.)/g, "$&:")
      )

/** One text for each address, as sockets give it, so that limits recognise it. */
const canonical = (host: string): string =>
  Net.isIPv4(host)
    ? host
    : new Net.SocketAddress({ address: host, family: "ipv6" }).address.replace(/^::ffff:(?=.*\.)/, "")
