/** Makes a job of each template that a template provider sends (specification, sections 7.2 and 7.3). */
import { CoinbaseError, MAX_COINBASE_SIZE, WITNESS_SIZE } from "@sluice/bitcoin"
import { TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import type { Job } from "../jobs/job.ts"
import { type Announcement, Jobs } from "../jobs/jobs.ts"
import { type CoinbaseRules, jobFromTemplate, repeatedJob, withJobId } from "./template-job.ts"

/** The template provider's message makes no job. */
export interface Ignored {
  readonly _tag: "Ignored"
  readonly reason: string
}

export interface TemplateJobsOptions {
  readonly coinbase: CoinbaseRules
  /** See `JobsOptions`. */
  readonly firstJobId: number
}

export class TemplateJobs {
  readonly coinbase: CoinbaseRules
  readonly jobs: Jobs

  constructor({ coinbase, firstJobId }: TemplateJobsOptions) {
    const { versionRollingAllowed } = coinbase
    this.coinbase = coinbase
    this.jobs = new Jobs({ firstJobId, versionRollingAllowed, variant: repeatedJob })
  }

  /** Makes a job of a template. */
  onTemplate(template: TemplateDistribution.NewTemplate, now: number): Announcement | Ignored {
    const { futureTemplate, templateId } = template
    if (!futureTemplate && this.jobs.prevHash === undefined) {
      return ignored(`template ${templateId} is for a previous hash that was never sent`)
    }
    const made = this.#make(template)
    if (Result.isFailure(made)) return ignored(`template ${templateId} makes no coinbase: ${made.failure.message}`)
    return futureTemplate ? this.jobs.addFutureJob(templateId, made.success) : this.jobs.activateJob(made.success, now)
  }

  /** Activates the future job of the template that the message names. */
  onSetNewPrevHash(message: TemplateDistribution.SetNewPrevHash, now: number): Announcement | Ignored {
    const { headerTimestamp, nbits, prevHash, target, templateId } = message
    const made = this.jobs.setPrevHash(templateId, { hash: prevHash, ntime: headerTimestamp, nbits, target }, now)
    if (made !== undefined) return made
    const stays = this.jobs.prevHash === undefined ? "there is no work" : "miners stay on the previous block"
    return ignored(
      `SetNewPrevHash names template ${templateId}, which has no future job: expected one of the last ` +
        `${TemplateDistribution.MAX_FUTURE_TEMPLATES} future templates with a valid coinbase; ${stays}`
    )
  }

  #make(template: TemplateDistribution.NewTemplate): Result.Result<Job, CoinbaseError> {
    return Result.flatMap(jobFromTemplate(this.jobs.nextId, template, this.coinbase), (plain) =>
      Result.flatMap(withJobId(plain), (job) => {
        const { coinbasePrefix, coinbaseSuffix } = job
        const size = coinbasePrefix.length + this.coinbase.extranonceSize + coinbaseSuffix.length + WITNESS_SIZE
        if (size <= MAX_COINBASE_SIZE) return Result.succeed(job)
        const message = `it would have ${size} bytes; SubmitSolution carries ${MAX_COINBASE_SIZE} at most`
        return Result.fail(new CoinbaseError({ message }))
      })
    )
  }
}

const ignored = (reason: string): Ignored => ({ _tag: "Ignored", reason })
