import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { expect, it, vi } from "vitest"
import { channelStats, emptyStats, served, StandIn } from "./stand-in.ts"

it("the example of the README runs as it stands there", async () => {
  const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
  expect(readme).toContain("```ts\n" + example + "```")

  const standIn = new StandIn()
  standIn.stats = { ...emptyStats, channels: { standard: 0, extended: 3 } }
  standIn.channels = [channelStats(1, "alice.a", 100), channelStats(2, "alice.b", 70), channelStats(3, "bob.c", 7)]
  const lines: Array<string> = []
  vi.spyOn(console, "log").mockImplementation((line) => void lines.push(String(line)))
  await served(standIn, {}, (url, { hub }) =>
    Effect.gen(function* () {
      vi.stubEnv("PAGE", url)
      const running = import("./readme-example.ts")
      while (hub.readers === 0) yield* Effect.sleep(5)
      const channel = standIn.channels[0]!.channel
      const found = { _tag: "BlockFound", channel, refusal: undefined, height: 101, hash: "00".repeat(32) } as const
      yield* standIn.publish({ ...found, found: {} as never })
      yield* Effect.promise(() => running)
    })
  )
  const [, printed = ""] = /It prints\n\n```\n([^]*?)\n```/.exec(readme) ?? []
  expect(lines.join("\n")).toBe(printed)
})
