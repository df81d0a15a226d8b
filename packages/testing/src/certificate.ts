/** X.509 certificates for tests of TLS: a P-256 key, and a certificate in DER (RFC 5280) that is signed with it or an authority's. */
import * as Crypto from "node:crypto"

export interface TestCertificate {
  /** The certificate as PEM. */
  readonly certificate: string
  /** The secret key as PEM. */
  readonly key: string
  readonly fingerprint: string
  readonly name: string
}

export interface CertificateRequest {
  /** DNS names and IPv4 addresses. Default localhost and 127.0.0.1. */
  readonly names?: ReadonlyArray<string>
  readonly from?: Date
  readonly to?: Date
  /** Signs the certificate; without it, the certificate signs itself. */
  readonly issuer?: TestCertificate
}

const DAY = 86_400_000

export const makeCertificate = (request: CertificateRequest = {}): TestCertificate => {
  const { names = ["localhost", "127.0.0.1"], issuer } = request
  const { from = new Date(Date.now() - DAY), to = new Date(Date.now() + 30 * DAY) } = request
  const { privateKey, publicKey } = Crypto.generateKeyPairSync("ec", { namedCurve: "P-256" })
  const name = `test ${Crypto.randomBytes(4).toString("hex")}`
  const algorithm = sequence(oid("2a8648ce3d040302")) // ecdsa-with-SHA256
  const isAuthority = sequence(oid("551d13"), octets(sequence(der(0x01, Buffer.of(0xff)))))
  const alternatives = sequence(oid("551d11"), octets(sequence(...names.map(generalName))))
  const content = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.concat([Buffer.of(1), Crypto.randomBytes(8)])),
    algorithm,
    nameOf(issuer?.name ?? name),
    sequence(time(from), time(to)),
    nameOf(name),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(isAuthority, alternatives))
  )
  const signature = Crypto.sign("sha256", content, issuer?.key ?? privateKey)
  const certificate = sequence(content, algorithm, der(0x03, Buffer.concat([Buffer.of(0), signature])))
  const { fingerprint256 } = new Crypto.X509Certificate(certificate)
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${certificate.toString("base64")}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    fingerprint: fingerprint256,
    name
  }
}

const der = (tag: number, content: Uint8Array): Buffer => {
  const size = content.length
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.of(tag, ...length), content])
}
const sequence = (...parts: ReadonlyArray<Uint8Array>): Buffer => der(0x30, Buffer.concat(parts))
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, "hex"))
const octets = (content: Uint8Array): Buffer => der(0x04, content)
const nameOf = (text: string): Buffer => sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(text)))))
const time = (date: Date): Buffer => der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]|\..*/g, "")}Z`))
const generalName = (name: string): Buffer =>
  /^[0-9.]+$/.test(name) ? der(0x87, Buffer.from(name.split(".").map(Number))) : der(0x82, Buffer.from(name))
