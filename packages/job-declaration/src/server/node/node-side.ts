/** The node's side of a job declarator: its tip, its mempool in the store, its verdicts, and the blocks for it. */
import { hashFromDisplay } from "@sluice/bitcoin"
import type { NodeNotificationsStream, NodeRpcCalls } from "@sluice/node"
import type { ThrottledLog } from "@sluice/transport"
import { Effect, Stream } from "effect"
import type { ChainTip } from "../blocks/block-check.ts"
import type { FoundBlock } from "../blocks/declared-jobs.ts"
import { MempoolFollower, type MempoolLimits } from "../mempool/mempool-follower.ts"
import type { TransactionStore } from "../mempool/transaction-store.ts"
import { ACCEPTED, makeSubmission, type OnVerdict } from "./block-submission.ts"
import { watchMempool } from "./mempool-watch.ts"
import { makeProposals, type Proposals } from "./proposals.ts"
import { type TipWatch, watchTip } from "./tip-watch.ts"

export interface NodeSideOptions {
  readonly rpc: NodeRpcCalls
  readonly notifications: NodeNotificationsStream
  readonly store: TransactionStore
  readonly limits: MempoolLimits
  readonly onTip: (tip: ChainTip) => void
  /** Takes the verdict on each submitted block. */
  readonly onVerdict: OnVerdict
  readonly throttled: ThrottledLog
}

export interface NodeSide {
  /** The place of the next block; undefined until the node has said it. */
  readonly tip: () => ChainTip | undefined
  /** Asks for the tip now. */
  readonly wakeTip: () => void
  readonly proposals: Proposals
  readonly submit: (block: FoundBlock) => void
}

/** Follows the node until the Scope closes. */
export const followNode = Effect.fnUntraced(function* (options: NodeSideOptions) {
  const { limits, notifications, onTip, onVerdict, rpc, store, throttled } = options
  let isHeard = false
  const isAnnounced = () => isHeard
  const follower = new MempoolFollower(store, limits)
  const proposals = makeProposals(rpc, throttled, () => watch.refresh())
  const watch: TipWatch = yield* watchTip({
    rpc,
    isAnnounced,
    needsTemplates: () => !proposals.isSupported(),
    throttled,
    onTip,
    onTemplate: (template) => {
      // The node's own check of a block knows all fees.
      if (proposals.isSupported()) return
      for (const { fee, hash } of template.transactions) {
        const slot = store.find(hashFromDisplay(hash))
        if (slot >= 0) store.setFee(slot, fee)
      }
    }
  })
  const wakeMempool = yield* watchMempool({ rpc, follower, isAnnounced, throttled })
  yield* notifications.events.pipe(
    Stream.runForEachArray((events) =>
      Effect.sync(() => {
        for (const event of events) {
          isHeard = event._tag !== "Disconnected"
          follower.onNotification(event)
          if (event._tag === "NewBlock" || event._tag === "BlockConnected") watch.wake()
        }
        wakeMempool()
      })
    ),
    Effect.forkScoped
  )
  const submit = yield* makeSubmission(rpc, (block, verdict) => {
    onVerdict(block, verdict)
    // Faster than the node's announcement.
    if (verdict === ACCEPTED) watch.wake()
  })
  const side: NodeSide = { tip: watch.tip, wakeTip: watch.wake, proposals, submit }
  return side
})
