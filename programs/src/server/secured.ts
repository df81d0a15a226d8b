/** The frames of a server, encrypted or not as its configuration says. */
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import {
  type Endpoint,
  formatServerAddress,
  FrameListener,
  type ListenError,
  Noise,
  parseNetworks,
  Plain,
  Tcp
} from "@sluice/transport"
import { Effect, Layer, type Redacted, Result, Struct } from "effect"
import { announce } from "./announces.ts"
import { type CurveName, layerCurveNamed, layerHandshakeThreads } from "./curve.ts"

export interface SecuredConfig {
  readonly listen: Endpoint
  /** If absent, connections are not encrypted. config/security.ts makes sure that the operator chose one. */
  readonly authoritySecretKey?: Redacted.Redacted<Uint8Array>
  readonly curve: CurveName
  /** Threads for handshakes. Default 0. */
  readonly handshakeThreads?: number
  readonly maxHandshakesPerSecond?: number
  readonly maxConnections?: number
  readonly maxConnectionsPerAddress?: number
  /** Networks of load balancers (the PROXY protocol). */
  readonly proxyProtocol?: ReadonlyArray<string>
  /** How many processes serve together; each has its part of the bytes that may wait for readers. */
  readonly workers?: number
}

/** Listens on TCP, with Noise if there is an authority key, and logs the URL for clients. */
export const secured = (name: string, config: SecuredConfig): Layer.Layer<FrameListener, ListenError> => {
  const { authoritySecretKey, curve, handshakeThreads = 0, listen } = config
  const frames =
    authoritySecretKey === undefined
      ? Plain.listener
      : Noise.responder(Struct.pick(config, ["maxHandshakesPerSecond"])).pipe(
          Layer.provide(CertificateAuthority.layer({ secretKey: authoritySecretKey })),
          Layer.provide([layerCurveNamed(curve), layerHandshakeThreads(curve, handshakeThreads)])
        )
  const tcp = Tcp.listener(tcpOptions(listen, config))
  return announced(name, authoritySecretKey).pipe(Layer.provideMerge(frames), Layer.provide(tcp))
}

/** The options of a listener for miners at one of the addresses of the configuration. */
export const tcpOptions = (
  address: Endpoint,
  config: Pick<SecuredConfig, "maxConnections" | "maxConnectionsPerAddress" | "proxyProtocol" | "workers">
): Tcp.ListenerOptions => ({
  ...address,
  maxUnreadBytes: Math.ceil(Tcp.defaultMaxUnreadBytes / (config.workers ?? 1)),
  ...Struct.pick(config, ["maxConnections", "maxConnectionsPerAddress"]),
  ...(config.proxyProtocol === undefined
    ? {}
    : { proxyProtocol: { from: Result.getOrThrow(parseNetworks(config.proxyProtocol)) } })
})

const announced = (name: string, authoritySecretKey: SecuredConfig["authoritySecretKey"]) =>
  Layer.effectDiscard(
    Effect.flatMap(FrameListener, ({ address }) => {
      const url = formatServerAddress({ ...address, security: securityOf(authoritySecretKey) })
      return announce(`The ${name} listens: connect to ${url}`)
    })
  )

/** The security part of the URL for clients. */
export const securityOf = (authoritySecretKey: SecuredConfig["authoritySecretKey"]) =>
  authoritySecretKey === undefined
    ? ({ _tag: "plain" } as const)
    : ({ _tag: "noise", authorityKey: AuthorityKey.publicKeyOf(authoritySecretKey) } as const)
