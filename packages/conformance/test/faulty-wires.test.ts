/** Servers that are wrong below messages, in a few lines each: what they do is found by the name of the rule that it breaks. */
import { describe, expect, it } from "@effect/vitest"
import { FrameLayout, Handshake } from "@sluice/core"
import { AuthorityKey, CertificateAuthority, type Credentials, NobleCurve } from "@sluice/noise"
import { Common, Frame } from "@sluice/protocol"
import { type Duplex, Listener, Memory, type TransportError } from "@sluice/transport"
import { Effect, Logger, Redacted } from "effect"
import { Conformance } from "../src/index.ts"

type Handler = (duplex: Duplex, credentials: Credentials) => Effect.Effect<void, TransportError>

interface Server {
  /** The end of the sentence "a server that ...". */
  readonly does: string
  readonly noise: boolean
  readonly handler: Handler
  readonly breaks: string
}

const success = Common.SetupConnectionSuccess.codec.encode(
  Common.SetupConnectionSuccess.make({ usedVersion: Common.PROTOCOL_VERSION, flags: 0 })
)

/** Answers what a read gave. */
const onRead =
  (answer: (chunk: Uint8Array) => Uint8Array | undefined): Handler =>
  (duplex) =>
    Effect.forever(
      Effect.flatMap(duplex.pull, (chunks) =>
        Effect.forEach(chunks, (chunk) => {
          const bytes = answer(chunk)
          return bytes === undefined ? Effect.void : duplex.write(() => bytes)
        })
      )
    )

/** Makes the handshake as it should, and answers whatever comes behind it. */
const withHandshake =
  (answer: (sealed: Uint8Array) => Uint8Array | undefined): Handler =>
  (duplex, { certificate, staticKey, staticSecret }) =>
    Effect.gen(function* () {
      const [act1] = yield* duplex.pull
      const responder = new Handshake.Responder(new NobleCurve(), Redacted.value(staticSecret), staticKey, certificate)
      const act2 = new Uint8Array(Handshake.ACT2_SIZE)
      responder.respond(act1, 0, secret, secret, act2, 0)
      yield* duplex.write(() => act2)
      yield* onRead(() => {
        const sealed = new Uint8Array(FrameLayout.ENCRYPTED_HEADER_SIZE + success.length - Frame.headerSize + 16)
        responder.send.sealFrame(success, 0, sealed, 0)
        return answer(sealed)
      })(duplex, { certificate, staticKey, staticSecret, validFrom: 0, notValidAfter: 0 })
    })

const secret = new Uint8Array(32).fill(7)

const servers: ReadonlyArray<Server> = [
  {
    does: "takes a frame's beginning for all of it",
    noise: false,
    handler: onRead(() => success),
    breaks: "frames.too-long"
  },
  {
    does: "takes each read for a frame",
    noise: false,
    handler: onRead((chunk) => (Frame.read(chunk) === undefined ? undefined : success)),
    breaks: "frames.in-pieces"
  },
  {
    does: "sets up as often as it is asked to",
    noise: false,
    handler: onRead((chunk) => (Frame.read(chunk) === undefined ? undefined : success)),
    breaks: "setup.once"
  },
  {
    does: "answers act 1 before all of it is there",
    noise: true,
    handler: onRead(() => new Uint8Array(Handshake.ACT2_SIZE)),
    breaks: "noise.act-size"
  },
  {
    does: "speaks without Noise to those who do",
    noise: true,
    handler: onRead((chunk) => (chunk.length === Handshake.ACT1_SIZE ? undefined : success)),
    breaks: "noise.required"
  },
  {
    does: "does not look at the tags of frames",
    noise: true,
    handler: withHandshake((sealed) => sealed),
    breaks: "frames.bad-tag"
  },
  {
    does: "passes over what it cannot decrypt",
    noise: true,
    handler: withHandshake(() => undefined),
    breaks: "frames.garbage"
  }
]

const failedOf = ({ breaks, handler, noise }: Server) =>
  Effect.gen(function* () {
    const { publicKey, secretKey } = yield* AuthorityKey.generate
    const credentials = yield* Effect.flatMap(
      CertificateAuthority.make({ secretKey }),
      ({ credentials }) => credentials
    )
    const { run } = yield* Listener
    yield* Effect.forkScoped(run((duplex) => handler(duplex, credentials)))
    const results = yield* Conformance.run({
      server: {
        ...Memory.ADDRESS,
        security: noise ? { _tag: "noise", authorityKey: publicKey } : { _tag: "plain" }
      },
      protocol: "mining",
      only: [breaks],
      answerTimeout: "500 millis",
      quietTime: "500 millis"
    })
    return results.filter(({ verdict }) => verdict._tag === "Failed").map(({ id }) => id)
  }).pipe(Effect.scoped, Effect.provide(Memory.network()), Effect.provide(Logger.layer([])))

describe.concurrent("a server that", () => {
  for (const server of servers) {
    it.live(`${server.does} breaks ${server.breaks}`, () =>
      Effect.map(failedOf(server), (failed) => {
        expect(failed).toEqual([server.breaks])
      })
    )
  }
})
