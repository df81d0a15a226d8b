/** A client of V2, the pool machine and a V1 pool, with nothing between them but lines and messages. */
import { ChannelClient, type ChannelClientOptions, type ClientEvent, type ExtendedWork, Outbox } from "@sluice/channels"
import type { ChannelWork, ClientOutbox } from "@sluice/channels"
import { ShareCheck, Target } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { type EncodedLine, joinLines, type Line, LineReader, MAX_POOL_LINE } from "@sluice/stratum-v1"
import { credentialsOf } from "../../src/dialer/credentials.ts"
import type { PoolEvent, PoolOutbox } from "../../src/dialer/pool-event.ts"
import { PoolMachine, type PoolMachineOptions } from "../../src/dialer/pool-machine.ts"
import { HonestPool, type PoolEnd, type PoolOptions } from "./honest-pool.ts"

export const ANY_TARGET = new Uint8Array(32).fill(0xff)

/** The lines of text that is read at once. */
export const readLines = (...text: ReadonlyArray<EncodedLine>): ReadonlyArray<Line> => {
  const reader = new LineReader(MAX_POOL_LINE)
  const lines: Array<Line> = []
  reader.push(joinLines(text), lines)
  if (reader.failure !== undefined) throw reader.failure
  return lines
}

export interface RigOptions {
  readonly pool?: PoolOptions
  readonly machine?: Partial<PoolMachineOptions>
  readonly client?: ChannelClientOptions
  /** Whether the pool is subscribed to. Default true. */
  readonly start?: boolean
}

export class Rig {
  now = 1_700_000_000_000
  readonly pool: HonestPool
  readonly end: PoolEnd
  readonly machine: PoolMachine
  readonly client: ChannelClient
  readonly out: PoolOutbox = new Outbox()
  readonly toServer: ClientOutbox = new Outbox()
  /** All messages to the client so far. */
  readonly messages: Array<Mining.ToClient> = []
  readonly clientEvents: Array<ClientEvent> = []
  readonly poolEvents: Array<PoolEvent> = []
  /** All lines to the pool so far. */
  readonly sent: Array<Line> = []
  readonly #check = new ShareCheck()

  constructor({ client = {}, machine = {}, pool = {}, start = true }: RigOptions = {}) {
    this.pool = new HonestPool(pool)
    this.end = this.pool.connect(this.now)
    let id = 0
    this.machine = new PoolMachine(this.now, {
      setupFlags: client.requiresStandardJobs === true ? Mining.REQUIRES_STANDARD_JOBS : 0,
      host: "pool.example.com",
      credentials: (userIdentity) => credentialsOf(userIdentity, {}),
      followAnywhere: false,
      nextId: () => ++id,
      jobWithinMs: 30_000,
      ...machine,
      client: { userAgent: "test/1", ...machine.client }
    })
    if (start) {
      this.machine.start(this.now)
      this.pump()
    }
    const flags = start ? this.machine.takeFlags() : 0
    this.client = new ChannelClient({ ...client, fixedVersion: (flags & Mining.REQUIRES_FIXED_VERSION) !== 0 })
  }

  /** Moves lines and messages until nothing is left to be moved. */
  pump(): void {
    for (let round = 0; round < 20; round++) {
      const lines = this.takeLines()
      this.end.receive(lines)
      const answers = this.end.server.takeLines(this.now)
      if (answers.length > 0) this.machine.receive(readLines(...answers), this.now, this.out)
      const requests = this.toServer.takeMessages()
      this.machine.send(requests, this.now, this.out)
      if (this.deliver() + lines.length + answers.length + requests.length === 0) return
    }
    throw new Error("the rig never comes to rest")
  }

  /** The lines of the machine for the pool. */
  takeLines(): ReadonlyArray<Line> {
    const lines = readLines(...this.machine.takeLines())
    this.sent.push(...lines)
    return lines
  }

  /** Gives the client its messages, and returns how many there were. */
  deliver(): number {
    this.poolEvents.push(...this.out.takeEvents())
    const messages = this.out.takeMessages()
    this.messages.push(...messages)
    if (messages.length > 0) this.client.receive(messages, this.now, this.toServer)
    for (const event of this.toServer.takeEvents()) {
      if (event._tag === "ProtocolViolation") throw event
      this.clientEvents.push(event)
    }
    return messages.length
  }

