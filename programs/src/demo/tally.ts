/** Combines the events of all roles: which user found a block, and how long a template takes to reach the miners. */
import type { DemoEvent, MinerName } from "./event.ts"

export interface Block {
  readonly height: number
  readonly hash: string
  /** Includes the coinbase. */
  readonly transactions: number
  /** The user that found it, as the pool knows it. */
  readonly user: string
}

export class Tally {
  /** Blocks that the node accepted. */
  blocks = 0
  lastBlock: Block | undefined
  /** Milliseconds from a new template of the provider until the miner's workers started a job of it. */
  readonly templateToJobMs: Record<MinerName, number | undefined> = { standard: undefined, extended: undefined }
  private templateAt = 0
  private readonly waitsForTemplate = { standard: false, extended: false }
  private readonly finders = new Map<string, string>()

  /** Takes an event, `now` in milliseconds. Gives the block if the node accepted one. */
  onEvent({ event, ...from }: DemoEvent, now: number): Block | undefined {
    switch (event._tag) {
      case "NewTemplate":
        // The first template waits for the pool to connect.
        if (event.clients === 0) return undefined
        this.templateAt = now
        this.waitsForTemplate.standard = true
        this.waitsForTemplate.extended = true
        return undefined
      case "JobStarted":
        if (from.role === "miner" && this.waitsForTemplate[from.miner]) {
          this.waitsForTemplate[from.miner] = false
          this.templateToJobMs[from.miner] = Math.max(0, event.at - this.templateAt)
        }
        return undefined
      case "BlockFound":
        if ("channel" in event) this.finders.set(event.hash, event.channel.userIdentity)
        return undefined
      case "BlockAccepted": {
        if (event.verdict !== null) return undefined
        this.blocks++
        const { hash, height, txCount } = event
        this.lastBlock = { height, hash, transactions: txCount, user: this.finders.get(hash) ?? "someone" }
        this.finders.clear()
        return this.lastBlock
      }
      default:
        return undefined
    }
  }
}
