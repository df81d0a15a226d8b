/**
 * A pool as a proxy's upstream, driven by a test message by message. It checks shares by itself, with node:crypto, and knows which
 * headers it credited.
 */
import { Mining, WorkerIdentity } from "@sluice/protocol"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import { sha256d } from "@sluice/testing/blocks"
import { ANY_TARGET, bytes } from "@sluice/testing/templates"
import { headerOf, rootOf } from "@sluice/testing/work-source-suite"
import {
  type Connection,
  type ConnectionDialer,
  type ConnectionError,
  DialError,
  type ServerAddress,
  Closed,
  TransportError
} from "@sluice/transport"
import { Effect, Queue, Stream } from "effect"

/** A job as the pool made it; the previous hash is known when it is active. */
export interface PoolJob {
  readonly message: Mining.NewExtendedMiningJob
  prevHash: Uint8Array | undefined
  /** Those of the pool, if the job does not say. */
  readonly nbits?: number
}

export interface PoolOptions {
  readonly prefix?: Uint8Array
  readonly extranonceSize?: number
  readonly target?: Uint8Array
  readonly nbits?: number
  readonly extensions?: ReadonlyArray<number>
  readonly flags?: number
  /** Whether another connection gets another prefix. Default: the same for all. */
  readonly prefixPerConnection?: boolean
  readonly payout?: Uint8Array
}

export const CHANNEL = 7
const GROUP = 1
/** No hash is a block. */
const NBITS = 0x03000001
const NTIME = 1_800_000_000

export class ScriptedPool {
  readonly options: Required<Omit<PoolOptions, "payout">> & Pick<PoolOptions, "payout">
  /** The headers of the shares that arrived, in order; as hex with the answer. */
  readonly shares: Array<{
    readonly header: Uint8Array
    readonly answer: string
    readonly worker: string | undefined
  }> = []
  readonly updates: Array<number> = []
  readonly opened: Array<Mining.OpenExtendedMiningChannel> = []
  /** The reasons of channels that were closed. */
  readonly closed: Array<string> = []
  /** The jobs of the proxy's own that it was asked to take, in order. */
  readonly asked: Array<Mining.SetCustomMiningJob> = []
  /** The error code for a job of the proxy's own; "" leaves it without an answer, and by default the pool takes it. */
  refusal: (message: Mining.SetCustomMiningJob) => string | undefined = () => undefined
  /** The error code for any share of a job that it has taken. */
  shareRefusal: string | undefined
  /** Headers that were credited. */
  readonly credited = new Set<string>()
  target: Uint8Array
  height = 100
  connections = 0
  #lastId = 0
  #blocks = 0
  #active: Array<PoolJob> = []
  #futures: Array<PoolJob> = []
  /** Jobs of the proxy's own that it has taken. */
  #custom: Array<PoolJob> = []
  #prevHash: Uint8Array | undefined

  constructor(options: PoolOptions = {}) {
    this.options = {
      prefix: Uint8Array.of(0xaa, 0xbb),
      extranonceSize: 16,
      target: ANY_TARGET,
      nbits: NBITS,
      extensions: [],
      flags: 0,
      prefixPerConnection: false,
      ...options
    }
    this.target = this.options.target
  }

  get hasWork(): boolean {
    return this.#prevHash !== undefined
  }

  get futureCount(): number {
    return this.#futures.length
  }

  connect(): PoolConnection {
    return new PoolConnection(this, ++this.connections)
  }

  prefixOf(connection: number): Uint8Array {
    const { prefix, prefixPerConnection } = this.options
    return prefixPerConnection ? Uint8Array.of(...prefix, connection >>> 8, connection) : prefix
  }

  /** Forgets its active jobs, as if a block had come that it did not announce. */
  forget(): void {
    this.#active = []
  }

  /** A future job; the connections get the message for their coinbase. */
  makeFuture(): PoolJob {
    const job = this.#make(undefined)
    this.#futures.push(job)
    return job
  }

  makeJob(): PoolJob {
    const job = this.#make(NTIME)
    job.prevHash = this.#prevHash
    this.#active.push(job)
    return job
  }

