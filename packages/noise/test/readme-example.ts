import { AuthorityKey, Certificate, CertificateAuthority } from "@sluice/noise"
import { Console, Effect } from "effect"

const program = Effect.gen(function* () {
  const authority = yield* AuthorityKey.generate
  yield* Console.log(`stratum2+tcp://pool.example:3333/${AuthorityKey.formatPublicKey(authority.publicKey)}`)

  const { credentials } = yield* CertificateAuthority.make({ secretKey: authority.secretKey, validity: "1 hour" })
  const { certificate } = yield* credentials
  const { notValidAfter, validFrom } = Certificate.decode(certificate)
  yield* Console.log(`a certificate for ${notValidAfter - validFrom} s, clocks that are a minute slow included`)
})

await Effect.runPromise(program)
