/** On real sockets with Noise on both sides: a real miner, a relay with a key of its own, a real pool. */
import { assert, describe, it, vi } from "@effect/vitest"
import { AuthorityKey } from "@sluice/noise"
import { Miner } from "@sluice/miner"
import { formatServerAddress } from "@sluice/transport"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { nextEvent } from "@sluice/testing/miner-event"
import type { SnifferEvent } from "../src/index.ts"
import { minerOver, startPool, tcpRelay } from "./worlds.ts"

describe("over TCP with Noise", () => {
  it.live("a miner's shares are accepted through a relay, which sees every message of both", () =>
    Effect.gen(function* () {
      const events: Array<SnifferEvent> = []
      const pool = yield* startPool
      const relay = yield* tcpRelay(pool, (batch) => Effect.sync(() => void events.push(...batch)))
      assert.notStrictEqual(formatServerAddress(relay).split("/").at(-1), formatServerAddress(pool).split("/").at(-1))
      yield* Effect.flatMap(Miner, ({ finished }) => finished).pipe(
        Effect.provide(minerOver(relay, { shares: 5, channel: "extended" }))
      )
      while (events.at(-1)?._tag !== "Closed") yield* Effect.sleep(5)
      const tags = events.map((event) =>
        event._tag === "Message" ? (event.message as { readonly _tag: string })._tag : event._tag
      )
      assert.deepStrictEqual(tags.slice(0, 3), ["Opened", "SetupConnection", "SetupConnection.Success"])
      const opening = tags.indexOf("OpenExtendedMiningChannel")
      assert.isAbove(tags.indexOf("OpenExtendedMiningChannel.Success"), opening)
      assert.isAtLeast(tags.filter((tag) => tag === "SubmitSharesExtended").length, 5)
      assert.isAtLeast(tags.filter((tag) => tag === "SubmitShares.Success").length, 1)
    })
  )

  it.live("a server with another key than expected is detected", () =>
    Effect.gen(function* () {
      const events: Array<SnifferEvent> = []
      const { publicKey } = yield* AuthorityKey.generate
      const pool = { ...(yield* startPool), security: { _tag: "noise", authorityKey: publicKey } } as const
      const relay = yield* tcpRelay(pool, (batch) => Effect.sync(() => void events.push(...batch)))
      yield* nextEvent("ConnectFailed").pipe(Effect.provide(minerOver(relay)))
      const closed = events.find((event) => event._tag === "Closed")
      assert.strictEqual(closed?.by, "server")
      assert.match(closed!.reason, /certificate|authority/)
    })
  )
})

it.live("the example of the README runs as it stands there", () =>
  Effect.gen(function* () {
    const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
    assert.include(readme, "```ts\n" + example + "```")
    vi.stubEnv("POOL", formatServerAddress(yield* startPool))
    const log = vi.spyOn(console, "log").mockReturnValue(undefined)
    yield* Effect.promise(() => import("./readme-example.ts"))
    // What the miner logs when its connection ends is not the example's.
    const lines = log.mock.calls
      .map(([line]) => String(line))
      .filter((line) => /^(connection|share|the pool)/.test(line))
    vi.unstubAllEnvs()
    log.mockRestore()
    assert.include(readme, "It prints\n\n```\n" + lines.join("\n") + "\n```")
  })
)
