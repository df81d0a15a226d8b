/** The setup of a connection, as scripts do it (3.6). */
import { Common } from "@sluice/protocol"
import { Effect, type Scope } from "effect"
import type { Peer } from "../peer.ts"
import type { Kit } from "../rule.ts"
import { RuleBroken, RuleSkipped } from "../verdict.ts"

/** A valid SetupConnection, with these fields changed. */
export const setupFrame = (kit: Kit, changes: Partial<Common.SetupConnection> = {}): Uint8Array =>
  Common.SetupConnection.codec.encode({
    ...Common.SetupConnection.make({
      protocol: kit.protocolId,
      minVersion: Common.PROTOCOL_VERSION,
      maxVersion: Common.PROTOCOL_VERSION,
      flags: kit.flags,
      endpointHost: "conformance.example",
      endpointPort: 3333,
      vendor: "Sluice",
      hardwareVersion: "conformance",
      firmware: "",
      deviceId: ""
    }),
    ...changes
  })

/** Opens a connection, sends SetupConnection and gives the server's answer. */
export const ask = Effect.fnUntraced(function* (kit: Kit, changes: Partial<Common.SetupConnection> = {}) {
  const peer = yield* kit.connect
  yield* peer.send(setupFrame(kit, changes))
  const answer = yield* peer.expect(Common.SetupConnectionSuccess, Common.SetupConnectionError)
  return { peer, answer }
})

/** Opens a connection and sets it up. */
export const setUp = Effect.fnUntraced(function* (
  kit: Kit,
  flags = kit.flags
): Effect.fn.Return<{ readonly peer: Peer; readonly flags: number }, RuleBroken, Scope.Scope> {
  const { answer, peer } = yield* ask(kit, { flags })
  if (answer._tag === "SetupConnection.Success") return { peer, flags: answer.flags }
  return yield* new RuleBroken({
    expected: `SetupConnection.Success to flags ${flags}`,
    came: `SetupConnection.Error "${answer.errorCode}" with flags ${answer.flags}`
  })
})

/** Fails with `expected` and `came` unless the condition holds. */
export const expectThat = (holds: boolean, expected: string, came: string): Effect.Effect<void, RuleBroken> =>
  holds ? Effect.void : Effect.fail(new RuleBroken({ expected, came }))

/** Skips the rule if the server refuses the connection: a server need not support the flag. */
export const skipWhereRefused =
  (flag: string) =>
  <A, E, R>(session: Effect.Effect<A, E | RuleBroken, R>): Effect.Effect<A, E | RuleBroken | RuleSkipped, R> =>
    Effect.mapError(session, (error) =>
      error instanceof RuleBroken && error.came.includes("SetupConnection.Error")
        ? new RuleSkipped({ why: `the server refuses connections with ${flag}` })
        : error
    )
