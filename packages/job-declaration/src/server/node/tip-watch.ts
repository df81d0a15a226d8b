/** Keeps the place of the next block in the node's chain: asks for a template when the tip changes, and looks now and then itself. */
import { hashFromDisplay } from "@sluice/bitcoin"
import { type BlockTemplate, type NodeRpcCalls, type NodeRpcError, transactionsOf } from "@sluice/node"
import type { ThrottledLog } from "@sluice/transport"
import { Clock, Duration, Effect, Latch } from "effect"
import { type ChainTip, MAX_BLOCK_WEIGHT } from "../blocks/block-check.ts"

export interface TipWatch {
  readonly tip: () => ChainTip | undefined
  /** Asks the node now. */
  readonly wake: () => void
  /** The same, for a template even if the tip is the same. */
  readonly refresh: () => void
}

export interface TipWatchOptions {
  readonly rpc: NodeRpcCalls
  /** Whether the node announces blocks. */
  readonly isAnnounced: () => boolean
  readonly onTip: (tip: ChainTip) => void
  /** Takes each template that the node answers. */
  readonly onTemplate: (template: BlockTemplate) => void
  /** Whether templates are needed for more than the tip. */
  readonly needsTemplates: () => boolean
  readonly throttled: ThrottledLog
}

/** Watches until the Scope closes. */
export const watchTip = Effect.fnUntraced(function* (options: TipWatchOptions) {
  const { isAnnounced, needsTemplates, onTemplate, onTip, rpc, throttled } = options
  const clock = yield* Clock.Clock
  const woken = Latch.makeUnsafe(true)
  let tip: ChainTip | undefined
  let askedAt = -Infinity

  const look: Effect.Effect<void, NodeRpcError> = Effect.gen(function* () {
    const now = clock.currentTimeMillisUnsafe()
    if (tip !== undefined && now - askedAt < (needsTemplates() ? TEMPLATE_OFTEN_MS : TEMPLATE_EVERY_MS)) {
      const best = yield* rpc.getBestBlockHash
      if (Buffer.compare(hashFromDisplay(best), tip.prevHash) === 0) return
    }
    const template = yield* rpc.getBlockTemplate()
    askedAt = clock.currentTimeMillisUnsafe()
    const before = tip
    tip = tipOf(template)
    onTemplate(template)
    if (before === undefined || Buffer.compare(before.prevHash, tip.prevHash) !== 0) onTip(tip)
  })

  yield* Effect.gen(function* () {
    while (true) {
      woken.closeUnsafe()
      const isWell = yield* look.pipe(
        Effect.as(true),
        Effect.catch(({ message }) =>
          Effect.as(throttled.log("tip", `Cannot read the chain's tip, trying again: ${message}`, "Warn"), false)
        )
      )
      const wait = isWell ? (isAnnounced() ? LOOK_EVERY : LOOK_EVERY_WITHOUT_ZMQ) : RETRY_AFTER
      yield* Effect.timeoutOption(woken.await, wait)
    }
  }).pipe(Effect.forkScoped)
  const watch: TipWatch = {
    tip: () => tip,
    wake: () => woken.openUnsafe(),
    refresh: () => {
      askedAt = -Infinity
      woken.openUnsafe()
    }
  }
  return watch
})

const tipOf = (template: BlockTemplate): ChainTip => {
  const fees = transactionsOf(template).costs.reduce((sum, { fee }) => sum + fee, 0)
  return {
    prevHash: hashFromDisplay(template.previousblockhash),
    height: template.height,
    bits: Number.parseInt(template.bits, 16),
    target: hashFromDisplay(template.target),
    minTime: template.mintime,
    time: template.curtime,
    subsidy: BigInt(template.coinbasevalue - fees),
    weightLimit: template.weightlimit ?? MAX_BLOCK_WEIGHT
  }
}

/** A template has three megabytes, so a look is a short call. */
const TEMPLATE_EVERY_MS = 60_000
const TEMPLATE_OFTEN_MS = 5_000
const LOOK_EVERY = Duration.seconds(10)
const LOOK_EVERY_WITHOUT_ZMQ = Duration.seconds(1)
const RETRY_AFTER = Duration.seconds(1)
