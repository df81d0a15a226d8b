/** What `npm run fuzz` throws at what people write: keys of authorities, addresses of servers. */
import { AuthorityKey } from "@sluice/noise"
import { formatEndpoint, formatServerAddress, parseEndpoint, parseServerAddress } from "@sluice/transport"
import { Result } from "effect"
import { ok } from "node:assert/strict"
import { isDeepStrictEqual } from "node:util"
import type { FuzzTarget } from "./target.ts"

const text = (input: Uint8Array): string => new TextDecoder("latin1").decode(input)
const latin1 = (input: string): Uint8Array => Uint8Array.from(Buffer.from(input, "latin1"))
const publicKey = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh"

const runKeys = (input: Uint8Array): void => {
  const key = text(input)
  const parsed = AuthorityKey.parsePublicKey(key)
  if (Result.isSuccess(parsed)) ok(AuthorityKey.formatPublicKey(parsed.success) === key, "a public key changes")
  const secretKey = AuthorityKey.parseSecretKey(key)
  if (Result.isSuccess(secretKey)) ok(AuthorityKey.formatSecretKey(secretKey.success) === key, "a secret key changes")
}

const runAddresses = (input: Uint8Array): void => {
  const url = text(input)
  const server = parseServerAddress(url)
  if (Result.isSuccess(server)) {
    const again = parseServerAddress(formatServerAddress(server.success))
    ok(Result.isSuccess(again) && isDeepStrictEqual(again.success, server.success), "a server's address changes")
  }
  const endpoint = parseEndpoint(url)
  if (Result.isSuccess(endpoint)) {
    const again = parseEndpoint(formatEndpoint(endpoint.success))
    ok(Result.isSuccess(again) && isDeepStrictEqual(again.success, endpoint.success), "an endpoint changes")
  }
}

export const keysTarget: FuzzTarget = {
  name: "keys",
  run: runKeys,
  seeds: () => [latin1(publicKey), latin1("mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n")]
}

export const addressesTarget: FuzzTarget = {
  name: "addresses",
  run: runAddresses,
  seeds: () =>
    [
      `stratum2+tcp://pool.example:3333/${publicKey}`,
      "stratum2+tcp+plain://[::1]:1",
      "stratum+tcp://pool.example:3333",
      "stratum+tls://a:1/",
      "127.0.0.1:65535"
    ].map(latin1)
}
