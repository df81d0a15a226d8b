/**
 * What `npm run fuzz` throws at Stratum V1: bytes at the reader of lines, lines of miners at a pool's end and lines of
 * pools at a miner's. A peer's fault is an answer, an event or a typed failure; nothing is thrown.
 */
import {
  Client,
  joinLines,
  type Line,
  LineReader,
  MAX_POOL_LINE,
  type Method,
  Server,
  ToClient,
  ToServer
} from "@sluice/stratum-v1"
import { Arbitrary, Effect } from "effect"
import { ok } from "node:assert/strict"
import { isDeepStrictEqual } from "node:util"
import type { FuzzTarget } from "./target.ts"

const MAX_LINE = 4096
const MAX_WAITING = 8

/** The first byte says how the rest is cut. */
const cut = (input: Uint8Array): ReadonlyArray<Uint8Array> => {
  const step = (input[0] ?? 0) + 1
  const pieces: Array<Uint8Array> = []
  for (let at = 1; at < input.length; at += step) pieces.push(input.subarray(at, at + step))
  return pieces
}

const read = (pieces: ReadonlyArray<Uint8Array>) => {
  const reader = new LineReader(MAX_LINE)
  const lines: Array<Line> = []
  for (const piece of pieces) {
    const bytes = Buffer.from(piece)
    reader.push(bytes, lines)
    bytes.fill(0xa5)
    ok(reader.pendingBytes <= MAX_LINE, "more than a line is kept")
  }
  return { lines, failure: reader.failure, pending: reader.pendingBytes }
}

const runLines = (input: Uint8Array): void => {
  const whole = read([input.subarray(1)])
  const pieces = read(cut(input))
  ok(whole.failure?.message === pieces.failure?.message, "a failure depends on how the bytes were cut")
  ok(whole.pending === pieces.pending, "what is kept depends on how the bytes were cut")
  ok(isDeepStrictEqual(whole.lines, pieces.lines), "lines depend on how the bytes were cut")
  for (const line of whole.lines) ok(typeof line === "object" && !Array.isArray(line), "a line is no object")
}

/** What is sent is what the other end's reader can read, each line an object. */
const readSent = (bytes: Uint8Array): ReadonlyArray<Line> => {
  const reader = new LineReader(MAX_POOL_LINE)
  const lines: Array<Line> = []
  reader.push(bytes, lines)
  ok(reader.failure === undefined && reader.pendingBytes === 0, "it says what nobody can read")
  return lines
}

const wantsAnswer = ({ id }: Line): boolean =>
  typeof id === "string" ? id.length <= 64 : typeof id === "number" && Number.isFinite(id)

const job = (jobId: string): Server.Job<string> => {
  const bytes = new Uint8Array(32).fill(7)
  const coinbase = { coinbasePrefix: bytes, coinbaseSuffix: bytes, merklePath: [bytes] }
  return new Server.Job(
    { jobId, prevHash: bytes, ...coinbase, version: 0x2000_0000, nbits: 1, ntime: 2, clean: jobId === "2" },
    jobId
  )
}

const runServer = (input: Uint8Array): void => {
  const server = new Server.Connection<string>(0, { maxWaiting: MAX_WAITING, maxWorkers: 2, maxJobs: 3 })
  server.notify(job("1"))
  const reader = new LineReader(MAX_LINE)
  let asked = 0
  let answered = 0
  let closing = false
  let jobs = 1
  const held: Array<Server.Request> = []
  for (const piece of cut(input)) {
    const lines: Array<Line> = []
    reader.push(piece, lines)
    for (const line of lines) {
      const before = closing
      for (const event of server.receive([line])) {
        ok(!closing, "it goes on after it has closed")
        if (event._tag === "Closing") closing = true
        else if (event._tag === "Subscribe") {
          // Even requests are answered late, so that others wait behind them.
          server.notify(job(String(++jobs)))
          held.push(event.request)
        } else if (event._tag === "Authorize") server.accept(event.request)
        else if (event._tag === "Submit") {
          ok(event.held.job.work === event.held.job.notify.jobId, "a share has another job")
          ok(((event.version ^ 0x2000_0000) & ~0x1fffe000) === 0, "a version is outside of the mask")
          ok(event.extranonce2.length === event.held.extranonce2Size, "an extranonce2 has another size")
          server.accept(event.request)
          server.refuse(event.request, { code: 20, text: "twice" })
        }
      }
      const isAnswer = typeof line.method !== "string" && (line.result !== undefined || line.error !== undefined)
      const isPong = line.method === "pong" || line.method === "mining.pong"
      if (!before && !closing && !isAnswer && !isPong && wantsAnswer(line)) asked++
    }
    if (held.length > 0 && lines.length !== 1) {
      const subscription = { session: "1", extranonce1: new Uint8Array(4), extranonce2Size: 4 }
      server.answerSubscribe(held.shift()!, subscription)
      if (!server.setExtranonce(new Uint8Array(4).fill(lines.length), 4)) closing = true
      server.setDifficulty(lines.length + 1)
    }
    answered += readSent(joinLines(server.takeLines(0))).filter(
      ({ id, method }) => method === undefined && id !== null
    ).length
  }
  for (const request of held) server.refuse(request, { code: 20, text: "over" })
  if (reader.failure !== undefined) server.fail(reader.failure)
  server.tick(1_000_000)
  answered += readSent(joinLines(server.takeLines(0))).filter(
    ({ id, method }) => method === undefined && id !== null
  ).length
  if (!closing && reader.failure === undefined) ok(answered === asked, "a request has no answer, or two")
}

