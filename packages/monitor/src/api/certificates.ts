/** Certificates that the program serves, with their ends. */
import { Schema } from "effect"
import { pageOf } from "./page.ts"

export const CertificateView = Schema.Struct({
  kind: Schema.Literals(["tls", "noise"]),
  /** The file, or for Noise the authority's public key. */
  name: Schema.String,
  /** Whom it is for; empty for Noise. */
  subject: Schema.String,
  /** Null if the file cannot be read, and for Noise: the server renews its certificates itself, and an authority key has no end. */
  validFrom: Schema.NullOr(Schema.Finite),
  validTo: Schema.NullOr(Schema.Finite)
})
export type CertificateView = typeof CertificateView.Type
export const Certificates = pageOf(CertificateView)
