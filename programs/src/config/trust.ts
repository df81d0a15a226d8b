/** The keys for the servers of Stratum V1 over TLS (`stratum+ssl://`) that a client trusts. */
import { Tls } from "@sluice/transport"
import { Effect, type FileSystem, Result } from "effect"
import { ProgramError } from "../command/report.ts"
import { defaulted, optional } from "./key.ts"
import { fileToRead } from "./path.ts"
import { readText } from "./read-text.ts"
import { list, toggle } from "./value.ts"

export const trustKeys = {
  tlsAuthority: optional(fileToRead("a file with certificates as PEM"), {
    description:
      "The certificates of authorities to trust for stratum+ssl://, in place of the well-known ones. For a server with an authority of its own.",
    example: "authority.pem"
  }),
  tlsFingerprint: optional(
    list(
      { metavar: "SHA256,...", expected: "a list of SHA-256 fingerprints, 64 hex digits each", isSentence: true },
      ",",
      (input) =>
        Result.mapBoth(Tls.serverTrust({ fingerprints: [input] }), {
          onSuccess: () => input,
          onFailure: ({ message }) => message
        })
    ),
    {
      description:
        "The fingerprints of the only certificates to trust for stratum+ssl://, whatever their names and dates. `openssl x509 -noout -fingerprint -sha256` prints that of a certificate.",
      example: ["8B1A9953C4611296A827ABF8C47804D7B0F4A2E3C1D5968778695A4B3C2D1E0F"]
    }
  ),
  tlsInsecure: defaulted(toggle, {
    description:
      "Trust any certificate for stratum+ssl://: encrypted, but with whom is not known. For tests and own networks only.",
    default: false
  })
}

export interface TrustConfig {
  readonly tlsAuthority?: string
  readonly tlsFingerprint?: ReadonlyArray<string>
  readonly tlsInsecure: boolean
}

/** What the configuration trusts. */
export const trustOf = (
  program: string,
  { tlsAuthority, tlsFingerprint, tlsInsecure }: TrustConfig
): Effect.Effect<Tls.ServerTrust, ProgramError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const authorities = tlsAuthority === undefined ? undefined : [yield* readText(tlsAuthority)]
    if (tlsInsecure) yield* Effect.logWarning("Any server is trusted over TLS (tls-insecure), whoever it is")
    return yield* Effect.mapError(
      Effect.fromResult(
        Tls.serverTrust({
          insecure: tlsInsecure,
          ...(authorities === undefined ? {} : { authorities }),
          ...(tlsFingerprint === undefined ? {} : { fingerprints: tlsFingerprint })
        })
      ),
      ({ message }) => `${tlsAuthority}: ${message}`
    )
  }).pipe(Effect.mapError((message) => new ProgramError({ program, message })))
