/**
 * Opens a channel at the source of work for each channel that a client requests, where a source has `Work.openChannel`. This takes a
 * round trip, so it happens before the channel server gets the requests, as `validateUser` does.
 */
import { type ChannelServer, NO_WORK_YET, type SourceChannel } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { Effect } from "effect"
import type { Work } from "../work-source/work-source.ts"
import { type Admission, isOpen, type OpenRequest, type Verdicts } from "./admission.ts"

/** How many channels of one connection are opened at once. */
const OPENED_AT_ONCE = 64

/** The channels that were opened for requests, or the error codes that refuse them. */
type Opened = Map<OpenRequest, SourceChannel | string>

export interface SourceChannels {
  /** For the context of channel servers. */
  readonly opened: (request: OpenRequest) => SourceChannel | string
  /**
   * Opens the channels that the messages request and this end does not refuse. Then runs `use`, whose steps of the channel server
   * find them. Closes the channels that no step took.
   */
  readonly whileOpen: <E>(
    machine: ChannelServer,
    batch: ReadonlyArray<Mining.ToServer>,
    verdicts: Verdicts,
    use: (step: <A>(run: () => A) => A) => Effect.Effect<void, E>
  ) => Effect.Effect<void, E>
}

export const makeSourceChannels = (
  open: NonNullable<Work["openChannel"]>,
  admission: Pick<Admission, "withVerdicts">
): SourceChannels => {
  /** Those of the present step. */
  let present: Opened = new Map()

  const openAll = (requests: ReadonlyArray<OpenRequest>, opened: Opened): Effect.Effect<void> =>
    Effect.forEach(
      requests,
      (request) =>
        Effect.match(open(request), {
          onFailure: (errorCode) => void opened.set(request, errorCode),
          onSuccess: (channel) => void opened.set(request, channel)
        }),
      { concurrency: OPENED_AT_ONCE, discard: true }
    )

  return {
    opened: (request) => {
      const opened = present.get(request) ?? NO_WORK_YET
      present.delete(request)
      return opened
    },

    whileOpen: (machine, batch, verdicts, use) =>
      Effect.suspend(() => {
        const opened: Opened = new Map()
        const requests: Array<OpenRequest> = []
        for (const message of batch) {
          if (!isOpen(message)) continue
          const refusal = admission.withVerdicts(verdicts, () => machine.whyRefused(message, requests.length))
          if (refusal === undefined) requests.push(message)
          else opened.set(message, refusal)
        }
        const step = <A>(run: () => A): A => {
          present = opened
          return admission.withVerdicts(verdicts, run)
        }
        const closeOthers = Effect.sync(() => {
          for (const channel of opened.values()) if (typeof channel !== "string") channel.close("client-disconnected")
        })
        return Effect.ensuring(Effect.andThen(openAll(requests, opened), use(step)), closeOthers)
      })
  }
}
