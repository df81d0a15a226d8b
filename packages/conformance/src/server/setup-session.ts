/** SetupConnection as scripts send it (3.6). */
import { Common } from "@sluice/protocol"
import { Effect, type Scope } from "effect"
import type { Peer } from "../peer.ts"
import type { Kit } from "../rule.ts"
import { RuleBroken, RuleSkipped } from "../verdict.ts"

/** A good SetupConnection with changes. */
export const setupFrame = (kit: Kit, changes: Partial<Common.SetupConnection> = {}): Uint8Array =>
  Common.SetupConnection.codec.encode({
    ...Common.SetupConnection.make({
      protocol: kit.protocolId,
      minVersion: Common.PROTOCOL_VERSION,
      maxVersion: Common.PROTOCOL_VERSION,
      flags: 0,
      endpointHost: "conformance.example",
      endpointPort: 3333,
      vendor: "Sluice",
      hardwareVersion: "conformance",
      firmware: "",
      deviceId: ""
    }),
    ...changes
  })

/** What the server answers to a SetupConnection on a new connection. */
export const ask = Effect.fnUntraced(function* (kit: Kit, changes: Partial<Common.SetupConnection> = {}) {
  const peer = yield* kit.connect
  yield* peer.send(setupFrame(kit, changes))
  const answer = yield* peer.expect(Common.SetupConnectionSuccess, Common.SetupConnectionError)
  return { peer, answer }
})

/** A connection that is set up. */
export const setUp = Effect.fnUntraced(function* (
  kit: Kit,
  flags = 0
): Effect.fn.Return<{ readonly peer: Peer; readonly flags: number }, RuleBroken, Scope.Scope> {
  const { answer, peer } = yield* ask(kit, { flags })
  if (answer._tag === "SetupConnection.Success") return { peer, flags: answer.flags }
  return yield* new RuleBroken({
    expected: `SetupConnection.Success to flags ${flags}`,
    came: `SetupConnection.Error "${answer.errorCode}" with flags ${answer.flags}`
  })
})

/** Fails with what was expected and what came, unless it holds. */
export const insist = (holds: boolean, expected: string, came: string): Effect.Effect<void, RuleBroken> =>
  holds ? Effect.void : Effect.fail(new RuleBroken({ expected, came }))

/** A server that cannot do what a flag asks for refuses the connection, which is its right. */
export const skipWhereRefused =
  (flag: string) =>
  <A, E, R>(session: Effect.Effect<A, E | RuleBroken, R>): Effect.Effect<A, E | RuleBroken | RuleSkipped, R> =>
    Effect.mapError(session, (error) =>
      error instanceof RuleBroken && error.came.includes("SetupConnection.Error")
        ? new RuleSkipped({ why: `the server refuses connections with ${flag}` })
        : error
    )
