/**
 * The pool that the kit is beside its job declarator: opens channels, judges custom jobs and acknowledges them a moment later, so
 * that a client which does not wait shows itself (5.3.18, 5.3.19).
 */
import { Mining } from "@sluice/protocol"
import { MiningListener } from "@sluice/transport"
import { Effect, Stream } from "effect"
import type { Ledger } from "../ledger.ts"
import type { DeclarationBooks } from "./declaration-books.ts"

export interface PoolBesideOptions {
  readonly ledger: Ledger
  readonly books: DeclarationBooks
  /** How long to keep each SetCustomMiningJob.Success back, in milliseconds. */
  readonly delayMs: number
}

/** Serves mining clients for as long as it runs. */
export const servePool = (options: PoolBesideOptions) =>
  Effect.flatMap(MiningListener, ({ run }) =>
    run(
      ({ receive, send, setup }) =>
        Effect.gen(function* () {
          const connection = new PoolConnection(options, setup.flags)
          yield* receive.pipe(
            Stream.runForEachArray((batch) =>
              Effect.gen(function* () {
                const { later, now } = connection.receive(batch)
                if (now.length > 0) yield* send(now)
                if (later.length === 0) return
                yield* Effect.sleep(options.delayMs).pipe(
                  Effect.andThen(Effect.suspend(() => send(connection.acknowledge(later)))),
                  Effect.forkScoped
                )
              })
            )
          )
        }),
      { supportedFlags: Mining.REQUIRES_WORK_SELECTION | Mining.REQUIRES_VERSION_ROLLING }
    )
  )

/** One connection of the pool. Pure. */
class PoolConnection {
  private readonly options: PoolBesideOptions
  private readonly selects: boolean
  private readonly requestIds = new Set<number>()
  /** Job ids that were acknowledged, by channel. */
  private readonly acknowledged = new Set<string>()
  private lastChannelId = 0
  private lastJobId = 0

  constructor(options: PoolBesideOptions, flags: number) {
    this.options = options
    this.selects = (flags & Mining.REQUIRES_WORK_SELECTION) !== 0
  }

  /** Judges messages; gives the answers for now, and custom jobs to acknowledge later. */
  receive(batch: ReadonlyArray<Mining.ToServer>): {
    readonly now: ReadonlyArray<Mining.ToClient>
    readonly later: ReadonlyArray<Mining.SetCustomMiningJob>
  } {
    const { books, ledger } = this.options
    const now: Array<Mining.ToClient> = []
    const later: Array<Mining.SetCustomMiningJob> = []
    for (const message of batch) {
      switch (message._tag) {
        case "OpenExtendedMiningChannel":
          now.push(this.open(message))
          break
        case "SetCustomMiningJob": {
          ledger.note("client-custom.flag", this.selects, "REQUIRES_WORK_SELECTION in the setup", "a setup without it")
          const isOpen = message.channelId > 0 && message.channelId <= this.lastChannelId
          ledger.note("client-custom.channel", isOpen, "a channel that is open", `channel ${message.channelId}`)
          const unused = !this.requestIds.has(message.requestId)
          ledger.note(
            "client-custom.request-id",
            unused,
            "another request_id for each job",
            `${message.requestId} again`
          )
          this.requestIds.add(message.requestId)
          books.judgeCustomJob(message)
          later.push(message)
          break
        }
        case "SubmitSharesExtended": {
          const { channelId, jobId, sequenceNumber } = message
          const patient = this.acknowledged.has(`${channelId}:${jobId}`)
          ledger.note("client-custom.patience", patient, "shares only of acknowledged jobs", `a share of job ${jobId}`)
          const counts = { newSubmitsAcceptedCount: 1, newSharesSum: 1n }
          now.push(Mining.SubmitSharesSuccess.make({ channelId, lastSequenceNumber: sequenceNumber, ...counts }))
          break
        }
        default:
      }
    }
    return { now, later }
  }

  acknowledge(jobs: ReadonlyArray<Mining.SetCustomMiningJob>): ReadonlyArray<Mining.SetCustomMiningJobSuccess> {
    return jobs.map(({ channelId, requestId }) => {
      const jobId = ++this.lastJobId
      this.acknowledged.add(`${channelId}:${jobId}`)
      return Mining.SetCustomMiningJobSuccess.make({ channelId, requestId, jobId })
    })
  }

  private open({ minExtranonceSize, requestId }: Mining.OpenExtendedMiningChannel): Mining.ToClient {
    const channelId = ++this.lastChannelId
    return Mining.OpenExtendedMiningChannelSuccess.make({
      requestId,
      channelId,
      target: EASY_TARGET,
      extranonceSize: Math.max(8, Math.min(minExtranonceSize, 28)),
      extranoncePrefix: Uint8Array.of(0, 0, 0, channelId),
      groupChannelId: GROUP
    })
  }
}

/** One hash in 16 is a share. */
const EASY_TARGET = new Uint8Array(32).fill(0xff).with(31, 0x0f)
const GROUP = 0xffff_fff0
