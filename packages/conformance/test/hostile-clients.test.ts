/** Clients that are none, or mean harm: the kit gives its verdicts all the same. */
import { describe, expect, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { Dialer, type Duplex, Memory, type TransportError } from "@sluice/transport"
import { Effect, Logger } from "effect"
import { setupFrame } from "@sluice/testing/setup-frame"
import { Conformance } from "../src/index.ts"

const setup = setupFrame({ endpointHost: "memory", endpointPort: 1, vendor: "nobody" })

const open = Mining.OpenExtendedMiningChannel.codec.encode(
  Mining.OpenExtendedMiningChannel.make({
    requestId: 1,
    userIdentity: "nobody",
    nominalHashRate: 1e12,
    maxTarget: new Uint8Array(32).fill(0xff),
    minExtranonceSize: 4
  })
)

const close = Mining.CloseChannel.codec.encode(Mining.CloseChannel.make({ channelId: 1, reasonCode: "done" }))

/** A share of the first job, so that all its fields are judged. Its hash cannot meet the target. */
const share = (sequenceNumber: number): Uint8Array =>
  Mining.SubmitSharesExtended.codec.encode(
    Mining.SubmitSharesExtended.make({
      channelId: 1,
      sequenceNumber,
      jobId: 1,
      nonce: sequenceNumber,
      ntime: Math.floor(Date.now() / 1000),
      version: 0x20000000,
      extranonce: new Uint8Array(8)
    })
  )

const write = (duplex: Duplex, ...frames: ReadonlyArray<Uint8Array>) =>
  duplex.write(() => new Uint8Array(Buffer.concat(frames)))

const readAll = (duplex: Duplex): Effect.Effect<never, TransportError> => Effect.forever(duplex.pull)

const clients: ReadonlyArray<{
  readonly does: string
  readonly session: (duplex: Duplex) => Effect.Effect<void, TransportError>
}> = [
  { does: "hangs up at once", session: () => Effect.void },
  { does: "says nothing", session: readAll },
  { does: "sends noise", session: (duplex) => Effect.forever(write(duplex, new Uint8Array(50_000).fill(0xa5))) },
  {
    does: "announces more than it sends",
    session: (duplex) => Effect.andThen(write(duplex, Uint8Array.of(0, 0, 0, 0xff, 0xff, 0xff, 0)), readAll(duplex))
  },
  {
    does: "hangs up after the setup",
    session: (duplex) => Effect.andThen(write(duplex, setup), Effect.andThen(duplex.pull, Effect.void))
  },
  {
    does: "opens a channel and closes it",
    session: (duplex) => Effect.andThen(write(duplex, setup, open, close), readAll(duplex))
  },
  {
    does: "closes its channel behind every share",
    session: (duplex) => Effect.andThen(write(duplex, setup, open, share(1), share(2), close), readAll(duplex))
  },
  {
    does: "opens more channels than anybody needs",
    session: (duplex) =>
      Effect.andThen(write(duplex, setup, ...Array.from({ length: 3000 }, () => open)), readAll(duplex))
  },
  {
    does: "floods",
    session: (duplex) =>
      Effect.gen(function* () {
        yield* write(duplex, setup, open)
        yield* Effect.forkScoped(Effect.ignore(readAll(duplex)))
        for (let number = 1; ; number += 500) {
          yield* write(duplex, ...Array.from({ length: 500 }, (_, index) => share(number + index)))
        }
      }).pipe(Effect.scoped)
  }
]

/** Serves somebody who comes back again and again. */
const serve = (session: (duplex: Duplex) => Effect.Effect<void, TransportError>) =>
  Effect.gen(function* () {
    const { dial } = yield* Dialer
    const visit = Effect.scoped(Effect.flatMap(dial(Memory.ADDRESS), session))
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.ignore(visit), Effect.sleep(5))))
    return yield* Conformance.serve({
      protocol: "mining",
      only: ["client-jobs.", "client-close.", "client-groups.", "client-frames.", "client-setup."],
      connectTimeout: "300 millis",
      answerTimeout: "100 millis",
      quietTime: "20 millis",
      shareTimeout: "100 millis"
    })
  }).pipe(Effect.scoped, Effect.provide(Memory.network()), Effect.provide(Logger.layer([])))

describe.concurrent("a client that", () => {
  for (const { does, session } of clients) {
    it.live(`${does} gets its verdicts`, () =>
      Effect.map(serve(session), (results) => {
        // None of them mines.
        const passed = results.filter(({ id, verdict }) => id.startsWith("client-jobs.") && verdict._tag === "Passed")
        expect(passed).toEqual([])
        expect(results.length).toBeGreaterThan(20)
      })
    )
  }
})
