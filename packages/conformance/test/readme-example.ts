import { Conformance } from "@sluice/conformance"
import { parseServerAddress, Tcp } from "@sluice/transport"
import { Console, Effect, Result } from "effect"

const url = process.env["SERVER"] ?? "stratum2+tcp+plain://127.0.0.1:3333"

const program = Effect.gen(function* () {
  const results = yield* Conformance.run({
    server: Result.getOrThrow(parseServerAddress(url)),
    protocol: "mining",
    only: ["setup.", "shares."]
  })
  for (const { id, section, verdict } of results) {
    const why = verdict._tag === "Failed" ? `: expected ${verdict.expected}, came ${verdict.came}` : ""
    yield* Console.log(`${verdict._tag} ${id} (${section})${why}`)
  }
})

await Effect.runPromise(Effect.provide(program, Tcp.dialer))
