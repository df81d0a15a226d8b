/** The keys for the security of a server's connections: Noise with an authority key, or none. */
import { Schema } from "effect"
import { curveKeys } from "../server/curve.ts"
import { authoritySecretKey } from "./stratum.ts"
import { defaulted, optional } from "./key.ts"
import { toggle } from "./value.ts"

export const securityKeys = {
  authoritySecretKey: optional(authoritySecretKey, {
    description: "The secret key that signs this server's certificates; needed unless plain.",
    usual: true
  }),
  plain: defaulted(toggle, {
    description: "Serve without encryption and without proof of who serves: for trusted networks only.",
    default: false
  }),
  ...curveKeys
}

/** What is wrong with the values of these keys, if anything. */
export const securityProblem = ({
  authoritySecretKey,
  plain
}: {
  readonly authoritySecretKey?: unknown
  readonly plain: boolean
}): string | undefined => {
  if (plain && authoritySecretKey !== undefined) return "give authority-secret-key or plain, not both"
  if (plain || authoritySecretKey !== undefined) return undefined
  return (
    "--authority-secret-key or --authority-secret-key-file is missing: expected a secret key as " +
    "`sluice key generate` makes it, or --plain for a trusted network"
  )
}

/** A check for a Schema with these keys. */
export const oneSecurity = Schema.makeFilter(securityProblem)
