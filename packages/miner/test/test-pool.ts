/** A small pool around the server's machine, on a real socket with Noise. */
import { defaultExtranonceLayout, ExtranonceSpace, Server } from "@sluice/channels"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import type { TemplateDistribution } from "@sluice/protocol"
import { MiningListener, Noise, type ServerAddress, Setup, Tcp } from "@sluice/transport"
import { Clock, Context, Effect, Layer, References, Stream } from "effect"
import { bytes } from "./work-fixture.ts"

const template = (templateId: bigint): TemplateDistribution.NewTemplate => ({
  _tag: "NewTemplate",
  templateId,
  futureTemplate: true,
  version: 0x20000000,
  coinbaseTxVersion: 2,
  coinbasePrefix: Uint8Array.of(2, 0x9f, 0),
  coinbaseTxInputSequence: 0xfffffffe,
  coinbaseTxValueRemaining: 5_000_000_000n,
  coinbaseTxOutputsCount: 0,
  coinbaseTxOutputs: bytes(0, 0),
  coinbaseTxLocktime: 158,
  merklePath: [bytes(0x11), bytes(0x22)]
})

export class TestPool extends Context.Service<
  TestPool,
  {
    readonly server: ServerAddress
    /** A new block: other work for all. */
    readonly newBlock: Effect.Effect<void>
    readonly events: ReadonlyArray<Server.ChannelEvent>
  }
>()("test/TestPool") {}

const makePool = (authorityKey: Uint8Array) =>
  Layer.effect(
    TestPool,
    Effect.gen(function* () {
      const listener = yield* MiningListener
      const clock = yield* Clock.Clock
      const now = () => clock.currentTimeMillisUnsafe()
      const policy = { ...Server.defaultChannelPolicy, sharesPerMinute: 600 }
      const jobs = new Server.Jobs({
        coinbase: {
          tags: new Uint8Array(),
          extranonceSize: defaultExtranonceLayout.fullSize,
          payout: (value) => [{ value, script: Uint8Array.of(0x51) }],
          versionRollingAllowed: true
        },
        firstJobId: 1
      })
      const context = { jobs, space: new ExtranonceSpace(), judge: new Server.ShareJudge(policy), policy }
      const connections = new Set<(announcement: Server.Announcement) => Effect.Effect<void>>()
      const events: Array<Server.ChannelEvent> = []
      let templateId = 0n
      const newBlock = Effect.suspend(() => {
        const headerTimestamp = Math.floor(now() / 1000)
        const future = jobs.onTemplate(template(++templateId), now())
        const active = jobs.onSetNewPrevHash(
          {
            _tag: "SetNewPrevHash",
            templateId,
            prevHash: bytes(Number(templateId)),
            headerTimestamp,
            nbits: 0x207fffff,
            target: bytes(0x7f)
          },
          now()
        )
        return Effect.forEach([...connections], (announce) =>
          Effect.forEach([future, active], (each) =>
            each._tag === "Ignored" ? Effect.die(each.reason) : announce(each)
          )
        )
      })
      yield* newBlock
      yield* listener
        .run((connection) => {
          const machine = new Server.Connection(connections.size, connection.setup.flags, context)
          const flush = (run: (out: Server.Outbox) => void) => {
            const out = new Server.Outbox()
            run(out)
            events.push(...out.takeEvents())
            return Effect.ignore(connection.send(out.takeMessages()))
          }
          const announce = (announcement: Server.Announcement) =>
            flush((out) => machine.announce(announcement, out))
          connections.add(announce)
          return connection.receive.pipe(
            Stream.runForEachArray((batch) => flush((out) => machine.onBatch(batch, now(), out))),
            Effect.ensuring(
              Effect.sync(() => {
                connections.delete(announce)
                machine.close("gone", new Server.Outbox())
              })
            )
          )
        })
        .pipe(Effect.forkScoped)
      const server = { ...listener.address, security: { _tag: "noise", authorityKey } } as const
      return TestPool.of({ server, newBlock: Effect.asVoid(newBlock), events })
    })
  )

/** Serves at a free port of this machine. */
export const testPool = Layer.unwrap(
  Effect.gen(function* () {
    const { publicKey, secretKey } = yield* AuthorityKey.generate
    return makePool(publicKey).pipe(
      Layer.provide(Setup.server(MiningListener, { supportedFlags: 7 })),
      Layer.provide(Noise.responder()),
      Layer.provide([Tcp.listener({ host: "127.0.0.1", port: 0 }), CertificateAuthority.layer({ secretKey })])
    )
  })
).pipe(Layer.provide(Layer.succeed(References.MinimumLogLevel, "None")))
