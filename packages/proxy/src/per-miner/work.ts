/** The work of a proxy that opens a channel upstream for each miner's channel: it has nothing in common. */
import { Jobs } from "@sluice/channels"
import type { Work } from "@sluice/mining-server"

export class PerMinerWork implements Work {
  readonly space = undefined
  readonly versionRollingAllowed = true
  readonly common = { jobs: new Jobs({ firstJobId: 0, versionRollingAllowed: true }) }
  readonly groupCount = 1
  readonly changeCount = 0
  readonly openChannel: NonNullable<Work["openChannel"]>
  /** How many changes of channels were made since the last `pull`. */
  waiting = 0

  constructor(openChannel: NonNullable<Work["openChannel"]>) {
    this.openChannel = openChannel
  }

  join(): undefined {
    return undefined
  }

  leave(): void {}

  refusal(): undefined {
    return undefined
  }

  changesSince(): readonly [] {
    return NONE
  }

  pull(): readonly [] {
    this.waiting = 0
    return NONE
  }
}

const NONE = [] as const
