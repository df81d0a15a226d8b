/** The floor of frames of a server, as its configuration secures it. */
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import {
  type Endpoint,
  formatServerAddress,
  FrameListener,
  type ListenError,
  Noise,
  Plain,
  Tcp
} from "@sluice/transport"
import { Effect, Layer, type Redacted } from "effect"

export interface SecuredConfig {
  readonly listen: Endpoint
  /** Without it connections are not encrypted; config/security.ts asks for one or the other. */
  readonly authoritySecretKey?: Redacted.Redacted<Uint8Array>
}

/** Listens on TCP, with Noise where there is an authority's key, and logs where clients connect to. */
export const secured = (
  name: string,
  { listen, authoritySecretKey }: SecuredConfig
): Layer.Layer<FrameListener, ListenError> => {
  const frames =
    authoritySecretKey === undefined
      ? Plain.listener
      : Noise.responder().pipe(Layer.provide(CertificateAuthority.layer({ secretKey: authoritySecretKey })))
  return announced(name, authoritySecretKey).pipe(Layer.provideMerge(frames), Layer.provide(Tcp.listener(listen)))
}

const announced = (name: string, authoritySecretKey: SecuredConfig["authoritySecretKey"]) =>
  Layer.effectDiscard(
    Effect.flatMap(FrameListener, ({ address }) => {
      const url = formatServerAddress({ ...address, security: securityOf(authoritySecretKey) })
      return Effect.logInfo(`The ${name} listens: connect to ${url}`)
    })
  )

/** What clients have to know of a server's security. */
export const securityOf = (authoritySecretKey: SecuredConfig["authoritySecretKey"]) =>
  authoritySecretKey === undefined
    ? ({ _tag: "plain" } as const)
    : ({ _tag: "noise", authorityKey: AuthorityKey.publicKeyOf(authoritySecretKey) } as const)
