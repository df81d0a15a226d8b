/** What a submit refers to: a job that was announced here, and the version with the miner's bits; or why to neither. */
import { excerpt, ParamsError } from "../error.ts"
import { JOB_NOT_FOUND, NOT_SUBSCRIBED, OTHER, UNAUTHORIZED_WORKER } from "../message/error-code.ts"
import { Submit } from "../message/to-server.ts"
import { versionOf } from "../values/version-bits.ts"
import type { HeldJob } from "./job.ts"
import type { MinerWork } from "./miner-work.ts"
import type { Workers } from "./workers.ts"

export interface Share<Work> {
  readonly worker: string
  readonly held: HeldJob<Work>
  readonly extranonce2: Uint8Array
  readonly ntime: number
  readonly nonce: number
  /** The whole version, with the bits that the miner rolled. */
  readonly version: number
}

export interface RefusedShare {
  readonly code: number
  readonly reason: ParamsError | string
}

export const readShare = <Work>(
  params: unknown,
  work: MinerWork<Work>,
  workers: Workers
): Share<Work> | RefusedShare => {
  const message = Submit.read(params)
  if (message instanceof ParamsError) return { code: OTHER, reason: message }
  const { extranonce2, jobId, nonce, ntime, versionBits, worker } = message
  if (work.told === undefined) return { code: NOT_SUBSCRIBED, reason: "not subscribed" }
  if (!workers.has(worker)) {
    return { code: UNAUTHORIZED_WORKER, reason: `worker ${excerpt(worker)} is not authorized` }
  }
  const held = work.held(jobId)
  if (held === undefined) return { code: JOB_NOT_FOUND, reason: "job not found, or stale" }
  if (extranonce2.length !== held.extranonce2Size) {
    const reason = `expected ${held.extranonce2Size} bytes of extranonce2; got ${extranonce2.length}`
    return { code: OTHER, reason }
  }
  const version = versionOf(held.job.notify.version, held.versionMask, versionBits)
  if (version === undefined) {
    const reason = `expected version bits within ${held.versionMask.toString(16)}; got ${versionBits!.toString(16)}`
    return { code: OTHER, reason }
  }
  return { worker, held, extranonce2, ntime, nonce, version }
}
