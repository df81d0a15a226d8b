/** A client of a pool that a test drives message by message, and that can mine. */
import { u256FromBytes } from "@sluice/channels"
import { ShareCheck } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { type ClientSetup, type Connection, type ConnectionError, MiningDialer, Setup } from "@sluice/transport"
import { Context, Effect, Layer, Queue, Stream } from "effect"
import { PoolAddress } from "./pool-worlds.ts"
import { ANY_TARGET, bytes } from "./templates.ts"

/** A nominal hash rate at which every 16th hash is a share, with the default policy and `minHashRate` 1. */
export const HASH_RATE = 1.6

export const openStandard = (
  fields: Partial<Mining.OpenStandardMiningChannel> = {}
): Mining.OpenStandardMiningChannel => ({
  _tag: "OpenStandardMiningChannel",
  requestId: 1,
  userIdentity: "user.worker",
  nominalHashRate: HASH_RATE,
  maxTarget: ANY_TARGET,
  ...fields
})

export const openExtended = (
  fields: Partial<Mining.OpenExtendedMiningChannel> = {}
): Mining.OpenExtendedMiningChannel => ({
  ...openStandard(),
  minExtranonceSize: 4,
  ...fields,
  _tag: "OpenExtendedMiningChannel"
})

type ToClient<Tag> = Extract<Mining.ToClient, { readonly _tag: Tag }>

export class TestClient {
  readonly connection: Connection<Mining.ToClient, Mining.ToServer>
  readonly #inbox: Queue.Dequeue<Mining.ToClient, ConnectionError>

  constructor(
    connection: Connection<Mining.ToClient, Mining.ToServer>,
    inbox: Queue.Dequeue<Mining.ToClient, ConnectionError>
  ) {
    this.connection = connection
    this.#inbox = inbox
  }

  /** Connects until the Scope closes. */
  static readonly connect = Effect.fnUntraced(function* (setup: ClientSetup = {}) {
    const server = yield* PoolAddress
    const dialer = Context.get(yield* Layer.build(Setup.client(MiningDialer)), MiningDialer)
    const connection = yield* dialer.dial(server, setup)
    const inbox = yield* Queue.unbounded<Mining.ToClient, ConnectionError>()
    yield* connection.receive.pipe(
      Stream.runForEach((message) => Queue.offer(inbox, message)),
      Effect.catchCause((cause) => Queue.failCause(inbox, cause)),
      Effect.forkScoped
    )
    return new TestClient(connection, inbox)
  })

  send(...messages: ReadonlyArray<Mining.ToServer>): Effect.Effect<void, ConnectionError> {
    return this.connection.send(messages)
  }