  /** The pool sends these lines, whatever they are. */
  receive(...lines: ReadonlyArray<string>): void {
    this.machine.receive(readLines(...lines.map((line) => `${line}\n`)), this.now, this.out)
    this.deliver()
  }

  /** Messages of the client, whatever they are; gives the answers. */
  send(...messages: ReadonlyArray<Mining.ToServer>): ReadonlyArray<Mining.ToClient> {
    const before = this.messages.length
    this.machine.send(messages, this.now, this.out)
    this.deliver()
    return this.messages.slice(before)
  }

  wait(ms: number): void {
    this.now += ms
    this.machine.tick(this.now, this.out)
    this.deliver()
  }

  /** Opens a channel and gives its id, or throws what it was refused with. */
  open(minExtranonceSize: number | undefined, fields: Partial<Mining.OpenStandardMiningChannel> = {}): number {
    const request = { userIdentity: "alice.rig1", nominalHashRate: 1e6, maxTarget: ANY_TARGET, ...fields }
    if (minExtranonceSize === undefined) this.client.openStandardChannel(request, this.toServer)
    else this.client.openExtendedChannel({ ...request, minExtranonceSize }, this.toServer)
    this.pump()
    const answer = this.clientEvents.findLast(({ _tag }) => _tag === "ChannelOpened" || _tag === "OpenRefused")
    if (answer?._tag === "ChannelOpened") return answer.channelId
    throw new Error(answer?._tag === "OpenRefused" ? answer.errorCode : "no answer")
  }

  work(channelId: number): ChannelWork {
    const work = this.client.channels.get(channelId)?.work
    if (work === undefined) throw new Error(`channel ${channelId} has no work`)
    return work
  }

  /** Finds a share of the channel's work by its own target and submits it; it is on its way then. */
  mine(channelId: number, rolled = 0, work = this.work(channelId)): number {
    const extranonce = new Uint8Array(work._tag === "ExtendedWork" ? work.extranonceSize : 0)
    if (extranonce.length > 0) extranonce[0] = rolled
    const { jobId, minNtime: ntime, version } = work
    const root = work._tag === "ExtendedWork" ? this.#rootOf(work, extranonce) : work.merkleRoot
    for (let nonce = rolled * 100_000; ; nonce++) {
      this.#check.hash(version, work.prevHash, root, ntime, work.nbits, nonce)
      if (Target.compareU256(this.#check.digest, 0, work.target, 0) > 0) continue
      return this.submit(channelId, { jobId, nonce, ntime, version, extranonce })
    }
  }

  submit(channelId: number, share: Parameters<ChannelClient["submit"]>[1]): number {
    const sequenceNumber = this.client.submit(channelId, share, this.now, this.toServer)
    if (sequenceNumber === undefined) throw new Error("the client keeps the share to itself")
    return sequenceNumber
  }

  #rootOf(work: ExtendedWork, extranonce: Uint8Array): Uint8Array {
    const { coinbasePrefix, coinbaseSuffix, extranoncePrefix, merklePath } = work
    const nodes = merklePath.length / 32
    this.#check.merkleRoot(coinbasePrefix, extranoncePrefix, extranonce, coinbaseSuffix, merklePath, nodes)
    return this.#check.root.slice()
  }

  of<Tag extends Mining.ToClient["_tag"]>(tag: Tag) {
    type Message = Extract<Mining.ToClient, { _tag: Tag }>
    return this.messages.filter((message): message is Message => message._tag === tag)
  }

  /** The kinds of the messages to the client since the last call. */
  tags(): ReadonlyArray<string> {
    const tags = this.messages.slice(this.#told).map(({ _tag }) => _tag)
    this.#told = this.messages.length
    return tags
  }
  #told = 0

  accepted(): number {
    return this.clientEvents.reduce(
      (sum, event) => sum + (event._tag === "SharesAccepted" ? event.shares.length : 0),
      0
    )
  }

  refused(): ReadonlyArray<string> {
    return this.clientEvents.flatMap((event) => (event._tag === "ShareRefused" ? [event.errorCode] : []))
  }
}
