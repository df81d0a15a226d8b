/** The kinds of value that Stratum V2 and Bitcoin have, decoded by the packages that know them. */
import * as AuthorityKey from "@sluice/noise/authority-key"
import { payoutScript } from "@sluice/pool"
import { parseEndpoint, parseServerAddress, type ServerAddress } from "@sluice/transport"
import { Result } from "effect"
import { withoutUserinfo } from "./userinfo.ts"
import { list, text } from "./value.ts"

/** A server to connect to, with the authority key it is trusted by. */
export const serverUrl = text(
  {
    metavar: "URL",
    expected: "stratum2+tcp://HOST:PORT/AUTHORITYKEY, or stratum2+tcp+plain://HOST:PORT without encryption",
    tellsAll: true
  },
  (input) => serverAddress(input)
)

/** Several of them, the preferred one first. */
export const serverUrls = list(
  {
    metavar: "URL,...",
    expected: "a list of stratum2+tcp://HOST:PORT/AUTHORITYKEY, or stratum2+tcp+plain://HOST:PORT without encryption",
    tellsAll: true
  },
  ",",
  (input) => serverAddress(input)
)

/** Other protocols' URLs have a user and a password; they are not repeated. */
const serverAddress = (input: string): Result.Result<ServerAddress, string> =>
  input.includes("@")
    ? Result.fail(`"${withoutUserinfo(input)}" has a user before the @: a server's address has none`)
    : Result.mapError(parseServerAddress(input), ({ message }) => message)

/** The secret key that certificates are signed with. */
export const authoritySecretKey = text(
  { metavar: "KEY", expected: "a secret key as `sluice key generate` makes it", secret: true, tellsAll: true },
  (input) => Result.mapError(AuthorityKey.parseSecretKey(input), ({ message }) => message)
)

/** Who is paid: an address, which itself says which network it is of, or a descriptor. */
export const payee = text(
  {
    metavar: "ADDRESS",
    expected: "a Bitcoin address, such as bcrt1q... on a development chain, or a descriptor such as wpkh(KEY)",
    tellsAll: true
  },
  (input) => Result.map(payeeOf(input), () => input)
)

/** Several who are paid, with percentages. */
export const payees = list(
  {
    metavar: "PERCENT ADDRESS;...",
    expected: 'a list of percentages and addresses or descriptors, such as ["60 bc1q...", "40 wpkh(KEY)"]',
    tellsAll: true
  },
  ";",
  (input) => {
    const [, percent, to = ""] = /^([0-9]+(?:\.[0-9]+)?) ?%? +(.+)$/.exec(input) ?? []
    if (percent === undefined) {
      return Result.fail(`${JSON.stringify(input)}: expected a percentage, a space, and an address or a descriptor`)
    }
    return Result.map(payeeOf(to), () => ({ to, percent: Number(percent) }))
  }
)

/** Where clients are sent: another server, or the same one again. */
export const reconnectTarget = text({ metavar: "HOST:PORT|here", expected: "HOST:PORT, or here" }, (input) =>
  input === "here" ? Result.succeed({ host: "", port: 0 }) : Result.mapError(parseEndpoint(input), () => "")
)

const payeeOf = (to: string): Result.Result<Uint8Array, string> =>
  Result.mapError(payoutScript(to), (error) =>
    error._tag !== "AddressError"
      ? error.message
      : `${JSON.stringify(to)} is not a Bitcoin address of any network: a character is missing, mistyped or too many`
  )
