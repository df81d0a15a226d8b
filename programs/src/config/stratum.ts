/** The kinds of value that Stratum V2 and Bitcoin have, decoded by the packages that know them. */
import { AuthorityKey } from "@sluice/noise"
import { payoutScript } from "@sluice/pool"
import { parseServerAddress } from "@sluice/transport"
import { Result } from "effect"
import { text } from "./value.ts"

/** A server to connect to, with the authority key it is trusted by. */
export const serverUrl = text(
  {
    metavar: "URL",
    expected: "stratum2+tcp://HOST:PORT/AUTHORITYKEY, or stratum2+tcp+plain://HOST:PORT without encryption",
    tellsAll: true
  },
  (input) => Result.mapError(parseServerAddress(input), ({ message }) => message)
)

/** The secret key that certificates are signed with. */
export const authoritySecretKey = text(
  { metavar: "KEY", expected: "a secret key as `sluice key generate` makes it", secret: true, tellsAll: true },
  (input) => Result.mapError(AuthorityKey.parseSecretKey(input), ({ message }) => message)
)

/** An address to pay; the address itself says which network it is of. */
export const address = text(
  { metavar: "ADDRESS", expected: "a Bitcoin address, such as bcrt1q... on a development chain", tellsAll: true },
  (input) =>
    Result.mapBoth(payoutScript(input), {
      onFailure: () =>
        `${JSON.stringify(input)} is not a Bitcoin address of any network: a character is missing, mistyped or too many`,
      onSuccess: () => input
    })
)
