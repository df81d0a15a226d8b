/** A certificate or a key cannot be used. */
import { Schema } from "effect"

export class CertificateError extends Schema.TaggedError<CertificateError>("sluice/transport/CertificateError")(
  "CertificateError",
  {
    /** Says which file or text it is about, what is wrong, and what was expected. */
    message: Schema.String
  }
) {}