  /** Activates a future job on a new previous hash. */
  makeBlock(index: number, prevHash?: Uint8Array): { readonly job: PoolJob; readonly message: Mining.SetNewPrevHash } {
    const job = this.#futures[index]!
    this.#blocks++
    this.#prevHash = prevHash ?? Uint8Array.of(...this.options.prefix, ...bytes(this.#blocks, 30)).slice(-32)
    job.prevHash = this.#prevHash
    this.#futures = []
    this.#active = [job]
    return { job, message: this.prevHashMessage(job) }
  }

  prevHashMessage(job: PoolJob): Mining.SetNewPrevHash {
    return {
      _tag: "SetNewPrevHash",
      channelId: CHANNEL,
      jobId: job.message.jobId,
      prevHash: this.#prevHash!,
      minNtime: NTIME,
      nbits: this.options.nbits
    }
  }

  /** The messages that a new channel begins with. */
  firstWork(): ReadonlyArray<Mining.ToClient> {
    const job = this.#active.at(-1)
    const futures = this.#futures.map(({ message }) => message)
    if (job === undefined) return futures
    return [{ ...job.message, minNtime: undefined }, this.prevHashMessage(job), ...futures]
  }

  /** Takes a job of the proxy's own. */
  take(message: Mining.SetCustomMiningJob): PoolJob {
    const { coinbasePrefix, coinbaseTxOutputs } = message
    const size = this.prefixOf(1).length + this.options.extranonceSize
    const job: PoolJob = {
      prevHash: message.prevHash.slice(),
      nbits: message.nbits,
      message: {
        _tag: "NewExtendedMiningJob",
        channelId: CHANNEL,
        jobId: ++this.#lastId,
        minNtime: message.minNtime,
        version: message.version,
        versionRollingAllowed: true,
        merklePath: message.merklePath,
        coinbaseTxPrefix: Uint8Array.of(
          ...u32(message.coinbaseTxVersion),
          1,
          ...bytes(0),
          ...u32(0xffffffff),
          coinbasePrefix.length + size,
          ...coinbasePrefix
        ),
        coinbaseTxSuffix: Uint8Array.of(
          ...u32(message.coinbaseTxInputNSequence),
          ...coinbaseTxOutputs,
          ...u32(message.coinbaseTxLocktime)
        )
      }
    }
    // Jobs of another block are over.
    this.#custom = this.#custom.filter(({ prevHash }) => Buffer.compare(prevHash!, job.prevHash!) === 0)
    this.#custom.push(job)
    return job
  }

  /** The job that a share of a channel may be for. */
  find(jobId: number): PoolJob | undefined {
    return [...this.#active, ...this.#custom].find(({ message }) => message.jobId === jobId)
  }

  #make(minNtime: number | undefined): PoolJob {
    const jobId = ++this.#lastId
    const size = this.prefixOf(1).length + this.options.extranonceSize
    const halves = coinbaseHalves(size, { mark: 1 + (jobId % 200) })
    // BIP34's push of the height.
    halves.coinbaseTxPrefix.set([3, this.height, this.height >>> 8, 0], 42)
    return {
      prevHash: undefined,
      message: {
        _tag: "NewExtendedMiningJob",
        channelId: GROUP,
        jobId,
        minNtime,
        version: 0x20000000,
        versionRollingAllowed: true,
        merklePath: [bytes(jobId % 256), Uint8Array.of(...this.options.prefix, ...bytes(jobId >>> 8)).slice(0, 32)],
        ...halves
      }
    }
  }
}

/** One connection of a proxy: answers its messages. */
export class PoolConnection {
  readonly pool: ScriptedPool
  /** The prefix of later jobs (5.3.10). */
  prefix: Uint8Array
  isOpen = false
  /** The id of the open channel, or of the last one. */
  channelId = CHANNEL - 1
  /** The target of each job on this connection, pinned when it became active (5.3.21), and the prefix when it was sent. */
  readonly #targets = new Map<string, Uint8Array>()
  readonly #prefixes = new Map<string, Uint8Array>()

