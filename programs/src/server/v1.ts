/** `--v1-listen`: miners that speak Stratum V1 beside those that speak Stratum V2. */
import {
  formatEndpoint,
  type Endpoint,
  type ListenError,
  mergeListeners,
  MiningListener,
  Tcp,
  Tls
} from "@sluice/transport"
import { Translator } from "@sluice/translator"
import { Effect, Layer, Schema, Struct } from "effect"
import { defaulted, kebab, optional } from "../config/key.ts"
import { fileOfAnother, fileToRead } from "../config/path.ts"
import { decimal, hostPort, whole } from "../config/value.ts"
import { announce } from "./announces.ts"
import { tcpOptions } from "./secured.ts"

export const v1Keys = {
  v1Listen: optional(hostPort, {
    description: "The address for miners that speak Stratum V1. There is none by default.",
    example: "127.0.0.1:3336"
  }),
  v1TlsListen: optional(hostPort, {
    description: "The address for miners that speak Stratum V1 over TLS. There is none by default.",
    example: "0.0.0.0:3443"
  }),
  v1TlsCertificate: optional(fileToRead("a file with a certificate as PEM"), {
    description:
      "The certificate for v1-tls-listen, with those between it and its authority. It is read again when it changes, and on SIGHUP.",
    example: "fullchain.pem"
  }),
  v1TlsKey: optional(fileOfAnother("a file with a secret key as PEM", { holdsSecret: true }), {
    description: "The secret key of v1-tls-certificate, without a passphrase.",
    example: "privkey.pem"
  }),
  v1HashRate: defaulted(decimal("N", 1, 1e24), {
    description:
      "The hash rate that a Stratum V1 miner is taken to have until its shares show another one, in hashes a second. Miners that ask for a difficulty begin with that.",
    option: "nominalHashRate",
    default: 1e12
  }),
  v1ExtranonceSize: defaulted(whole("BYTES", 2, 8), {
    description: "The bytes of extranonce2 that a Stratum V1 miner gets at least.",
    option: "extranonce2Size",
    default: 4
  })
}

/** The keys for addresses of a program with `v1Keys`, which must not be the same. */
export const listenKeys = ["listen", "v1Listen", "v1TlsListen", "metricsListen", "httpListen"] as const

/** A check for a Schema with `v1Keys`: TLS has all that it needs, or is off. */
export const wholeTls = Schema.makeFilter<Pick<V1Config, (typeof TLS_KEYS)[number]>>((config) => {
  const missing = TLS_KEYS.filter((key) => config[key] === undefined)
  if (missing.length === 0 || missing.length === TLS_KEYS.length) return undefined
  return `${missing.map(kebab).join(", ")}: missing; TLS for Stratum V1 needs ${TLS_KEYS.map(kebab).join(", ")} together`
})

const TLS_KEYS = ["v1TlsListen", "v1TlsCertificate", "v1TlsKey"] as const

export interface V1Config {
  readonly v1Listen?: Endpoint
  readonly v1TlsListen?: Endpoint
  readonly v1TlsCertificate?: string
  readonly v1TlsKey?: string
  readonly v1HashRate: number
  readonly v1ExtranonceSize: number
  readonly maxConnections?: number
  readonly maxConnectionsPerAddress?: number
  readonly maxHandshakesPerSecond?: number
  readonly proxyProtocol?: ReadonlyArray<string>
  readonly maxMessagesPerSecond?: number
  readonly maxErrorsPerSecond?: number
  readonly workers?: number
}

/** The listener of V2, and beside it those for V1 that the configuration has an address for. */
export const withV1 = <E, R>(
  name: string,
  config: V1Config,
  v2: Layer.Layer<MiningListener, E, R>
): Layer.Layer<MiningListener, E | ListenError | Tls.CertificateError | Translator.ListenerOptionError, R> => {
  const { v1Listen, v1TlsCertificate, v1TlsKey, v1TlsListen } = config
  const v1 = (scheme: string) => {
    const announced = Layer.effectDiscard(
      Effect.flatMap(MiningListener, ({ address }) =>
        announce(`The ${name} listens for Stratum V1: connect to ${scheme}://${formatEndpoint(address)}`)
      )
    )
    const translator = Translator.listener({
      nominalHashRate: config.v1HashRate,
      extranonce2Size: config.v1ExtranonceSize,
      ...Struct.pick(config, ["maxMessagesPerSecond", "maxErrorsPerSecond"])
    })
    return Layer.provideMerge(announced, translator)
  }
  const tcp =
    v1Listen === undefined ? [] : [Layer.provide(v1("stratum+tcp"), Tcp.listener(tcpOptions(v1Listen, config)))]
  const limits = Struct.pick(config, ["maxHandshakesPerSecond"])
  const secured =
    v1TlsListen === undefined || v1TlsCertificate === undefined || v1TlsKey === undefined
      ? []
      : [
          Layer.provide(
            v1("stratum+ssl"),
            Tls.listener(tcpOptions(v1TlsListen, config), { certificate: v1TlsCertificate, key: v1TlsKey, ...limits })
          )
        ]
  return mergeListeners(MiningListener, [v2, ...tcp, ...secured])
}

/** Warns of firmware that cannot take a coinbase of this size, before such a miner connects. */
export const warnOfCoinbase = (
  { v1Listen, v1TlsListen }: Pick<V1Config, "v1Listen" | "v1TlsListen">,
  bytes: number
): Effect.Effect<void> => {
  const names = v1Listen === undefined && v1TlsListen === undefined ? [] : Translator.firmwareBelow(bytes)
  if (names.length === 0) return Effect.void
  const advice = "miners with it find nothing, or crash; pay fewer outputs (coinbase-outputs)"
  return Effect.logWarning(
    `The coinbase has up to ${bytes} bytes, more than ${names.join(" and ")} firmware takes: ${advice}`
  )
}
