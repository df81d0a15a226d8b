/**
 * Schedules the channels of all members of a swarm: decides when each submits, and which one to search a share for. Finds
 * shares before they are due, in small steps that do not block the event loop. Pure, as its members are.
 */
import { Agenda } from "./agenda.ts"
import type { Member, MemberChannel } from "./member.ts"
import { chooseBad } from "./misbehaviour.ts"
import type { SwarmPlan } from "./options.ts"
import { Tally } from "./tally.ts"

/** The most headers that one step tries: about a millisecond. */
const HASHES_PER_STEP = 1000
/** The most headers to try for one channel before the next channel has its turn. */
const HASHES_PER_TURN = 250
/** The resolution of the agenda, in milliseconds. */
const SLOT_MS = 1
/** A share this much later than due counts as `behind`. */
const BEHIND_MS = 1000

export class Crowd {
  readonly plan: SwarmPlan
  readonly tally = new Tally()
  readonly #random: () => number
  readonly #startedAt: number
  readonly #agenda: Agenda<MemberChannel>
  /** Channels that need a share, in the order of their turns, from index `#turn` on. */
  #line: Array<MemberChannel> = []
  #turn = 0
  #isSubmitting = true

  /** `now` is in milliseconds of the same clock as in all calls. `random` gives numbers from 0 to 1. */
  constructor(plan: SwarmPlan, now: number, random: () => number) {
    this.plan = plan
    this.#random = random
    this.#startedAt = now
    this.#agenda = new Agenda(SLOT_MS, now)
  }

  /** Stops submitting shares. */
  stopSubmitting(): void {
    this.#isSubmitting = false
  }

  /** Called when a channel gets work, for the first time or again. */
  onWork(channel: MemberChannel, isFirst: boolean, now: number): void {
    if (isFirst) {
      const { tally } = this
      tally.channelsWorking++
      if (tally.channelsWorking === this.plan.connections * this.plan.channels) {
        tally.allWorkingAfterMs ??= now - this.#startedAt
      }
      this.#schedule(channel, now)
    }
    this.#standInLine(channel)
  }

  /** Submits due shares and searches for others. Gives the members with frames to send. Call it every millisecond. */
  step(now: number): ReadonlySet<Member> {
    const speakers = new Set<Member>()
    if (!this.#isSubmitting) return speakers
    for (const channel of this.#agenda.take(now)) this.#due(channel, now, speakers)
    this.#mine(now, speakers)
    return speakers
  }

  #due(channel: MemberChannel, now: number, speakers: Set<Member>): void {
    const { member } = channel
    if (!member.isOpen(channel)) return
    const bad = chooseBad(this.plan.misbehaviour, this.#random())
    if (bad !== undefined && member.misbehave(channel, bad, now)) {
      speakers.add(member)
      this.#schedule(channel, now)
      return
    }
    channel.owedSince = now
    this.#submitOwed(channel, now, speakers)
  }

  #submitOwed(channel: MemberChannel, now: number, speakers: Set<Member>): void {
    const { member, owedSince, ready } = channel
    if (ready === undefined || owedSince === undefined) return
    if (now - owedSince > BEHIND_MS) this.tally.behind++
    channel.ready = undefined
    channel.owedSince = undefined
    member.submit(channel, ready, now)
    speakers.add(member)
    this.#standInLine(channel)
    this.#schedule(channel, now)
  }

  #schedule(channel: MemberChannel, now: number): void {
    const at = now + channel.waitMs(this.#random())
    if (Number.isFinite(at)) this.#agenda.add(channel, at)
  }

  #standInLine(channel: MemberChannel): void {
    if (channel.isInLine || channel.ready !== undefined || this.plan.sharesPerMinute === 0) return
    channel.isInLine = true
    this.#line.push(channel)
  }

  #mine(now: number, speakers: Set<Member>): void {
    let left = HASHES_PER_STEP
    // At most one turn each in a step, so that a channel that cannot try anything now does not block the others.
    let turns = this.#line.length - this.#turn
    for (; turns > 0 && left > 0; turns--) {
      const channel = this.#line[this.#turn++]!
      channel.isInLine = false
      if (!channel.member.isOpen(channel) || channel.ready !== undefined) continue
      left -= channel.mine(Math.min(left, HASHES_PER_TURN), now)
      if (channel.ready === undefined) this.#standInLine(channel)
      else this.#submitOwed(channel, now, speakers)
    }
    if (this.#turn * 2 < this.#line.length) return
    this.#line = this.#line.slice(this.#turn)
    this.#turn = 0
  }
}
