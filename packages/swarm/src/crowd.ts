/**
 * The members of a swarm together: when each of their channels submits, and what the machine's hashes are spent on. Shares
 * are found before they are due, in small steps, so that nothing waits for long while one is searched. A pure machine, as
 * its members are.
 */
import { Agenda } from "./agenda.ts"
import type { Member, MemberChannel } from "./member.ts"
import { chooseBad } from "./misbehaviour.ts"
import type { SwarmPlan } from "./options.ts"
import { Tally } from "./tally.ts"

/** Headers that one step may try: some milliseconds. */
const HASHES_PER_STEP = 4000
/** Headers that are tried for one channel before the next one has its turn. */
const HASHES_PER_TURN = 1000
/** The agenda's resolution. */
const SLOT_MS = 5
/** A share that comes so much later than it is due was not found in time. */
const BEHIND_MS = 1000

export class Crowd {
  readonly plan: SwarmPlan
  readonly tally = new Tally()
  readonly #random: () => number
  readonly #startedAt: number
  readonly #agenda: Agenda<MemberChannel>
  /** Channels that a share is to be found for, in the order of their turns, from `#turn` on. */
  #line: Array<MemberChannel> = []
  #turn = 0
  #isSubmitting = true

  /** `now` is in milliseconds of the clock of all calls, `random` gives numbers from 0 to 1. */
  constructor(plan: SwarmPlan, now: number, random: () => number) {
    this.plan = plan
    this.#random = random
    this.#startedAt = now
    this.#agenda = new Agenda(SLOT_MS, now)
  }

  /** No more shares from now on. */
  stopSubmitting(): void {
    this.#isSubmitting = false
  }

  /** A channel has got work, for the first time or not. */
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

  /** Does what is due, and gives the members that have something to send. To be called every few milliseconds. */
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
    // Each has at most one turn in a step: one that can try nothing just now does not hold up the others.
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