const runClient = (input: Uint8Array): void => {
  const client = new Client.Connection(0, { userAgent: "fuzz", maxPendingShares: 16 })
  client.start(0)
  client.authorize("w", "x", 0)
  const reader = new LineReader(MAX_LINE)
  const waiting = new Set<number>()
  let failed = false
  let now = 0
  const take = (events: ReadonlyArray<Client.ClientEvent>): void => {
    for (const event of events) {
      ok(!failed, "it goes on after it has failed")
      if (event._tag === "Failed") failed = true
      if (event._tag === "ShareAnswered") ok(waiting.delete(event.share), "a share has two answers")
      if (event._tag !== "JobReceived") continue
      const { job } = event
      ok(
        job.target.length === 32 && job.extranonce1.length <= 32 && job.extranonce2Size <= 32,
        "a job is out of bounds"
      )
      ok((job.versionMask & ~0x1fffffe0) === 0, "a mask is outside of BIP323")
      const extranonce2 = new Uint8Array(job.extranonce2Size)
      const share = client.submit(job, "w", { extranonce2, ntime: 1, nonce: 2, version: job.notify.version }, now)
      if (share !== undefined) waiting.add(share)
    }
  }
  for (const piece of cut(input)) {
    const lines: Array<Line> = []
    reader.push(piece, lines)
    take(client.receive(lines, now))
    take(client.tick(now))
    now += 1000
    readSent(joinLines(client.takeLines()))
  }
  if (reader.failure !== undefined) take(client.fail(reader.failure, now))
  take(client.end(now))
  ok(waiting.size === 0, "a share has no answer")
}

/** One random line of each kind, the same every time, and answers. */
const seeds = (methods: ReadonlyArray<Method>, more: ReadonlyArray<string>) => (): ReadonlyArray<Uint8Array> => {
  const lines = methods.map((method, index) => {
    const [value] = Effect.runSync(Arbitrary.sampleEffect(method.arbitrary, { count: 1, seed: 1, size: 4 }))
    return method.line(index + 10, value as never)
  })
  return [more.join("\n"), ...lines].map((text) => Buffer.from(`\u00ff${text}\n`, "latin1"))
}

const minerLines = [
  '{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}',
  '{"id":2,"method":"mining.subscribe","params":["fuzz/1.0",null]}',
  '{"id":3,"method":"mining.authorize","params":["w","d=16"]}',
  '{"id":4,"method":"mining.extranonce.subscribe","params":[]}',
  '{"id":5,"method":"mining.submit","params":["w","1","00000000","00000002","00000003","00002000"]}',
  '{"id":6,"method":"mining.submit","params":["w","2","00000000","00000002","00000003"]}'
]
const poolLines = [
  '{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}',
  '{"id":2,"result":[[["mining.notify","1"]],"4de05269",4],"error":null}',
  '{"id":null,"method":"mining.set_difficulty","params":[16]}',
  `{"id":null,"method":"mining.notify","params":["1","${"ab".repeat(32)}","01","02",[],"20000000","1705c739","64495522",true]}`,
  '{"id":3,"result":true,"error":null}',
  '{"id":5,"result":null,"error":[23,"high-hash",null]}'
]
const toServer = ToServer.toServer as unknown as ReadonlyArray<Method>
const toClient = ToClient.toClient as unknown as ReadonlyArray<Method>

export const v1LinesTarget: FuzzTarget = {
  name: "v1-lines",
  run: runLines,
  seeds: seeds([...toServer, ...toClient], minerLines)
}
export const v1ServerTarget: FuzzTarget = { name: "v1-server", run: runServer, seeds: seeds(toServer, minerLines) }
export const v1ClientTarget: FuzzTarget = { name: "v1-client", run: runClient, seeds: seeds(toClient, poolLines) }
