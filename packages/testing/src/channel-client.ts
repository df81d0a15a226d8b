/** A client of a pool that is a real one: the client's machine of @sluice/channels, which checks every message, and mines. */
import {
  ChannelClient as Machine,
  type ChannelWork,
  type ClientEvent,
  type ClientOutbox,
  Outbox
} from "@sluice/channels"
import { ShareCheck, Target } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { type ClientSetup, type ConnectionError, MiningDialer, Setup } from "@sluice/transport"
import { Clock, Context, Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { ANY_TARGET } from "./templates.ts"
import { PoolAddress } from "./pool-worlds.ts"
import { HASH_RATE } from "./pool-client.ts"

type Kind = "standard" | "extended"

/** A channel that is not `user`'s. */
export interface Wanted {
  readonly kind: Kind
  readonly userIdentity: string
}

type EventOf<Tag> = Extract<ClientEvent, { readonly _tag: Tag }>

/** Lets everything that can happen now happen. */
export const settle = TestClock.adjust(1)

export class ChannelClient {
  readonly machine: Machine
  /** All so far; a rule that the pool broke would be the last. */
  readonly events: Array<ClientEvent> = []
  readonly #send: (messages: ReadonlyArray<Mining.ToServer>) => Effect.Effect<void, ConnectionError>
  readonly #check = new ShareCheck()
  readonly #out: ClientOutbox = new Outbox()
  #nonce = 0

  constructor(
    machine: Machine,
    send: (messages: ReadonlyArray<Mining.ToServer>) => Effect.Effect<void, ConnectionError>
  ) {
    this.machine = machine
    this.#send = send
  }

  /** Connects until the Scope closes. */
  static readonly connect = Effect.fnUntraced(function* (setup: ClientSetup = {}) {
    const dialer = Context.get(yield* Layer.build(Setup.client(MiningDialer)), MiningDialer)
    const connection = yield* dialer.dial(yield* PoolAddress, setup)
    const clock = yield* Clock.Clock
    const requiresStandardJobs = ((setup.flags ?? 0) & Mining.REQUIRES_STANDARD_JOBS) !== 0
    const client = new ChannelClient(new Machine({ requiresStandardJobs }), connection.send)
    yield* connection.receive.pipe(
      Stream.runForEachArray((messages) =>
        Effect.sync(() => {
          client.machine.receive(messages, clock.currentTimeMillisUnsafe(), client.#out)
          client.events.push(...client.#out.takeEvents())
        })
      ),
      Effect.ignore,
      Effect.forkScoped
    )
    // So that the pool numbers its connections in the order in which clients connect.
    yield* settle
    return client
  })

  of<Tag extends ClientEvent["_tag"]>(tag: Tag): ReadonlyArray<EventOf<Tag>> {
    return this.events.filter((event): event is EventOf<Tag> => event._tag === tag)
  }

  /** Opens channels, one after the other, and gives their ids. */
  open(...wanted: ReadonlyArray<Kind | Wanted>): Effect.Effect<ReadonlyArray<number>, ConnectionError> {
    return Effect.gen({ self: this }, function* () {
      const before = this.of("ChannelOpened").length
      for (const one of wanted) {
        const { kind, userIdentity } = typeof one === "string" ? { kind: one, userIdentity: `user.${one}` } : one
        const request = { userIdentity, nominalHashRate: HASH_RATE, maxTarget: ANY_TARGET }
        if (kind === "standard") this.machine.openStandardChannel(request, this.#out)
        else this.machine.openExtendedChannel({ ...request, minExtranonceSize: 4 }, this.#out)
        yield* this.#send(this.#out.takeMessages())
      }
      yield* settle
      return this.of("ChannelOpened")
        .slice(before)
        .map(({ channelId }) => channelId)
    })
  }

  /** Closes a channel. */
  close(channelId: number): Effect.Effect<void, ConnectionError> {
    return Effect.suspend(() => {
      this.machine.closeChannel(channelId, "test", this.#out)
      return Effect.andThen(this.#send(this.#out.takeMessages()), settle)
    })
  }

  /** Submits eight shares of what each channel mines, and gives how many were accepted, and what others were refused for. */
  mine(): Effect.Effect<{ readonly accepted: number; readonly refused: ReadonlyArray<string> }, ConnectionError> {
    return Effect.gen({ self: this }, function* () {
      const from = this.events.length
      for (const { work } of this.machine.channels.values()) {
        if (work !== undefined) for (let i = 0; i < 8; i++) yield* this.submit(work)
      }
      yield* settle
      const answers = this.events.slice(from)
      return {
        accepted: answers.reduce((sum, event) => sum + (event._tag === "SharesAccepted" ? event.shares.length : 0), 0),
        refused: answers.flatMap((event) => (event._tag === "ShareRefused" ? [event.errorCode] : []))
      }
    })
  }

  /** A share of this work, which may be an earlier one's. */
  submit(work: ChannelWork): Effect.Effect<void, ConnectionError> {
    const sequenceNumber = this.machine.submit(work.channelId, this.#find(work), 0, this.#out)
    return sequenceNumber === undefined ? Effect.void : this.#send(this.#out.takeMessages())
  }

  #find(work: ChannelWork) {
    const { jobId, minNtime: ntime, nbits, prevHash, target, version } = work
    const check = this.#check
    const extranonce = new Uint8Array(work._tag === "ExtendedWork" ? work.extranonceSize : 0)
    if (work._tag === "StandardWork") check.root.set(work.merkleRoot)
    else {
      const { coinbasePrefix, coinbaseSuffix, extranoncePrefix, merklePath } = work
      check.merkleRoot(coinbasePrefix, extranoncePrefix, extranonce, coinbaseSuffix, merklePath, merklePath.length / 32)
    }
    do check.hash(version, prevHash, check.root, ntime, nbits, ++this.#nonce)
    while (Target.compareU256(check.digest, 0, target, 0) > 0)
    return { jobId, nonce: this.#nonce, ntime, version, extranonce }
  }
}
