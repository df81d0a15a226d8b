/** A pool as an upstream with a channel for each miner: the server's machine of @sluice/channels over a wire that the test controls. */
import {
  type Announcement,
  ChannelServer,
  defaultChannelPolicy,
  defaultExtranonceLayout,
  type ExtranonceLayout,
  ExtranonceSpace,
  Outbox,
  type ServerOutbox,
  ShareValidator,
  type SourceShare,
  TemplateJobs
} from "@sluice/channels"
import type { Mining, TemplateDistribution } from "@sluice/protocol"
import { bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { headerOf, rootOf } from "@sluice/testing/work-source-suite"
import assert from "node:assert/strict"

export interface ChannelPoolOptions {
  readonly layout?: Partial<ExtranonceLayout>
  /** Distinguishes the coinbases and previous hashes of pools. */
  readonly mark: number
  readonly newPrevHash?: Partial<TemplateDistribution.SetNewPrevHash>
}

/** One connection of a proxy. The messages wait until they are delivered. */
export class Wire {
  readonly server: ChannelServer
  toPool: Array<Mining.ToServer> = []
  toProxy: Array<Mining.ToClient> = []

  constructor(server: ChannelServer) {
    this.server = server
  }
}

export class ChannelPool {
  readonly space: ExtranonceSpace
  readonly wires = new Set<Wire>()
  /** Users by the hash of each share that was credited, in hex. */
  readonly credited = new Map<string, string>()
  /** The headers of blocks, in order. */
  readonly found: Array<Uint8Array> = []
  /** Called with messages for a wire. */
  onSay: (wire: Wire) => void = () => {}
  readonly #options: ChannelPoolOptions
  readonly #templates: TemplateJobs
  readonly #context: ConstructorParameters<typeof ChannelServer>[2]
  readonly #out: ServerOutbox = new Outbox()
  #lastId = 0
  #connections = 0
  #futures: Array<bigint> = []

  constructor(options: ChannelPoolOptions) {
    this.#options = options
    const policy = { ...defaultChannelPolicy, minHashRate: 1 }
    const layout = { ...defaultExtranonceLayout, ...options.layout }
    this.space = new ExtranonceSpace(layout)
    this.#templates = new TemplateJobs({
      coinbase: {
        tags: bytes(options.mark, 3),
        extranonceSize: layout.fullSize,
        payout: (reward) => [{ value: reward, script: bytes(options.mark, 22) }],
        versionRollingAllowed: true
      },
      firstJobId: 1000
    })
    const { jobs } = this.#templates
    this.#context = { jobs, space: this.space, policy, validator: new ShareValidator(policy) }
  }

  get hasWork(): boolean {
    return this.#templates.jobs.current !== undefined
  }

  connect(): Wire {
    const wire = new Wire(new ChannelServer(++this.#connections, 0, this.#context))
    this.wires.add(wire)
    return wire
  }

  disconnect(wire: Wire): void {
    this.wires.delete(wire)
    this.run(wire, (server, out) => server.close("disconnected", 0, out))
    wire.toProxy = []
  }

  job(now: number): void {
    this.#announce(template(++this.#lastId, this.#merklePath()), now)
  }

  future(now: number): void {
    this.#announce(futureTemplate(++this.#lastId, this.#merklePath()), now)
    this.#futures.push(BigInt(this.#lastId))
  }

  /** A new previous hash, with the future job of this index or one of its own. */
  block(now: number, future?: number, prevHash?: Uint8Array): void {
    if (future === undefined) this.future(now)
    const templateId = this.#futures[future ?? this.#futures.length - 1]!
    this.#futures = []
    const own = Uint8Array.from(bytes(this.#options.mark))
      .with(0, this.#lastId % 256)
      .with(1, this.#lastId >>> 8)
    const fields = { headerTimestamp: Math.floor(now / 1000), ...this.#options.newPrevHash }
    this.#announce(newPrevHash(Number(templateId), { ...fields, prevHash: prevHash ?? own }), now)
  }

  /** Answers the first messages of a wire. */
  answer(wire: Wire, count: number, now: number): void {
    const messages = wire.toPool.splice(0, count)
    if (messages.length > 0) this.run(wire, (server, out) => server.receive(messages, now, out))
  }

  /** Runs a step of a connection's server. */
  run(wire: Wire, step: (server: ChannelServer, out: ServerOutbox) => void): void {
    step(wire.server, this.#out)
    for (const event of this.#out.takeEvents()) {
      if (event._tag === "BlockFound") this.found.push(this.#headerOf(event.found))
      if (event._tag !== "ShareAccepted") continue
      const hash = Buffer.from(event.hash).toString("hex")
      assert.ok(!this.credited.has(hash), "a share is credited twice")
      this.credited.set(hash, event.channel.userIdentity)
    }
    const messages = this.#out.takeMessages()
    if (!this.wires.has(wire) || messages.length === 0) return
    wire.toProxy.push(...messages)
    this.onSay(wire)
  }

  #announce(message: TemplateDistribution.NewTemplate | TemplateDistribution.SetNewPrevHash, now: number): void {
    const made =
      message._tag === "NewTemplate"
        ? this.#templates.onTemplate(message, now)
        : this.#templates.onSetNewPrevHash(message, now)
    assert.ok(made._tag !== "Ignored", "the pool makes work of its template")
    const announcement: Announcement & Announcement = made
    for (const wire of this.wires) this.run(wire, (server, out) => server.announce(announcement, out))
  }

  #headerOf({ extranonce, job, nonce, ntime, version }: SourceShare): Uint8Array {
    const { hash: prevHash, nbits } = this.#templates.jobs.prevHash!
    const merkleRoot = rootOf(Buffer.concat([job.coinbasePrefix, extranonce, job.coinbaseSuffix]), job.merklePath)
    return headerOf({ version, prevHash, merkleRoot, ntime, nbits, nonce })
  }

  /** One that no other job has. */
  #merklePath() {
    return { merklePath: [bytes(this.#lastId % 256), bytes(this.#options.mark)] }
  }
}
