/**
 * The certificate of a TLS server, from files. They are read again when they change and on SIGHUP, so that a renewed certificate
 * needs no restart. If the new files cannot be used, the server keeps the certificate that it has.
 */
import { Clock, Duration, Effect, Queue, type Scope } from "effect"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Tls from "node:tls"
import { CertificateError } from "./certificate-error.ts"

export interface CertificateFiles {
  /** The path of the certificate, and of those between it and the authority, as PEM. */
  readonly certificate: string
  /** The path of its secret key, as PEM. */
  readonly key: string
}

/** Gives what new connections are to be secured with. */
export interface ServerCertificate {
  readonly context: () => Tls.SecureContext
}

/** How often the files are looked at. */
const INTERVAL = Duration.seconds(10)

/** Reads the files, and follows them until the Scope closes. Fails if they cannot be used at first. */
export const serverCertificate = (
  files: CertificateFiles
): Effect.Effect<ServerCertificate, CertificateError, Scope.Scope> =>
  Effect.gen(function* () {
    let seen = yield* stampOf(files)
    let current = yield* load(files)
    const hangUps = yield* Queue.sliding<void>(1)
    const onHangUp = () => void Queue.offerUnsafe(hangUps, undefined)
    // A signal without a listener would end the process.
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("SIGHUP", onHangUp)),
      () => Effect.sync(() => process.off("SIGHUP", onHangUp))
    )
    const renew = (isAsked: boolean) =>
      Effect.gen(function* () {
        const stamp = yield* stampOf(files)
        if (stamp === seen && !isAsked) return
        seen = stamp
        current = yield* load(files)
      }).pipe(
        Effect.catch(({ message }) =>
          Effect.logError(`${message}; the TLS certificate that was read before stays in use`)
        )
      )
    yield* Effect.raceFirst(Effect.as(Queue.take(hangUps), true), Effect.as(Effect.sleep(INTERVAL), false)).pipe(
      Effect.flatMap(renew),
      Effect.forever,
      Effect.forkScoped
    )
    return { context: () => current }
  })

const load = Effect.fnUntraced(function* (files: CertificateFiles) {
  const pem = yield* read(files.certificate)
  const key = yield* read(files.key)
  const certificate = yield* attempt(
    () => new Crypto.X509Certificate(pem),
    `${files.certificate} is not a certificate: expected one that begins with -----BEGIN CERTIFICATE-----`
  )
  const secretKey = yield* attempt(
    () => Crypto.createPrivateKey(key),
    `${files.key} is not a secret key: expected one without a passphrase that begins with -----BEGIN PRIVATE KEY-----`
  )
  if (!certificate.checkPrivateKey(secretKey)) {
    const message = `the key in ${files.key} is not that of the certificate in ${files.certificate}`
    return yield* new CertificateError({ message })
  }
  const context = yield* attempt(
    () => Tls.createSecureContext({ cert: pem, key, secureOptions: Crypto.constants.SSL_OP_NO_RENEGOTIATION }),
    `the certificate in ${files.certificate} cannot be used`
  )
  const names = certificate.subjectAltName ?? certificate.subject
  const now = yield* Clock.currentTimeMillis
  const isValid = certificate.validFromDate.getTime() <= now && now < certificate.validToDate.getTime()
  const what = `The TLS certificate in ${files.certificate} is for ${names}, from ${certificate.validFrom} to ${certificate.validTo}`
  yield* isValid ? Effect.logInfo(what) : Effect.logWarning(`${what}, and not valid now: clients will refuse it`)
  return context
})

/** Differs when one of the files has been written or replaced. */
const stampOf = (files: CertificateFiles): Effect.Effect<string> =>
  Effect.promise(async () => {
    const stamps = await Promise.all(
      [files.certificate, files.key].map((path) =>
        Fs.stat(path).then(
          ({ ino, mtimeMs, size }) => `${ino} ${mtimeMs} ${size}`,
          () => "none"
        )
      )
    )
    return stamps.join(", ")
  })

const read = (path: string): Effect.Effect<Buffer, CertificateError> =>
  Effect.tryPromise({
    try: () => Fs.readFile(path),
    catch: (error) => new CertificateError({ message: `${path} cannot be read: ${(error as Error).message}` })
  })

const attempt = <A>(make: () => A, otherwise: string): Effect.Effect<A, CertificateError> =>
  Effect.try({
    try: make,
    catch: (error) => new CertificateError({ message: `${otherwise} (${(error as Error).message})` })
  })
