/** The certificates that a program serves, read from their files each time. */
import { Effect } from "effect"
import { X509Certificate } from "node:crypto"
import { readFile } from "node:fs/promises"
import type { CertificateView } from "../api/certificates.ts"

export const makeCertificates = (
  files: ReadonlyArray<string>,
  authorityKey: string | undefined
): Effect.Effect<ReadonlyArray<CertificateView>> => {
  const noise: ReadonlyArray<CertificateView> =
    authorityKey === undefined
      ? []
      : [{ kind: "noise", name: authorityKey, subject: "", validFrom: null, validTo: null }]
  return Effect.promise(async () => [...(await Promise.all(files.map(certificateIn))), ...noise])
}

const certificateIn = async (path: string): Promise<CertificateView> => {
  try {
    const { subject, subjectAltName, validFromDate, validToDate } = new X509Certificate(await readFile(path))
    return {
      kind: "tls",
      name: path,
      subject: subjectAltName ?? subject,
      validFrom: validFromDate.getTime(),
      validTo: validToDate.getTime()
    }
  } catch {
    // The listener says what is wrong with a file that is no certificate.
    return { kind: "tls", name: path, subject: "", validFrom: null, validTo: null }
  }
}
