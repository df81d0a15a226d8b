/** Where a Reconnect of an upstream leads (specification, section 3.6.5). */
import { isHost, type ServerAddress } from "@sluice/transport"

/**
 * The server to connect to; `undefined` if the message must not be followed. The next server must prove the same authority key, which
 * only Noise can, so a plain connection goes to no other host. An empty host or port 0 is the present one. A text
 * that is no host's name is not dialed.
 */
export const redirected = (present: ServerAddress, host: string, port: number): ServerAddress | undefined => {
  if (host !== "" && !isHost(host)) return undefined
  const next = { ...present, host: host === "" ? present.host : host, port: port === 0 ? present.port : port }
  return present.security._tag === "plain" && next.host !== present.host ? undefined : next
}