  constructor(pool: ScriptedPool, number: number) {
    this.pool = pool
    this.prefix = pool.prefixOf(number)
  }

  /** Notes which target and prefix hold for the jobs among these messages, and returns the messages. */
  say(...messages: ReadonlyArray<Mining.ToClient>): ReadonlyArray<Mining.ToClient> {
    if (!this.isOpen) return []
    return messages.map((message) => {
      if (message._tag === "NewExtendedMiningJob") this.#prefixes.set(this.#key(message), this.prefix)
      else if (message._tag === "SetExtranoncePrefix") this.prefix = message.extranoncePrefix
      const isActive =
        message._tag === "SetNewPrevHash" || (message._tag === "NewExtendedMiningJob" && message.minNtime !== undefined)
      if (isActive) this.#targets.set(this.#key(message), this.pool.target)
      return "channelId" in message && message.channelId === CHANNEL
        ? { ...message, channelId: this.channelId }
        : message
    })
  }

  #key({ jobId }: { readonly jobId: number }, channelId = this.channelId): string {
    return `${channelId} ${jobId}`
  }

  answer(messages: ReadonlyArray<Mining.ToServer>): ReadonlyArray<Mining.ToClient> {
    return messages.flatMap((message) => this.#answer(message))
  }

  #answer(message: Mining.ToServer): ReadonlyArray<Mining.ToClient> {
    const { pool } = this
    switch (message._tag) {
      case "OpenExtendedMiningChannel": {
        pool.opened.push(message)
        this.isOpen = true
        this.channelId++
        // No two channels have the same prefix.
        if (this.channelId > CHANNEL) this.prefix = Uint8Array.from(this.prefix).with(1, this.channelId)
        return [
          {
            _tag: "OpenExtendedMiningChannel.Success",
            requestId: message.requestId,
            channelId: this.channelId,
            target: pool.target,
            extranonceSize: pool.options.extranonceSize,
            extranoncePrefix: this.prefix,
            groupChannelId: GROUP
          },
          ...this.say(...pool.firstWork())
        ]
      }
      case "UpdateChannel":
        pool.updates.push(message.nominalHashRate)
        return []
      case "CloseChannel":
        pool.closed.push(message.reasonCode)
        if (message.channelId === this.channelId) this.isOpen = false
        return []
      case "SubmitSharesExtended":
        return [this.#verdict(message)]
      case "SetCustomMiningJob": {
        pool.asked.push(message)
        const { channelId, requestId } = message
        const errorCode = pool.refusal(message)
        if (errorCode === "") return []
        if (errorCode !== undefined) return [{ _tag: "SetCustomMiningJob.Error", channelId, requestId, errorCode }]
        const { jobId } = pool.take(message).message
        this.#targets.set(this.#key({ jobId }), pool.target)
        this.#prefixes.set(this.#key({ jobId }), this.prefix)
        return [{ _tag: "SetCustomMiningJob.Success", channelId, requestId, jobId }]
      }
      default:
        return []
    }
  }

  #verdict(share: Mining.SubmitSharesExtended): Mining.ToClient {
    const { channelId, sequenceNumber } = share
    const { credited, options, shares } = this.pool
    const job = this.pool.find(share.jobId)
    const target = this.#targets.get(this.#key(share, share.channelId))
    const refuse = (errorCode: string, header: Uint8Array = new Uint8Array(0)): Mining.ToClient => {
      shares.push({ header, answer: errorCode, worker })
      return { _tag: "SubmitShares.Error", channelId, sequenceNumber, errorCode }
    }
    const worker = WorkerIdentity.UserIdentity.get(share)?.userIdentity
    if (this.pool.shareRefusal !== undefined) return refuse(this.pool.shareRefusal)
    if (job?.prevHash === undefined || target === undefined) return refuse("stale-share")
    if (share.extranonce.length !== options.extranonceSize) return refuse("bad-extranonce-size")
    const { coinbaseTxPrefix, coinbaseTxSuffix, merklePath } = job.message
    const prefix = this.#prefixes.get(this.#key(share, share.channelId))!
    const coinbase = Buffer.concat([coinbaseTxPrefix, prefix, share.extranonce, coinbaseTxSuffix])
    const header = headerOf({
      ...share,
      prevHash: job.prevHash,
      merkleRoot: rootOf(coinbase, merklePath),
      nbits: job.nbits ?? options.nbits
    })
    const key = Buffer.from(header).toString("hex")
    if (number(sha256d(header)) > number(target)) return refuse("difficulty-too-low", header)
    if (credited.has(key)) return refuse("duplicate-share", header)
    credited.add(key)
    shares.push({ header, answer: "accepted", worker })
    return {
      _tag: "SubmitShares.Success",
      channelId,
      lastSequenceNumber: sequenceNumber,
      newSubmitsAcceptedCount: 1,
      newSharesSum: 1n
    }
  }
}

