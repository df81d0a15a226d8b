/**
 * The upstreams of a proxy, by their place in the list of preference, as both modes know them: where each is, its counts, which one is
 * in use, the state of the source, and what the shell has to do.
 */
import type { WorkSourceState } from "@sluice/mining-server"
import { printable } from "@sluice/protocol"
import { formatEndpoint, type ServerAddress } from "@sluice/transport"
import { UpstreamChoice } from "./choice.ts"
import type { UpstreamEvent } from "./event.ts"
import type { UpstreamFault } from "./fault.ts"
import { redirected } from "./redirect.ts"
import { UpstreamTally } from "./upstream-tally.ts"

export interface RosterOptions {
  /** The preferred one first. `name` is its address for people. */
  readonly upstreams: ReadonlyArray<{ readonly server: ServerAddress; readonly name: string }>
  readonly returnAfterMs: number
  readonly silenceMs: number
  readonly idleMs: number
  readonly isOwn?: (index: number) => boolean
}

/** An upstream, as statistics show it. */
export interface UpstreamView {
  /** Where it is connected, or will be the next time. */
  readonly server: ServerAddress
  readonly tally: UpstreamTally
  /** Whether it is connected and ready for shares. */
  readonly isOpen: boolean
  /** Shares without a verdict. */
  readonly pending: number
}

/** A session with an upstream. */
interface Session {
  readonly index: number
  readonly openedAt: number
  readonly fault: UpstreamFault | undefined
}

export class UpstreamRoster {
  readonly choice: UpstreamChoice
  readonly tallies: ReadonlyArray<UpstreamTally>
  /** Where each is connected, or will be the next time. */
  readonly #servers: Array<ServerAddress>
  readonly #options: RosterOptions
  #state: WorkSourceState = { _tag: "Connecting" }
  #lastLoss: { readonly server: string; readonly reason: string } | undefined
  #events: Array<UpstreamEvent> = []

  constructor(options: RosterOptions) {
    const { upstreams } = options
    this.#options = options
    this.choice = new UpstreamChoice({ ...options, count: upstreams.length })
    this.tallies = upstreams.map(() => new UpstreamTally())
    this.#servers = upstreams.map(({ server }) => server)
  }

  /** Where an upstream is, and its counts. */
  of(index: number): Pick<UpstreamView, "server" | "tally"> {
    return { server: this.#servers[index]!, tally: this.tallies[index]! }
  }

  get state(): WorkSourceState {
    return this.#state
  }

  /** The events since the last call. */
  takeEvents(): ReadonlyArray<UpstreamEvent> {
    const events = this.#events
    this.#events = []
    return events
  }

  push(event: UpstreamEvent): void {
    this.#events.push(event)
  }

  /** The connection could not be made at an address that Reconnect named: the next attempt is at the configured one. */
  forgetRedirect(index: number): void {
    this.#servers[index] = this.#options.upstreams[index]!.server
  }

  /**
   * Follows a Reconnect. Returns the reason and the message with which the session ends: a planned end, unless the upstream has sent
   * the proxy here only just now. `undefined` if the proxy stays.
   */
  redirect(
    { index, openedAt }: Session,
    host: string,
    port: number,
    now: number
  ): readonly [reason: UpstreamFault["reason"], message: string] | undefined {
    const to = redirected(this.#servers[index]!, host, port)
    if (to === undefined) {
      this.push({ _tag: "RedirectIgnored", index, to: printable(formatEndpoint({ host, port })) })
      return undefined
    }
    this.#servers[index] = to
    this.push({ _tag: "Redirected", index, to })
    const reason = now - openedAt < this.#options.returnAfterMs ? "reconnect-again" : "reconnect"
    return [reason, `it asked the proxy to connect to ${formatEndpoint(to)} (Reconnect)`]
  }

  /** The upstreams that are silent now, with messages that say so. */
  silent(now: number): ReadonlyArray<readonly [index: number, message: string]> {
    return this.choice.silent(now).map(({ index, newerAt, silentMs }) => {
      const { upstreams } = this.#options
      const since = newerAt === undefined ? "" : `, and ${upstreams[newerAt]!.name} has announced a new block since`
      return [index, `it has sent no job for ${Math.round(silentMs / 1000)} s${since}`]
    })
  }

  accepted(index: number, { count, difficulty }: { readonly count: number; readonly difficulty: number }): void {
    const tally = this.tallies[index]!
    tally.accepted += count
    tally.acceptedDifficulty += difficulty
  }

  refused(index: number, errorCode: string): void {
    this.tallies[index]!.refuse(errorCode)
    this.push({ _tag: "Refused", index, errorCode })
  }

  /** A session has ended, or without one, a connection could not be made. */
  ended(index: number, session: Session | undefined, reason: string): void {
    this.choice.failed(index, session?.fault?.reason === "reconnect")
    if (session !== undefined) this.#lastLoss = { server: this.#options.upstreams[index]!.name, reason }
  }

  /** Tells the state of the source, which is connected through this session. */
  tell(session: Session | undefined): void {
    const state: WorkSourceState =
      session !== undefined
        ? { _tag: "Connected", server: this.#options.upstreams[session.index]!.name }
        : this.#lastLoss === undefined
          ? { _tag: "Connecting" }
          : { _tag: "Disconnected", ...this.#lastLoss }
    if (isSame(this.#state, state)) return
    this.#state = state
    this.push({ _tag: "State", state })
  }
}

const isSame = (a: WorkSourceState, b: WorkSourceState): boolean =>
  a._tag === b._tag && ("server" in a ? a.server : "") === ("server" in b ? b.server : "")
