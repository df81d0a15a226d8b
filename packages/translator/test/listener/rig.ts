/** A server's machine, the translator's machine and a V1 miner, with nothing between them but messages and lines. */
import { coinbaseTags } from "@sluice/bitcoin"
import {
  type ChannelEvent,
  type ChannelPolicy,
  ChannelServer,
  type ChannelServerContext,
  defaultChannelPolicy,
  defaultExtranonceLayout,
  type ExtranonceLayout,
  ExtranonceSpace,
  Outbox,
  type ServerOutbox,
  ShareValidator,
  TemplateJobs
} from "@sluice/channels"
import type { Mining, TemplateDistribution } from "@sluice/protocol"
import { type EncodedLine, joinLines, type Line, LineReader, MAX_POOL_LINE } from "@sluice/stratum-v1"
import { futureTemplate, newPrevHash } from "@sluice/testing/templates"
import { Result } from "effect"
import type { MinerEvent } from "../../src/listener/event.ts"
import { Miner, type MinerContext, minerContext, type MinerOutbox } from "../../src/listener/miner.ts"
import { type ListenerOptions, rulesOf } from "../../src/listener/options.ts"
import { MinerState } from "./v1-miner.ts"

export const START = 1_800_000_000_000

export interface PlantOptions {
  readonly policy?: Partial<ChannelPolicy>
  readonly layout?: Partial<ExtranonceLayout>
  readonly v1?: ListenerOptions
  readonly versionRollingAllowed?: boolean
}

/** A server, and the listener of all its V1 miners. */
export class Plant {
  now = START
  readonly context: ChannelServerContext
  readonly v1: MinerContext
  readonly rigs: Array<Rig> = []
  readonly templates: TemplateJobs

  constructor({ layout, policy: fields, v1, versionRollingAllowed = true }: PlantOptions = {}) {
    const policy = { ...defaultChannelPolicy, minHashRate: 1, ...fields }
    this.templates = new TemplateJobs({
      coinbase: {
        tags: coinbaseTags("test", ""),
        extranonceSize: layout?.fullSize ?? defaultExtranonceLayout.fullSize,
        payout: (reward) => [{ value: reward, script: Uint8Array.of(0x51) }],
        versionRollingAllowed
      },
      firstJobId: 1000
    })
    this.context = {
      jobs: this.templates.jobs,
      space: new ExtranonceSpace({ ...defaultExtranonceLayout, ...layout }),
      validator: new ShareValidator(policy),
      policy
    }
    this.v1 = minerContext(Result.getOrThrow(rulesOf({ nominalHashRate: 1.6, ...v1 })), START)
  }

  /** Makes a plant with its first job and previous hash, of template 1. */
  static working(options: PlantOptions = {}): Plant {
    const plant = new Plant(options)
    plant.newBlock(1)
    return plant
  }

  /** Gives all connections a message of the template provider. */
  template(message: TemplateDistribution.NewTemplate | TemplateDistribution.SetNewPrevHash): void {
    const { now, templates } = this
    const announcement =
      message._tag === "NewTemplate" ? templates.onTemplate(message, now) : templates.onSetNewPrevHash(message, now)
    if (announcement._tag === "Ignored") throw new Error(announcement.reason)
    for (const rig of this.rigs) rig.ask((server, out) => server.announce(announcement, out))
  }

  newBlock(id: number, fields: Partial<TemplateDistribution.SetNewPrevHash> = {}): void {
    this.template(futureTemplate(id))
    this.template(newPrevHash(id, { headerTimestamp: this.now / 1000, ...fields }))
  }
}

export class Rig {
  readonly plant: Plant
  readonly server: ChannelServer
  readonly miner: Miner
  readonly state = new MinerState()
  /** All lines that the miner got. */
  readonly heard: Array<Line> = []
  /** What the server's machine emitted. */
  readonly events: Array<ChannelEvent> = []
  readonly minerEvents: Array<MinerEvent> = []
  /** All messages of the translator's machine. */
  readonly said: Array<Mining.ToServer> = []
  toServer: Array<Mining.ToServer> = []
  toClient: Array<Mining.ToClient> = []
  /** Lines as they were encoded, on their way to the miner. */
  toMiner: Array<EncodedLine> = []
  readonly #out: MinerOutbox = new Outbox()
  readonly #serverOut: ServerOutbox = new Outbox()
  readonly #reader = new LineReader()
  /** Whether everything is delivered at once. */
  readonly #atOnce: boolean

  constructor(plant: Plant, atOnce = true) {
    this.plant = plant
    this.#atOnce = atOnce
    this.server = new ChannelServer(plant.rigs.length + 1, 0, plant.context)
    this.miner = new Miner(plant.v1, plant.now)
    this.miner.agree(0, [])
    plant.rigs.push(this)
  }

  /** Whether the translator has ended the connection. */
  get ended(): string | undefined {
    return this.minerEvents.find((event) => event._tag === "Ended")?.message
  }

  /** The miner sends bytes. */
  sendBytes(bytes: Uint8Array): void {
    const lines: Array<Line> = []
    this.#reader.push(bytes, lines)
    this.miner.receive(lines, this.#out)
    if (this.#reader.failure !== undefined) this.miner.fail(this.#reader.failure, this.#out)
    this.#take()
  }

  /** The miner sends lines in one write. Gives the lines that came then. */
  send(...lines: ReadonlyArray<unknown>): ReadonlyArray<Line> {
    const from = this.heard.length
    const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)) + "\n").join("")
    this.sendBytes(Buffer.from(text))
    return this.heard.slice(from)
  }

  /** Lets the server's machine do something. */
  ask(step: (server: ChannelServer, out: ServerOutbox) => void): void {
    step(this.server, this.#serverOut)
    this.events.push(...this.#serverOut.takeEvents())
    this.toClient.push(...this.#serverOut.takeMessages())
    if (this.#atOnce) this.deliverAll()
  }

  tick(): void {
    this.ask((server, out) => server.tick(this.plant.now, out))
    this.miner.tick(this.plant.now, this.#out)
    this.#take()
  }

  /** Messages arrive at the server, and its answers wait. */
  arrive(count = Infinity): void {
    const batch = this.toServer.splice(0, Math.min(count, this.toServer.length))
    if (batch.length > 0) this.ask((server, out) => server.receive(batch, this.plant.now, out))
  }

  /** Messages of the server arrive at the translator. */
  deliver(count = Infinity): void {
    const batch = this.toClient.splice(0, Math.min(count, this.toClient.length))
    if (batch.length === 0 || this.ended !== undefined) return
    this.miner.deliver(batch, this.#out)
    this.#take()
  }

  /** Lines arrive at the miner. */
  hear(count = Infinity): void {
    const encoded = this.toMiner.splice(0, Math.min(count, this.toMiner.length))
    if (encoded.length === 0) return
    const reader = new LineReader(MAX_POOL_LINE)
    const lines: Array<Line> = []
    reader.push(joinLines(encoded), lines)
    for (const line of lines) {
      this.heard.push(line)
      this.state.receive(line)
    }
  }

  deliverAll(): void {
    do {
      this.arrive()
      this.deliver()
      this.hear()
    } while (this.toServer.length > 0 || this.toClient.length > 0)
  }

  #take(): void {
    this.minerEvents.push(...this.#out.takeEvents())
    const messages = this.#out.takeMessages()
    this.said.push(...messages)
    this.toServer.push(...messages)
    this.toMiner.push(...this.miner.takeLines(this.plant.now))
    if (this.#atOnce) this.deliverAll()
  }
}
