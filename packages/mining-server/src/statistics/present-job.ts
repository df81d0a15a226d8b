/** The job that miners mine now, with what its coinbase pays. */
import { type Output, parseJobCoinbase } from "@sluice/bitcoin"
import type { Job } from "@sluice/channels"
import { Effect, Result } from "effect"
import type { Work, WorkGroup } from "../work-source/work-source.ts"

export interface PresentJob {
  readonly jobId: number
  readonly height: number
  readonly outputs: ReadonlyArray<Output>
  /** How many different coinbases miners have. In solo mining each miner has its own, and this job is that of one of them. */
  readonly coinbases: number
}

/** Parses the coinbase of each job once. */
export const presentJobOf = (
  work: Pick<Work, "common" | "groupCount" | "space">,
  connections: ReadonlyMap<number, { readonly group: WorkGroup }>
): Effect.Effect<PresentJob | undefined> => {
  let known: { readonly job: Job; readonly present: PresentJob | undefined } | undefined
  return Effect.sync(() => {
    const { jobs } = groupOf(work, connections)
    const job = jobs.current
    if (job === undefined || work.space === undefined) return undefined
    if (known?.job !== job) known = { job, present: presentOf(job, work.space.fullSize) }
    return known.present && { ...known.present, coinbases: Math.max(1, work.groupCount - 1) }
  })
}

/** The group of a miner, where miners have groups of their own. */
const groupOf = (
  { common, groupCount }: Pick<Work, "common" | "groupCount">,
  connections: ReadonlyMap<number, { readonly group: WorkGroup }>
): WorkGroup => {
  if (groupCount === 1) return common
  for (const { group } of connections.values()) if (group !== common) return group
  return common
}

const presentOf = ({ coinbasePrefix, coinbaseSuffix, height, id }: Job, extranonceSize: number) => {
  const parsed = parseJobCoinbase({ prefix: coinbasePrefix, suffix: coinbaseSuffix, extranonceSize })
  if (Result.isFailure(parsed)) return undefined
  return { jobId: id, height, outputs: parsed.success.outputs, coinbases: 1 }
}
