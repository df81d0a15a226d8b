/** Miners that send much share each turn of the event loop. */
import { expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { setImmediate as nextTurn } from "node:timers/promises"
import { PIECE, Turns } from "../../src/listener/turns.ts"

it.live("so many bytes are looked at in a turn, in the order in which they came", () =>
  Effect.gen(function* () {
    const turns = new Turns()
    expect(turns.take(PIECE - 1)).toBe(true)
    expect(turns.take(PIECE)).toBe(true)
    expect(turns.take(1)).toBe(false)
    const looked: Array<number> = []
    const fibers = yield* Effect.forEach([1, 2, 3], (number) =>
      Effect.forkChild(
        Effect.andThen(
          turns.wait,
          Effect.sync(() => looked.push(number))
        ),
        { startImmediately: true }
      )
    )
    // Nobody overtakes those that wait.
    expect(turns.take(1)).toBe(false)
    yield* Fiber.interrupt(fibers[1]!)
    expect(looked).toEqual([])
    yield* Effect.promise(() => nextTurn())
    expect(looked).toEqual([1])
    yield* Effect.promise(() => nextTurn())
    expect(looked).toEqual([1, 3])
    yield* Effect.promise(() => nextTurn())
    expect(turns.take(1)).toBe(true)
  })
)
