/** A miner's connection to a server, driven by lines, for tests. */
import { Server } from "../src/index.ts"
import { parse, read } from "./lines.ts"

export const EXTRANONCE1 = Uint8Array.of(0x41, 0x28, 0x06, 0x4f)
export const SUBSCRIBE = '{"id":1,"method":"mining.subscribe","params":["bitaxe/BM1370/v2.8.1"]}'
export const AUTHORIZE = '{"id":2,"method":"mining.authorize","params":["w","x"]}'

export const job = (jobId: string, clean = true, version = 0x2000_0000, block = 7): Server.Job<string> => {
  const hash = new Uint8Array(32).fill(block)
  const bytes = Uint8Array.of(1, 2)
  const coinbase = { coinbasePrefix: bytes, coinbaseSuffix: bytes, merklePath: [hash] }
  return new Server.Job(
    { jobId, prevHash: hash, ...coinbase, version, nbits: 0x1702_3a04, ntime: 0x6854_68d7, clean },
    `work ${jobId}`
  )
}

export class Miner {
  readonly server: Server.Connection<string>
  /** All events so far. */
  readonly events: Array<Server.ServerEvent<string>> = []

  constructor(options: Server.Options = {}, now = 0) {
    this.server = new Server.Connection(now, options)
  }

  /** Sends lines in one read and gives the events. */
  send(...lines: ReadonlyArray<string>): ReadonlyArray<Server.ServerEvent<string>> {
    const events = this.server.receive(read(...lines))
    this.events.push(...events)
    return events
  }

  /** The lines that were sent to the miner since the last call. */
  heard(now = 0) {
    return parse(this.server.takeLines(now))
  }

  /** The events of one kind so far. */
  of<Tag extends Server.ServerEvent<string>["_tag"]>(tag: Tag) {
    type Event = Extract<Server.ServerEvent<string>, { _tag: Tag }>
    return this.events.filter((event): event is Event => event._tag === tag)
  }

  subscribed(size = 4): void {
    const subscription = { session: "4128064f", extranonce1: EXTRANONCE1, extranonce2Size: size }
    this.server.answerSubscribe(this.of("Subscribe").at(-1)!.request, subscription)
  }

  authorized(): void {
    for (const { request } of this.of("Authorize")) this.server.accept(request)
  }

  /** Subscribed, with worker "w" and the job "1". */
  static working(options: Server.Options = {}): Miner {
    const miner = new Miner(options)
    miner.send(SUBSCRIBE, AUTHORIZE)
    miner.subscribed()
    miner.authorized()
    miner.server.notify(job("1"))
    miner.heard()
    return miner
  }
}

/** What a line is: its method, or the id that it answers. */
export const kinds = (lines: ReturnType<Miner["heard"]>): ReadonlyArray<unknown> =>
  lines.map(({ id, method }) => method ?? id)

export const submit = (
  id: number | string | null,
  fields: Partial<Record<"worker" | "jobId" | "extranonce2" | "bits", string>> = {}
): string => {
  const { bits, extranonce2 = "17000000", jobId = "1", worker = "w" } = fields
  const params = [worker, jobId, extranonce2, "685468d7", "7552034c", ...(bits === undefined ? [] : [bits])]
  return JSON.stringify({ id, method: "mining.submit", params })
}
