/**
 * Settles one block of a ledger, alone in its process, so that its memory can be measured: reads the window, then records the block with
 * its settlement as a pool does. `node ledger-settle.ts FILE LAST-SHARE` prints a line of JSON; without a file it only
 * compiles.
 */
import { type BlockPolicy, computeSettlement, Ledger, readWindow, windowWork } from "@sluice/ledger"
import { Effect } from "effect"

export interface Settled {
  readonly windowMs: number
  readonly settleMs: number
  /** Resident memory before the first window was read. */
  readonly beforeMb: number
  /** The most resident memory of the process. */
  readonly mb: number
}

const [, , file, last] = process.argv
const lastSeq = Number(last)
const policy: BlockPolicy = { version: 1, fee: 10_000, scheme: "pplns", window: 2_000 }
/** Half of the window. */
const networkWork = 5_000_000n * 1_000_000_000_000n
const work = windowWork(policy, networkWork)!
const reward = 312_500_000n

/** Linux counts in KB. */
const mostMb = (): number => process.resourceUsage().maxRSS / 1024

const settled = Effect.gen(function* () {
  const { books, sql, transact } = yield* Ledger
  const beforeMb = process.memoryUsage.rss() / 2 ** 20
  const read = readWindow(sql, lastSeq, { work })
  yield* read
  let begun = performance.now()
  yield* read
  const windowMs = performance.now() - begun
  const at = Date.now()
  const block = {
    hash: new Uint8Array(32),
    height: 800_000,
    at,
    user: "alice",
    worker: "",
    reward,
    networkWork,
    outputs: []
  }
  const basis = { lastSeq, work, lastEntry: 0, minimum: 10_000n, bytes: 16 * 43 }
  begun = performance.now()
  yield* transact(
    Effect.gen(function* () {
      const id = yield* books.addBlock(block)
      const { settlement, windowWork } = yield* computeSettlement(sql, block, policy, basis)
      yield* books.settle(id!, settlement, { policy, basis, windowWork, at })
    })
  )
  const settleMs = performance.now() - begun
  return { windowMs, settleMs, beforeMb, mb: mostMb() } satisfies Settled
})

if (file !== undefined) {
  const layer = Ledger.layer({ file, commitInterval: 0 })
  console.log(JSON.stringify(await Effect.runPromise(Effect.provide(settled, layer))))
}
