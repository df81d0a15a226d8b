import { makeClient } from "@sluice/monitor"
import { Console, Effect, Stream } from "effect"

// The address that `http-listen` of a pool has, or that `npm start` prints.
const url = process.env["PAGE"] ?? "http://127.0.0.1:8080"

const program = Effect.gen(function* () {
  const { monitor } = yield* makeClient({ url })
  const { channels, height, role } = yield* monitor.overview()
  yield* Console.log(`a ${role} at height ${height} with ${channels.standard + channels.extended} channels`)

  const workers = yield* monitor.workers({ query: { sort: "refused", limit: 2 } })
  for (const { hashRate, refused, worker } of workers.items) {
    const [low, rate, high] = [hashRate.low, hashRate.hashesPerSecond, hashRate.high].map((rate) =>
      (rate / 1e9).toFixed(1)
    )
    const about = `${rate} GH/s, and surely between ${low} and ${high}`
    yield* Console.log(`${worker}: ${refused} shares refused, ${about}`)
  }

  const events = yield* monitor.events({ headers: {} })
  yield* events.pipe(
    Stream.filter(({ event }) => event === "BlockFound"),
    Stream.take(1),
    Stream.runForEach(({ data }) => Console.log(`block ${data.fields["height"]} by ${data.fields["worker"]}`))
  )
})

await Effect.runPromise(program)
