/** Finds the client behind a load balancer (the PROXY protocol): reads the header with which each connection begins. */
import { Duration, Effect, Result } from "effect"
import * as Net from "node:net"
import { AddressError, type Endpoint } from "../endpoint.ts"
import { firstBytes } from "./first-bytes.ts"
import { type ProxyHeader, readProxyHeader } from "./proxy-header.ts"
import { ProxyHeaderError, type TransportError } from "./transport-error.ts"

export interface ProxyProtocolOptions {
  /**
   * The addresses of the load balancers (`parseNetworks`). Connections from elsewhere are those of clients, without a header. By
   * default every connection must have one, and anybody who can connect can choose the address that limits are applied to.
   */
  readonly from?: Net.BlockList
  /** How long a load balancer may take to send the header. Default 5 seconds. */
  readonly headerTimeout?: Duration.Input
}

/** Parses addresses and networks: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`. */
export const parseNetworks = (texts: ReadonlyArray<string>): Result.Result<Net.BlockList, AddressError> => {
  const networks = new Net.BlockList()
  for (const text of texts) {
    const [, host = "", bits] = /^([^/%]+)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text) ?? []
    const family = Net.isIP(host)
    const most = family === 4 ? 32 : 128
    if (family === 0 || Number(bits ?? 0) > most) {
      const message = `"${text}" is not an address or a network: expected for instance 10.0.0.7, 10.0.0.0/8 or fd00::/8`
      return Result.fail(new AddressError({ message }))
    }
    networks.addSubnet(host, Number(bits ?? most), family === 4 ? "ipv4" : "ipv6")
  }
  return Result.succeed(networks)
}

/** Reads the header, and gives the address of the client: the peer itself if the header names nobody. */
export const readClient = (
  socket: Net.Socket,
  peer: Endpoint,
  { from, headerTimeout = "5 seconds" }: ProxyProtocolOptions
): Effect.Effect<Endpoint, TransportError["reason"]> => {
  if (from !== undefined && !from.check(peer.host, Net.isIPv6(peer.host) ? "ipv6" : "ipv4")) {
    return Effect.succeed(peer)
  }
  let received = 0
  return firstBytes<ProxyHeader>(socket, (bytes) => {
    received = bytes.length
    return Result.mapError(readProxyHeader(bytes), (what) => new ProxyHeaderError({ what }))
  }).pipe(
    Effect.timeoutOrElse({
      duration: headerTimeout,
      orElse: () => {
        const seconds = Duration.toSeconds(headerTimeout)
        return fail(`the peer sent ${received} bytes of no complete header within ${seconds} s`)
      }
    }),
    Effect.map(({ client }) => client ?? peer)
  )
}

const fail = (what: string) => Effect.fail(new ProxyHeaderError({ what }))
