/**
 * What events tell and statistics do not: the peers of connections, the jobs and blocks of late, the network's difficulty. A
 * pure machine: it is given events and times. A server publishes events without waiting, so some may be missing here; `forget`
 * puts right what that leaves.
 */
import type { Device } from "@sluice/transport"
import { formatEndpoint } from "@sluice/transport"
import type { EventData } from "../api/journal.ts"
import type { FoundBlock } from "../api/overview.ts"
import type { JobView } from "../api/work.ts"
import type { MonitoredEvent } from "../monitored.ts"
import { type ChannelId, ChannelPoints } from "./channel-points.ts"
import { shown } from "./event-hub.ts"
import { Ring } from "./ring.ts"

export interface Peer {
  readonly openedAt: number
  readonly remote: string
  readonly device: Device
}

const KEPT_JOBS = 200
const KEPT_BLOCKS = 1000

export class Followed {
  readonly peers = new Map<number, Peer>()
  readonly points = new ChannelPoints()
  readonly jobs = new Ring<JobView & { readonly id: number }>(KEPT_JOBS)
  readonly blocks = new Ring<FoundBlock & { readonly id: number }>(KEPT_BLOCKS)
  networkDifficulty: number | undefined
  /** When the last job or previous hash came, in milliseconds since 1970. */
  lastWorkAt: number | undefined
  /** How often the source of work changed to another server. */
  upstreamChanges = 0
  #server: string | undefined

  /** Follows an event; of a block with the work that it took. Returns it for readers of events, if it is for them. */
  follow(event: MonitoredEvent, at: number, effort: number | null = null): EventData | undefined {
    switch (event._tag) {
      case "ConnectionOpened": {
        const { connectionId, device } = event
        const remote = formatEndpoint(event.remote)
        this.peers.set(connectionId, { openedAt: at, remote, device })
        return eventData(at, event._tag, { connectionId, remote, vendor: device.vendor })
      }
      case "ConnectionClosed":
        this.peers.delete(event.connectionId)
        return eventData(at, event._tag, {
          connectionId: event.connectionId,
          remote: formatEndpoint(event.remote),
          reason: event.reason
        })
      case "ChannelOpened":
      case "ChannelClosed": {
        const { channelId, connectionId, kind, userIdentity } = event.channel
        if (event._tag === "ChannelClosed") this.points.closed(event.channel)
        else this.points.changed(event.channel, shown(userIdentity), event.difficulty, at)
        return eventData(at, event._tag, {
          connectionId,
          channelId,
          kind,
          worker: userIdentity,
          ...(event._tag === "ChannelClosed" ? { reason: event.reason } : { difficulty: event.difficulty })
        })
      }
      case "ChannelRefused":
        return eventData(at, event._tag, {
          connectionId: event.connectionId,
          worker: event.userIdentity,
          code: event.errorCode
        })
      case "TargetChanged": {
        const { channelId, connectionId, userIdentity } = event.channel
        const { difficulty } = event
        this.points.changed(event.channel, shown(userIdentity), difficulty, at)
        return eventData(at, event._tag, { connectionId, channelId, worker: userIdentity, difficulty })
      }
      case "JobSent":
      case "PrevHashSent": {
        const { connections, height, jobId, latencyMs } = event
        const isBlock = event._tag === "PrevHashSent"
        if (isBlock) this.networkDifficulty = difficultyOf(event.nbits)
        this.lastWorkAt = at
        const kind = isBlock ? "new-block" : event.future ? "future-job" : "job"
        const prevHash = isBlock ? event.prevHash : null
        this.jobs.add((id) => ({ id, at, jobId, height, kind, connections, latencyMs, prevHash }))
        return eventData(at, event._tag, { jobId, height, kind, connections, latencyMs })
      }
      case "BlockFound": {
        const { channel, hash, height, refusal = null } = event
        const worker = shown(channel.userIdentity)
        this.blocks.add((id) => ({ id, at, height, hash, worker, refusal, effort }))
        return eventData(at, event._tag, { height, hash, worker, ...(refusal === null ? {} : { refusal }) })
      }
      case "SourceChanged": {
        const { state } = event
        if (state._tag === "Connected" && state.server !== this.#server) {
          if (this.#server !== undefined) this.upstreamChanges++
          this.#server = state.server
        }
        return eventData(at, event._tag, {
          state: state._tag,
          ...("server" in state ? { server: state.server } : {}),
          ...("reason" in state ? { reason: state.reason } : {})
        })
      }
      case "WorkIgnored":
        return eventData(at, event._tag, { reason: event.reason })
      default:
        return undefined
    }
  }

  /** Forgets channels and connections whose end was missed. `connections` is how many are open. */
  keep(connections: number, open: ReadonlyArray<ChannelId>): void {
    this.points.keep(open)
    if (this.peers.size > connections) this.forget(connections, new Set(open.map(({ connectionId }) => connectionId)))
  }

  /** Forgets connections whose end was missed: more are known than are open, and these have no channel. */
  forget(open: number, withChannel: ReadonlySet<number>): void {
    for (const id of this.peers.keys()) {
      if (this.peers.size <= open) return
      if (!withChannel.has(id)) this.peers.delete(id)
    }
  }
}

const eventData = (at: number, event: string, fields: Readonly<Record<string, string | number>>): EventData => ({
  at,
  event,
  fields: Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === "string" ? shown(value) : value])
  )
})

/** The difficulty of a network's target in compact form. */
export const difficultyOf = (nbits: number): number => {
  const exponent = nbits >>> 24
  const mantissa = nbits & 0x007fffff
  return mantissa === 0 ? 0 : (0xffff / mantissa) * 256 ** (0x1d - exponent)
}
