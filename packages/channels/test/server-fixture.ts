/**
 * A server's machine with templates, and a miner that knows only the messages that the server sent. The miner makes coinbase,
 * merkle root and header with node:crypto, so that it does not share a mistake with the server.
 */
import { coinbaseTags } from "@sluice/bitcoin"
import type { Mining, TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import { createHash } from "node:crypto"
import {
  type ChannelEvent,
  type ChannelInfo,
  type ChannelPolicy,
  ChannelServer,
  type ChannelServerContext,
  type CoinbaseRules,
  type CustomJobs,
  defaultChannelPolicy,
  defaultExtranonceLayout,
  type ExtranonceLayout,
  ExtranonceSpace,
  type Job,
  jobFromTemplate,
  Outbox,
  type ServerOutbox,
  ShareValidator,
  TemplateJobs,
  u256FromBytes
} from "../src/index.ts"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash } from "@sluice/testing/templates"

/** The time at which each test begins, in seconds and in milliseconds. */
export const START_SECONDS = 1_800_000_000
export const START = START_SECONDS * 1000

export const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"))

export const coinbaseRules: CoinbaseRules = {
  tags: coinbaseTags("test", ""),
  extranonceSize: defaultExtranonceLayout.fullSize,
  payout: (reward) => [{ value: reward, script: hex("0014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc") }],
  versionRollingAllowed: true
}

/** Makes the job of a template, without its id in the coinbase. */
export const plainJob = (id: number, template: TemplateDistribution.NewTemplate, rules = coinbaseRules): Job =>
  Result.getOrThrow(jobFromTemplate(id, template, rules))

/** A nominal hash rate at which every 16th hash is a share with the policy of `TestServer`. */
export const HASH_RATE = 1.6

export interface TestServerOptions {
  readonly policy?: Partial<ChannelPolicy>
  readonly coinbase?: Partial<CoinbaseRules>
  readonly layout?: Partial<ExtranonceLayout>
  readonly firstJobId?: number
  /** Takes the jobs of clients that select their work. */
  readonly customJobs?: CustomJobs
}

/** The messages and events of one step of the machine. */
export interface Said {
  readonly messages: ReadonlyArray<Mining.ToClient>
  readonly events: ReadonlyArray<ChannelEvent>
}

/** Counts of the events of one channel. */
export interface Counted {
  accepted: number
  acceptedDifficulty: number
  bestDifficulty: number
  blocks: number
  readonly refused: Record<string, number>
}

export class TestServer {
  readonly context: ChannelServerContext
  readonly templates: TemplateJobs
  readonly space: ExtranonceSpace
  readonly connections: Array<ChannelServer> = []
  now = START
  readonly #counted = new Map<ChannelInfo, Counted>()

  constructor({ coinbase, customJobs, firstJobId = 1000, layout, policy: fields }: TestServerOptions = {}) {
    const policy = { ...defaultChannelPolicy, minHashRate: 1, ...fields }
    this.space = new ExtranonceSpace({ ...defaultExtranonceLayout, ...layout })
    this.templates = new TemplateJobs({ coinbase: { ...coinbaseRules, ...coinbase }, firstJobId })
    this.context = {
      jobs: this.templates.jobs,
      space: this.space,
      validator: new ShareValidator(policy),
      policy,
      ...(customJobs === undefined ? {} : { customJobs })
    }
  }

  /** Makes a server with its first job and previous hash, of template 1. */
  static working(options: TestServerOptions = {}): TestServer {
    const server = new TestServer(options)
    server.template(futureTemplate(1))
    server.template(newPrevHash(1))
    return server
  }

  connect(setupFlags = 0): ChannelServer {
    const connection = new ChannelServer(this.connections.length, setupFlags, this.context)
    this.connections.push(connection)
    return connection
  }

  /** Gives all connections a message of the template provider. Returns what each got, in order. */
  template(message: TemplateDistribution.NewTemplate | TemplateDistribution.SetNewPrevHash): ReadonlyArray<Said> {
    const { now, templates } = this
    const announcement =
      message._tag === "NewTemplate" ? templates.onTemplate(message, now) : templates.onSetNewPrevHash(message, now)
    if (announcement._tag === "Ignored") throw new Error(announcement.reason)
    return this.connections.map((connection) => this.#collect((out) => connection.announce(announcement, out)))
  }

  send(connection: ChannelServer, ...messages: ReadonlyArray<Mining.ToServer>): Said {
    return this.#collect((out) => connection.receive(messages, this.now, out))
  }

  tick(connection: ChannelServer): Said {
    return this.#collect((out) => connection.tick(this.now, out))
  }

  close(connection: ChannelServer): Said {
    return this.#collect((out) => connection.close("test", this.now, out))
  }

  /** Runs a method of a connection and returns its messages and events. */
  ask(run: (out: ServerOutbox) => void): Said {
    return this.#collect(run)
  }

  /** Opens a channel and returns a miner for it that has its first work. */
  open(
    connection: ChannelServer,
    fields: Partial<Mining.OpenExtendedMiningChannel> & { readonly kind?: "standard" | "extended" } = {}
  ): TestMiner {
    const { messages } = this.send(connection, open(fields))
    const miner = new TestMiner()
    for (const message of messages) miner.receive(message)
    return miner
  }

  /** Counts the events of the connection's open channels. */
  counted({ id }: ChannelServer): ReadonlyArray<Counted> {
    return Array.from(this.#counted).flatMap(([info, counts]) => (info.connectionId === id ? [counts] : []))
  }

  #count(event: ChannelEvent): void {
    if (event._tag === "ChannelOpened") {
      this.#counted.set(event.channel, {
        accepted: 0,
        acceptedDifficulty: 0,
        bestDifficulty: 0,
        blocks: 0,
        refused: {}
      })
    }
    const counts = "channel" in event && event.channel !== undefined ? this.#counted.get(event.channel) : undefined
    if (counts === undefined) return
    switch (event._tag) {
      case "ShareAccepted":
        counts.accepted++
        counts.acceptedDifficulty += event.difficulty
        counts.bestDifficulty = Math.max(counts.bestDifficulty, event.hashDifficulty)
        break
      case "ShareRefused":
        counts.refused[event.errorCode] = (counts.refused[event.errorCode] ?? 0) + 1
        break
      case "BlockFound":
        counts.blocks++
        break
      case "ChannelClosed":
        this.#counted.delete(event.channel)
    }
  }

  #collect(run: (out: ServerOutbox) => void): Said {
    const out: ServerOutbox = new Outbox()
    run(out)
    for (const event of out.events) this.#count(event)
    return { messages: out.takeMessages(), events: out.takeEvents() }
  }
}

