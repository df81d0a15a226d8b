/** Counts for `TemplateProvider.stats`. */
import type { TemplateProviderEvent, TemplateProviderStats } from "./provider-event.ts"

export class ProviderStats {
  #tipChanges = 0
  #feeUpdates = 0
  #templatesSent = 0
  #solutionsRefused = 0
  readonly #verdicts: Record<string, number> = {}
  #latencyCount = 0
  #latencyLast = 0
  #latencySum = 0
  #latencyMax = 0

  count(event: TemplateProviderEvent): void {
    switch (event._tag) {
      case "NewTemplate":
        if (event.cause === "tip") this.#tipChanges++
        else if (event.cause === "fees") this.#feeUpdates++
        return
      case "SolutionRefused":
        this.#solutionsRefused++
        return
      case "BlockSubmitted":
        this.#verdicts[event.verdict] = (this.#verdicts[event.verdict] ?? 0) + 1
    }
  }

  /** Counts a NewTemplate that was written to a client. `latencyMs` is the time since the node's announcement, if there was one. */
  sent(latencyMs: number | undefined): void {
    this.#templatesSent++
    if (latencyMs === undefined) return
    this.#latencyCount++
    this.#latencyLast = latencyMs
    this.#latencySum += latencyMs
    this.#latencyMax = Math.max(this.#latencyMax, latencyMs)
  }

  snapshot(
    now: Pick<TemplateProviderStats, "clients" | "isNodeReachable" | "health" | "height">
  ): TemplateProviderStats {
    return {
      ...now,
      tipChanges: this.#tipChanges,
      feeUpdates: this.#feeUpdates,
      templatesSent: this.#templatesSent,
      latency: {
        count: this.#latencyCount,
        last: this.#latencyLast,
        mean: this.#latencyCount === 0 ? 0 : this.#latencySum / this.#latencyCount,
        max: this.#latencyMax
      },
      solutionsRefused: this.#solutionsRefused,
      verdicts: { ...this.#verdicts }
    }
  }
}
