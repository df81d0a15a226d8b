/**
 * The decisions and counts of a miner. Pure: takes the events of the session and the shares of the workers, and gives the
 * actions that the shell (miner.ts) carries out.
 */
import type { ClientEvent, ChannelWork } from "@sluice/channels"
import { Target } from "@sluice/core"
import { printable } from "@sluice/protocol"
import type { MinerEvent } from "./event.ts"
import type { Found } from "./hashing/hash-workers.ts"
import { Judge, type JudgedShare } from "./hashing/judge.ts"
import { SessionError } from "./session.ts"
import type { MinerStats } from "./stats.ts"

/** The actions to take after a batch of messages. */
export interface Decision {
  readonly events: ReadonlyArray<MinerEvent>
  /** Work for the workers. */
  readonly start: NewWork | undefined
  /** The reason to end the session, if any. */
  readonly failure: SessionError | undefined
  /** The server to connect to. An empty host or port 0 mean the current one. */
  readonly redirect: { readonly host: string; readonly port: number } | undefined
}

export interface NewWork {
  readonly workNumber: number
  readonly work: ChannelWork
  readonly newPrevHash: boolean
}

/** How many works to remember for late shares. */
const MAX_WORKS = 64

export class MinerMachine {
  readonly #wantedShares: number
  readonly #judge = new Judge()
  /** The latest works of this connection, by number. */
  readonly #works = new Map<number, ChannelWork>()
  readonly #refused: Record<string, number> = Object.create(null) as Record<string, number>
  #workNumber = 0
  #state: MinerStats["state"] = "connecting"
  #server: string | undefined
  #channelId: number | undefined
  #submitted = 0
  #accepted = 0
  #difficultySum = 0
  #stale = 0
  #faulty = 0
  #unanswered = 0
  #blocks = 0
  #jobs = 0
  #connections = 0

  /** The miner has finished after `wantedShares` accepted shares; `Infinity` means never. */
  constructor(wantedShares: number) {
    this.#wantedShares = wantedShares
  }

  /** Number of shares from workers whose hash does not meet the target. */
  get faulty(): number {
    return this.#faulty
  }

  get isFinished(): boolean {
    return this.#accepted >= this.#wantedShares
  }