const u32 = (value: number): ReadonlyArray<number> => [
  value & 0xff,
  (value >>> 8) & 0xff,
  (value >>> 16) & 0xff,
  value >>> 24
]

/** Of 32 bytes, little-endian. */
const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes.toReversed()).toString("hex")}`)

/** A dialer to scripted pools by port, without any transport. */
export class PoolNetwork {
  readonly #pools = new Map<number, ScriptedPool>()
  readonly #links = new Map<ScriptedPool, Set<NetworkLink>>()

  /** Makes a pool reachable. */
  listen(port: number, pool: ScriptedPool): void {
    this.#pools.set(port, pool)
  }

  /** Ends all connections of a pool, and refuses new ones. */
  kill(port: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const pool = this.#pools.get(port)
      if (pool === undefined) return Effect.void
      this.#pools.delete(port)
      const links = [...(this.#links.get(pool) ?? [])]
      return Effect.forEach(links, ({ inbox }) => Queue.fail(inbox, closed(port)), { discard: true })
    })
  }

  /** Sends to all connections of a pool. */
  say(pool: ScriptedPool, ...messages: ReadonlyArray<Mining.ToClient>): Effect.Effect<void> {
    return Effect.forEach(
      this.#links.get(pool) ?? [],
      ({ connection, inbox }) => {
        const said = connection.say(...messages)
        return said.length === 0 ? Effect.void : Queue.offer(inbox, said)
      },
      { discard: true }
    )
  }

  readonly dialer: ConnectionDialer<Mining.ToClient, Mining.ToServer> = {
    dial: (server) =>
      Effect.gen({ self: this }, function* () {
        const pool = this.#pools.get(server.port)
        if (pool === undefined) return yield* new DialError({ endpoint: server, code: "ECONNREFUSED" })
        const inbox = yield* Queue.unbounded<ReadonlyArray<Mining.ToClient>, ConnectionError>()
        const link: NetworkLink = { connection: pool.connect(), inbox }
        const links = this.#links.get(pool) ?? new Set()
        this.#links.set(pool, links)
        yield* Effect.acquireRelease(
          Effect.sync(() => links.add(link)),
          () => Effect.sync(() => links.delete(link))
        )
        const connection: Connection<Mining.ToClient, Mining.ToServer> = {
          receive: Stream.flattenArray(Stream.fromQueue(inbox) as never),
          send: (messages) =>
            Effect.suspend(() => {
              if (!links.has(link)) return Effect.fail(closed(server.port))
              const answers = link.connection.answer(messages)
              return answers.length === 0 ? Effect.void : Effect.asVoid(Queue.offer(inbox, answers))
            }),
          setup: {
            version: 2,
            flags: pool.options.flags,
            extensions: pool.options.extensions,
            device: { vendor: "", hardwareVersion: "", firmware: "", deviceId: "" }
          },
          remote: server
        }
        return connection
      })
  }
}

interface NetworkLink {
  readonly connection: PoolConnection
  readonly inbox: Queue.Queue<ReadonlyArray<Mining.ToClient>, ConnectionError>
}

export const addressOf = (port: number): ServerAddress => ({ host: "pool", port, security: { _tag: "plain" } })

const closed = (port: number): TransportError =>
  new TransportError({ remote: { host: "pool", port }, reason: new Closed({ pendingBytes: 0 }) })
