/** Opens the spool that is its argument, says so, and keeps it until it is killed. */
import { Console, Effect } from "effect"
import { Spool } from "../src/spool/spool.ts"

const file = process.argv[2]!
setInterval(() => {}, 60_000)
await Effect.runPromise(
  Effect.scoped(Effect.andThen(Spool.open({ file }), Effect.andThen(Console.log("It has the spool"), Effect.never)))
)
