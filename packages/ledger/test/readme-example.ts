import { divideReward, Ledger, POOL, readWindow, workOfDifficulty } from "@sluice/ledger"
import { Console, Effect } from "effect"

/** A share of difficulty 1; its hash says which. */
const share = (number: number, user: string) => ({
  at: Date.now(),
  user,
  worker: "",
  work: workOfDifficulty(1),
  height: 800_000,
  hash: new Uint8Array(32).fill(number),
  isBlock: false
})

const program = Effect.gen(function* () {
  const { append, lastSeq, sql } = yield* Ledger
  yield* append([share(1, "alice"), share(2, "bob"), share(3, "alice")])
  yield* Console.log(`${lastSeq()} shares`)

  // The newest shares with the work of two and a half: alice's, bob's, and half of alice's first.
  const window = yield* readWindow(sql, lastSeq(), { work: (workOfDifficulty(1) * 5n) / 2n })
  const earned = divideReward(312_500_001n, { fee: 10_000 }, window.weights)
  yield* Console.log(`alice ${earned.get("alice")}, bob ${earned.get("bob")}, the pool ${earned.get(POOL)}`)
})

await Effect.runPromise(Effect.provide(program, Ledger.layer({ file: ":memory:" })))