export const open = ({
  kind = "extended",
  ...fields
}: Partial<Mining.OpenExtendedMiningChannel> & { readonly kind?: "standard" | "extended" } = {}):
  | Mining.OpenStandardMiningChannel
  | Mining.OpenExtendedMiningChannel => {
  const { minExtranonceSize, ...common } = {
    requestId: 1,
    userIdentity: "user.worker",
    nominalHashRate: HASH_RATE,
    maxTarget: ANY_TARGET,
    minExtranonceSize: 4,
    ...fields
  }
  return kind === "standard"
    ? { ...common, _tag: "OpenStandardMiningChannel" }
    : { ...common, _tag: "OpenExtendedMiningChannel", minExtranonceSize }
}

interface KnownJob {
  readonly version: number
  readonly root: (extranonce: Uint8Array) => Uint8Array
}

/** The miner of one channel. */
export class TestMiner {
  channelId = 0
  kind: "standard" | "extended" = "extended"
  prefix: Uint8Array = new Uint8Array(0)
  extranonceSize = 0
  target = 0n
  jobId = 0
  ntime = 0
  prevHash: Uint8Array = new Uint8Array(32)
  nbits = 0
  readonly jobs = new Map<number, KnownJob>()
  #sequenceNumber = 0

  receive(message: Mining.ToClient): void {
    switch (message._tag) {
      case "OpenStandardMiningChannel.Success":
      case "OpenExtendedMiningChannel.Success":
        this.channelId = message.channelId
        this.kind = message._tag === "OpenStandardMiningChannel.Success" ? "standard" : "extended"
        this.prefix = message.extranoncePrefix
        this.extranonceSize = "extranonceSize" in message ? message.extranonceSize : 0
        this.target = u256FromBytes(message.target)
        break
      case "NewMiningJob":
        this.jobs.set(message.jobId, { version: message.version, root: () => message.merkleRoot })
        if (message.minNtime !== undefined) this.jobId = message.jobId
        break
      case "NewExtendedMiningJob": {
        const { coinbaseTxPrefix, coinbaseTxSuffix, merklePath } = message
        const root = (extranonce: Uint8Array): Uint8Array =>
          merklePath.reduce<Uint8Array>(
            (root, node) => sha256d(root, node),
            sha256d(coinbaseTxPrefix, this.prefix, extranonce, coinbaseTxSuffix)
          )
        this.jobs.set(message.jobId, { version: message.version, root })
        if (message.minNtime !== undefined) this.jobId = message.jobId
        break
      }
      case "SetNewPrevHash":
        this.jobId = message.jobId
        this.prevHash = message.prevHash
        this.ntime = message.minNtime
        this.nbits = message.nbits
        break
      case "SetTarget":
        this.target = u256FromBytes(message.maximumTarget)
    }
  }

  /** Finds a share of the current job that meets the target or, with `bad`, one that misses it. */
  mine(
    fields: Partial<Mining.SubmitSharesExtended> & { readonly bad?: boolean; readonly firstNonce?: number } = {}
  ): Mining.SubmitSharesStandard | Mining.SubmitSharesExtended {
    const { bad = false, firstNonce = this.#sequenceNumber * 1_000_000, ...rest } = fields
    const job = this.jobs.get(rest.jobId ?? this.jobId)!
    const extranonce = rest.extranonce ?? bytes(1, this.extranonceSize)
    const share = {
      channelId: this.channelId,
      sequenceNumber: ++this.#sequenceNumber,
      jobId: this.jobId,
      ntime: this.ntime,
      version: job.version,
      ...rest
    }
    const root = job.root(extranonce)
    for (let nonce = rest.nonce ?? firstNonce; ; nonce++) {
      const hash = this.hash(share.version, root, share.ntime, nonce)
      if (u256FromBytes(hash) <= this.target === bad) continue
      return this.kind === "standard"
        ? {
            _tag: "SubmitSharesStandard",
            channelId: share.channelId,
            sequenceNumber: share.sequenceNumber,
            jobId: share.jobId,
            nonce,
            ntime: share.ntime,
            version: share.version
          }
        : { _tag: "SubmitSharesExtended", ...share, nonce, extranonce }
    }
  }

  hash(version: number, root: Uint8Array, ntime: number, nonce: number): Uint8Array {
    return sha256d(u32(version), this.prevHash, root, u32(ntime), u32(this.nbits), u32(nonce))
  }
}

export const sha256d = (...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  new Uint8Array(sha256(sha256(Buffer.concat(parts))))

const sha256 = (data: Uint8Array): Buffer => createHash("sha256").update(data).digest()

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer)
