/** Kinds of value of Stratum V2 and Bitcoin, decoded by the packages that define them. */
import { payoutScript } from "@sluice/mining-server"
import * as AuthorityKey from "@sluice/noise/authority-key"
import { parseEndpoint, parseNetworks, parseServerAddress, type ServerAddress } from "@sluice/transport"
import { Result } from "effect"
import { withoutUserinfo } from "./userinfo.ts"
import { defaulted } from "./key.ts"
import { list, string, text } from "./value.ts"

const V2_FORMS = "stratum2+tcp://HOST:PORT/AUTHORITYKEY, or stratum2+tcp+plain://HOST:PORT without encryption"
const MINING_FORMS =
  "stratum2+tcp://HOST:PORT/AUTHORITYKEY, stratum2+tcp+plain://HOST:PORT, stratum+tcp://HOST:PORT or stratum+ssl://HOST:PORT"

/** A server of Stratum V2 to connect to, with its authority key. */
export const serverUrl = text(
  {
    metavar: "URL",
    expected: V2_FORMS,
    isSentence: true
  },
  (input) => serverAddress(input)
)

/** Several servers of Stratum V2, the preferred one first. */
export const serverUrls = list(
  {
    metavar: "URL,...",
    expected: `a list of ${V2_FORMS}`,
    isSentence: true
  },
  ",",
  (input) => serverAddress(input)
)

/** A server of miners to connect to, of Stratum V2 or V1. */
export const miningServerUrl = text({ metavar: "URL", expected: MINING_FORMS, isSentence: true }, (input) =>
  miningServerAddress(input)
)

/** Several servers of miners, of Stratum V2 or V1, the preferred one first. */
export const miningServerUrls = list(
  { metavar: "URL,...", expected: `a list of ${MINING_FORMS}`, isSentence: true },
  ",",
  (input) => miningServerAddress(input)
)

/** The key of programs that may connect to a pool of Stratum V1. Pools use it for settings, not as a secret. */
export const v1PasswordKey = {
  password: defaulted(string({ metavar: "TEXT", expected: "a password" }, 255), {
    description: "The password for a Stratum V1 pool. Some pools read settings from it, such as d=512.",
    default: "x"
  })
}

/** Parses the address of a server of Stratum V2. */
export const serverAddress = (input: string): Result.Result<ServerAddress, string> =>
  Result.filterOrFail(
    miningServerAddress(input),
    ({ security }) => security._tag !== "v1",
    () => `"${input}" is the address of a Stratum V1 server: expected ${V2_FORMS}`
  )

/** Parses a server address. Its errors never show the user and password that URLs of other protocols may have. */
const miningServerAddress = (input: string): Result.Result<ServerAddress, string> =>
  input.includes("@")
    ? Result.fail(`"${withoutUserinfo(input)}" has a user before the @: a server's address has none`)
    : Result.mapError(parseServerAddress(input), ({ message }) => message)

/** Addresses and networks of load balancers. */
export const networks = list(
  {
    metavar: "NETWORK,...",
    expected: "a list of addresses and networks, such as 10.0.0.7, 10.0.0.0/8 or fd00::/8",
    isSentence: true
  },
  ",",
  (input) => Result.mapBoth(parseNetworks([input]), { onSuccess: () => input, onFailure: ({ message }) => message })
)

/** The secret key that signs certificates. */
export const authoritySecretKey = text(
  { metavar: "KEY", expected: "a secret key as `sluice key generate` makes it", secret: true, isSentence: true },
  (input) => Result.mapError(AuthorityKey.parseSecretKey(input), ({ message }) => message)
)

/** A payout output: an address or a descriptor. An address shows its network itself. */
export const payoutAddress = text(
  {
    metavar: "ADDRESS",
    expected: "a Bitcoin address, such as bcrt1q... on a development chain, or a descriptor such as wpkh(KEY)",
    isSentence: true
  },
  (input) => Result.map(payoutScriptOf(input), () => input)
)

/** Several payout outputs with percentages. */
export const payoutShares = list(
  {
    metavar: "PERCENT ADDRESS;...",
    expected: 'a list of percentages and addresses or descriptors, such as ["60 bc1q...", "40 wpkh(KEY)"]',
    isSentence: true
  },
  ";",
  (input) => {
    const [, percent, to = ""] = /^([0-9]+(?:\.[0-9]+)?) ?%? +(.+)$/.exec(input) ?? []
    if (percent === undefined) {
      return Result.fail(`${JSON.stringify(input)}: expected a percentage, a space, and an address or a descriptor`)
    }
    return Result.map(payoutScriptOf(to), () => ({ to, percent: Number(percent) }))
  }
)

/** The server that clients are sent to: another one, or this one again. */
export const reconnectTarget = text({ metavar: "HOST:PORT|here", expected: "HOST:PORT, or here" }, (input) =>
  input === "here" ? Result.succeed({ host: "", port: 0 }) : Result.mapError(parseEndpoint(input), () => "")
)

const payoutScriptOf = (to: string): Result.Result<Uint8Array, string> =>
  Result.mapError(payoutScript(to), (error) =>
    error._tag !== "AddressError"
      ? error.message
      : `${JSON.stringify(to)} is not a Bitcoin address of any network: a character is missing, mistyped or too many`
  )
