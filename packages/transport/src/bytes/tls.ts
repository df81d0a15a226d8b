/**
 * TLS, for Stratum V1 (`stratum+ssl://`). A server has a certificate from files: `Tls.listener`, or `Tcp.listener` with the `tls`
 * of a `serverCertificate`. A client dials with TLS where the address says so (`stratum+ssl://`), and checks the server's certificate
 * as `serverTrust` says.
 */
import { Effect, Layer } from "effect"
import type { ListenError } from "../error.ts"
import type { Listener } from "./duplex.ts"
import * as Tcp from "./tcp.ts"
import type { CertificateError } from "./tls/certificate-error.ts"
import { type CertificateFiles, serverCertificate } from "./tls/server-certificate.ts"
import type { ServerHandshakeOptions } from "./tls/server-handshake.ts"

export { CertificateError } from "./tls/certificate-error.ts"
export { type CertificateFiles, type ServerCertificate, serverCertificate } from "./tls/server-certificate.ts"
export type { ServerHandshakeOptions } from "./tls/server-handshake.ts"
export { type ServerTrust, serverTrust, type TrustOptions } from "./tls/server-trust.ts"

/** Listens with TLS, with the certificate and the key in these files. */
export const listener = (
  options: Omit<Tcp.ListenerOptions, "tls">,
  files: CertificateFiles & ServerHandshakeOptions
): Layer.Layer<Listener, ListenError | CertificateError> =>
  Layer.unwrap(Effect.map(serverCertificate(files), (tls) => Tcp.listener({ ...options, tls: { ...files, ...tls } })))