  stats(hashes: number, hashesPerSecond: number): MinerStats {
    return {
      state: this.#state,
      server: this.#server,
      channelId: this.#channelId,
      hashesPerSecond,
      hashes,
      submitted: this.#submitted,
      accepted: this.#accepted,
      difficultySum: this.#difficultySum,
      refused: { ...this.#refused },
      stale: this.#stale,
      faulty: this.#faulty,
      unanswered: this.#unanswered,
      blocks: this.#blocks,
      jobs: this.#jobs,
      connections: this.#connections
    }
  }

  connected(server: string, at: number): MinerEvent {
    this.#connections++
    this.#server = server
    return { _tag: "Connected", at, server }
  }

  disconnected(server: string, reason: string, unanswered: number, at: number): MinerEvent {
    this.#state = "connecting"
    this.#server = undefined
    this.#channelId = undefined
    this.#unanswered += unanswered
    this.#works.clear()
    return { _tag: "Disconnected", at, server, reason, unanswered }
  }

  finished(at: number): MinerEvent {
    this.#state = "finished"
    this.#server = undefined
    this.#channelId = undefined
    return { _tag: "Finished", at, accepted: this.#accepted }
  }

  /** Handles a batch of events. If it has several works, only the last is started. */
  receive(clientEvents: ReadonlyArray<ClientEvent>, at: number): Decision {
    const events: Array<MinerEvent> = []
    let work: ChannelWork | undefined
    let newPrevHash = false
    let failure: Decision["failure"]
    let redirect: Decision["redirect"]
    for (const event of clientEvents) {
      switch (event._tag) {
        case "ChannelOpened":
          this.#channelId = event.channelId
          events.push({
            _tag: "ChannelOpened",
            at,
            channelId: event.channelId,
            kind: event.kind,
            difficulty: Target.targetToDifficulty(event.target, 0),
            extranoncePrefix: hex(event.extranoncePrefix),
            extranonceSize: event.extranonceSize
          })
          break
        case "OpenRefused":
          failure = new SessionError({
            reason: "open-refused",
            message: `the server refused to open the channel: ${printable(event.errorCode)}`
          })
          break
        case "ChannelClosed":
          failure = new SessionError({
            reason: "channel-closed",
            message: `the server closed the channel: ${printable(event.reasonCode)}`
          })
          break
        case "JobReceived":
          this.#jobs++
          events.push({ _tag: "JobReceived", at, channelId: event.channelId, jobId: event.jobId, future: event.future })
          break
        case "WorkChanged":
          work = event.work
          newPrevHash ||= event.newPrevHash
          break
        case "TargetChanged": {
          const difficulty = Target.targetToDifficulty(event.target, 0)
          events.push({ _tag: "TargetChanged", at, channelId: event.channelId, difficulty })
          break
        }
        case "SharesAccepted": {
          const { channelId, shares } = event
          const difficultySum = Number(event.difficultySum)
          this.#accepted += shares.length
          this.#difficultySum += difficultySum
          const accepted = this.#accepted
          events.push({ _tag: "ShareAccepted", at, channelId, count: shares.length, accepted, difficultySum })
          break
        }
        case "ShareRefused": {
          const { channelId, share } = event
          const errorCode = printable(event.errorCode)
          const { jobId, sequenceNumber } = share
          this.#countRefusal(errorCode)
          events.push({ _tag: "ShareRefused", at, channelId, sequenceNumber, jobId, errorCode })
          break
        }
        case "Reconnect":
          redirect = { host: printable(event.host), port: event.port }
          break
        // Other events change nothing here: new work follows them, or they end the session by themselves.
        default:
      }
    }
    const start = work === undefined ? undefined : { workNumber: this.#remember(work), work, newPrevHash }
    return { events, start, failure, redirect }
  }

  /** Records that the workers have started the work. */
  started({ newPrevHash, work }: NewWork, at: number, latencyMs: number): MinerEvent {
    this.#state = "mining"
    return {
      _tag: "JobStarted",
      at,
      channelId: work.channelId,
      jobId: work.jobId,
      prevHash: hex(work.prevHash.toReversed()),
      newPrevHash,
      minNtime: work.minNtime,
      difficulty: Target.targetToDifficulty(work.target, 0),
      latencyMs
    }
  }

  /** Selects the shares to submit. Counts the others, which belong to earlier connections or are wrong. */
  judge(found: ReadonlyArray<Found>): ReadonlyArray<JudgedShare> {
    const judged: Array<JudgedShare> = []
    for (const { share, workNumber } of found) {
      const work = this.#works.get(workNumber)
      if (work === undefined) {
        this.#stale++
        continue
      }
      const good = this.#judge.judge(work, share)
      if (good === undefined) this.#faulty++
      else judged.push(good)
    }
    return judged
  }

  /** Records submitted shares with their sequence numbers; shares without a number were stale. */
  submitted(
    judged: ReadonlyArray<JudgedShare>,
    numbers: ReadonlyArray<number | undefined>,
    at: number
  ): ReadonlyArray<MinerEvent> {
    const events: Array<MinerEvent> = []
    judged.forEach(({ difficulty, hash, isBlock, share, work }, index) => {
      const { channelId, extranonce, jobId, nonce, ntime, version } = share
      const sequenceNumber = numbers[index]
      const display = hex(hash.toReversed())
      if (sequenceNumber === undefined) {
        this.#stale++
        events.push({ _tag: "ShareStale", at, jobId })
        return
      }
      this.#submitted++
      events.push({
        _tag: "ShareSubmitted",
        at,
        channelId,
        sequenceNumber,
        jobId,
        hash: display,
        difficulty,
        version,
        ntime,
        nonce,
        extranonce: hex(extranonce)
      })
      if (isBlock) {
        this.#blocks++
        events.push({ _tag: "BlockFound", at, hash: display, prevHash: hex(work.prevHash.toReversed()), jobId })
      }
    })
    return events
  }

  #remember(work: ChannelWork): number {
    this.#works.set(++this.#workNumber, work)
    this.#works.delete(this.#workNumber - MAX_WORKS)
    return this.#workNumber
  }

  /** The most error codes to count separately: a server could send any number. */
  #countRefusal(errorCode: string): void {
    const known = errorCode in this.#refused || Object.keys(this.#refused).length < MAX_ERROR_CODES
    const code = known ? errorCode : "other"
    this.#refused[code] = (this.#refused[code] ?? 0) + 1
  }
}

const MAX_ERROR_CODES = 32
/** Makes a server's code safe for logs and tables. */

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
