/** The coinbase of the present job as outputs with who is paid what, and the fees of its template. */
import { addressForScript, type Chain, type Output } from "@sluice/bitcoin"
import type { PresentJob } from "@sluice/mining-server"
import type { Coinbase, CoinbaseOutput } from "../api/coinbase.ts"
import type { MonitoredLedger } from "../monitored.ts"

export class Coinbases {
  readonly #chain: Chain | undefined
  readonly #userOf: MonitoredLedger["userOf"]
  #height = 0
  #fees: number | null = null
  /** Of the block before: the fees of its last template. */
  #feesBefore: number | null = null

  constructor(chain: Chain | undefined, userOf: MonitoredLedger["userOf"] = () => undefined) {
    this.#chain = chain
    this.#userOf = userOf
  }

  /** Follows the present job, so that the fees of the block before are known. Returns its fees. */
  follow(job: PresentJob | undefined): number | null {
    if (job === undefined) return null
    const { fees } = valueOf(job)
    if (job.height !== this.#height) {
      this.#feesBefore = job.height === this.#height + 1 ? this.#fees : null
      this.#height = job.height
    }
    this.#fees = fees
    return fees
  }

  view(job: PresentJob): Coinbase {
    this.follow(job)
    const { coinbases, height, jobId, outputs } = job
    const { fees, reward, subsidy } = valueOf(job)
    return {
      jobId,
      height,
      reward,
      subsidy,
      fees,
      feesBefore: this.#feesBefore,
      coinbases,
      outputs: outputs.map((output) => this.#output(output, reward))
    }
  }

  #output({ script, value }: Output, reward: number): CoinbaseOutput {
    const user = value === 0n ? undefined : this.#userOf(script)
    return {
      satoshis: Number(value),
      script: Buffer.from(script).toString("hex"),
      address: this.#chain === undefined ? null : (addressForScript(script, this.#chain) ?? null),
      kind: user !== undefined ? "user" : value === 0n ? "commitment" : "output",
      user: user ?? null,
      part: reward === 0 ? 0 : Number(value) / reward
    }
  }
}

const FIRST_SUBSIDY = 5_000_000_000
/** Blocks until the subsidy halves: of the public networks, and of regtest. */
const HALVINGS = [210_000, 150]

/** A coinbase pays its subsidy and its fees. Where it pays less than the subsidy by one interval, the other one is in force. */
const valueOf = ({ height, outputs }: PresentJob) => {
  const reward = Number(outputs.reduce((sum, { value }) => sum + value, 0n))
  const subsidies = HALVINGS.map((interval) => Math.floor(FIRST_SUBSIDY / 2 ** Math.floor(height / interval)))
  const subsidy = subsidies.find((subsidy) => subsidy <= reward) ?? null
  return { reward, subsidy, fees: subsidy === null ? null : reward - subsidy }
}