  /** The next message, which must be of this kind. */
  expect<Tag extends Mining.ToClient["_tag"]>(tag: Tag): Effect.Effect<ToClient<Tag>, ConnectionError> {
    return Effect.flatMap(Queue.take(this.#inbox), (message) =>
      message._tag === tag
        ? Effect.succeed(message as ToClient<Tag>)
        : Effect.die(new Error(`expected ${tag}, got ${message._tag}`))
    )
  }

  /** The next message, whichever it is. */
  get next(): Effect.Effect<Mining.ToClient, ConnectionError> {
    return Queue.take(this.#inbox)
  }

  /** Waits for a message of this kind, whatever comes before it. */
  until<Tag extends Mining.ToClient["_tag"]>(tag: Tag): Effect.Effect<ToClient<Tag>, ConnectionError> {
    return Effect.flatMap(Queue.take(this.#inbox), (message) =>
      message._tag === tag ? Effect.succeed(message as ToClient<Tag>) : this.until(tag)
    )
  }

  /** Waits for a message of this kind, with the jobs before it handed to the miner: a real provider sends them any time. */
  follow<Tag extends Mining.ToClient["_tag"]>(miner: Miner, tag: Tag): Effect.Effect<ToClient<Tag>, ConnectionError> {
    return Effect.flatMap(Queue.take(this.#inbox), (message) => {
      const isWork =
        message._tag === "NewMiningJob" || message._tag === "NewExtendedMiningJob" || message._tag === "SetNewPrevHash"
      if (isWork) miner.receive(message)
      if (message._tag === tag) return Effect.succeed(message as ToClient<Tag>)
      return isWork ? this.follow(miner, tag) : Effect.die(new Error(`expected ${tag}, got ${message._tag}`))
    })
  }

  /** How many messages came that the test has not looked at. */
  get waiting(): Effect.Effect<number> {
    return Queue.size(this.#inbox)
  }

  /** Waits for the connection to end, and says why. */
  readonly ended: Effect.Effect<ConnectionError> = Effect.suspend(() =>
    Effect.flip(Effect.forever(Queue.take(this.#inbox)))
  )

  /** Opens a channel and gives a miner with its first work. */
  open(
    request: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel
  ): Effect.Effect<Miner, ConnectionError> {
    return Effect.gen({ self: this }, function* () {
      yield* this.send(request)
      const success = yield* this.expect(`${request._tag}.Success`)
      const job =
        request._tag === "OpenStandardMiningChannel"
          ? yield* this.expect("NewMiningJob")
          : yield* this.expect("NewExtendedMiningJob")
      const miner = new Miner(success)
      miner.receive(job)
      miner.receive(yield* this.expect("SetNewPrevHash"))
      return miner
    })
  }
}

/** A channel as its miner sees it. */
export class Miner {
  readonly channelId: number
  readonly kind: "standard" | "extended"
  readonly extranonceSize: number
  target: bigint
  readonly #prefix: Uint8Array
  readonly #check = new ShareCheck()
  #job: Mining.NewMiningJob | Mining.NewExtendedMiningJob | undefined
  readonly #future = new Map<number, Mining.NewMiningJob | Mining.NewExtendedMiningJob>()
  #prevHash: Mining.SetNewPrevHash | undefined
  #sequenceNumber = 0
  #nonce = 0

  constructor(success: Mining.OpenStandardMiningChannelSuccess | Mining.OpenExtendedMiningChannelSuccess) {
    this.channelId = success.channelId
    this.kind = success._tag === "OpenStandardMiningChannel.Success" ? "standard" : "extended"
    this.#prefix = success.extranoncePrefix
    this.extranonceSize = success._tag === "OpenExtendedMiningChannel.Success" ? success.extranonceSize : 0
    this.target = u256FromBytes(success.target)
  }

  receive(message: Mining.NewMiningJob | Mining.NewExtendedMiningJob | Mining.SetNewPrevHash): void {
    if (message._tag === "SetNewPrevHash") {
      this.#prevHash = message
      this.#job = this.#future.get(message.jobId)
      this.#future.clear()
    } else if (message.minNtime === undefined) this.#future.set(message.jobId, message)
    else this.#job = message
  }

  get jobId(): number {
    return this.#job!.jobId
  }

  get ntime(): number {
    return this.#prevHash!.minNtime
  }

  /** The shares among so many hashes. */
  search(hashes: number): ReadonlyArray<Mining.SubmitSharesStandard | Mining.SubmitSharesExtended> {
    const end = this.#nonce + hashes
    const found: Array<Mining.SubmitSharesStandard | Mining.SubmitSharesExtended> = []
    for (let share = this.#find({}, end); share !== undefined; share = this.#find({}, end)) found.push(share)
    return found
  }

  /** A share of the current job that meets the target, or, with `bad`, one that does not. */
  mine(
    fields: Partial<Mining.SubmitSharesExtended> & { readonly bad?: boolean } = {}
  ): Mining.SubmitSharesStandard | Mining.SubmitSharesExtended {
    return this.#find(fields, Infinity)!
  }

  #find(
    fields: Partial<Mining.SubmitSharesExtended> & { readonly bad?: boolean },
    endNonce: number
  ): Mining.SubmitSharesStandard | Mining.SubmitSharesExtended | undefined {
    const { bad = false, extranonce = bytes(1, this.extranonceSize), ...rest } = fields
    const job = this.#job!
    const { nbits, prevHash } = this.#prevHash!
    const share = {
      channelId: this.channelId,
      sequenceNumber: ++this.#sequenceNumber,
      jobId: job.jobId,
      ntime: this.ntime,
      version: job.version,
      ...rest
    }
    const check = this.#check
    if (job._tag === "NewMiningJob") check.root.set(job.merkleRoot)
    else {
      const path = new Uint8Array(Buffer.concat(job.merklePath))
      const { coinbaseTxPrefix, coinbaseTxSuffix, merklePath } = job
      check.merkleRoot(coinbaseTxPrefix, this.#prefix, extranonce, coinbaseTxSuffix, path, merklePath.length)
    }
    while (this.#nonce < endNonce) {
      const nonce = this.#nonce++
      check.hash(share.version, prevHash, check.root, share.ntime, nbits, nonce)
      if (u256FromBytes(check.digest) <= this.target === bad) continue
      const { channelId, jobId, ntime, sequenceNumber, version } = share
      const common = { channelId, sequenceNumber, jobId, nonce, ntime, version }
      return this.kind === "standard"
        ? { _tag: "SubmitSharesStandard", ...common }
        : { _tag: "SubmitSharesExtended", ...common, extranonce }
    }
    return undefined
  }
}
