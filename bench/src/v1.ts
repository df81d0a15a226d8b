/**
 * Times the hot path of Stratum V1, from bytes of submit lines to shares and answer lines, against JSON.parse of each line, split
 * beforehand, and JSON.stringify of each answer. The baseline checks nothing. Both begin with bytes, because JSON.parse is faster
 * for a string that it has parsed before.
 */
import { type Line, LineReader, Server } from "@sluice/stratum-v1"
import { type Case, keep } from "./case.ts"

const WORKER = "bc1qnp980s5fpp8l94p5cvttmtdqy8rvrq74qly2yrfmzkdsntqzlc5qkc4rkq.bitaxe"
const JOB_ID = "875b4b7"

const submit = (id: number): string =>
  `{"id": ${id}, "method": "mining.submit", "params": ["${WORKER}", "${JOB_ID}", "1700${String(id).padStart(4, "0")}", "685468d7", "7552034c", "00b44000"]}\n`

/** A connection with a worker and a job. */
const connect = (): Server.Connection<number> => {
  const connection = new Server.Connection<number>(0)
  const lines = [
    { id: 1, method: "mining.subscribe", params: ["bitaxe/BM1370/v2.8.1"] },
    { id: 2, method: "mining.authorize", params: [WORKER, "x"] }
  ]
  for (const event of connection.receive(lines)) {
    if (event._tag === "Authorize") connection.accept(event.request)
    if (event._tag === "Subscribe") {
      const extranonce1 = Uint8Array.of(0x41, 0x28, 0x06, 0x4f)
      connection.answerSubscribe(event.request, { session: "4128064f", extranonce1, extranonce2Size: 4 })
    }
  }
  const bytes = new Uint8Array(32)
  const job = { prevHash: bytes, coinbasePrefix: bytes, coinbaseSuffix: bytes, merklePath: [bytes], clean: true }
  const numbers = { version: 0x2000_0000, nbits: 0x1702_3a04, ntime: 0x6854_68d7 }
  connection.notify(new Server.Job({ jobId: JOB_ID, ...job, ...numbers }, 1))
  connection.takeLines(0)
  return connection
}

const shares = (count: number): Case => {
  const text = Array.from({ length: count }, (_, i) => submit(i + 10))
  const chunk = Buffer.from(text.join(""))
  const cut = text.map((line) => Buffer.from(line))
  const reader = new LineReader()
  const connection = connect()
  const run = (): void => {
    const lines: Array<Line> = []
    reader.push(chunk, lines)
    for (const event of connection.receive(lines)) {
      if (event._tag === "Submit") connection.accept(event.request)
      else throw new Error(`v1: ${event._tag} for a share`)
    }
    keep(connection.takeLines(0))
  }
  const baseline = (): void => {
    const answers: Array<string> = []
    for (const line of cut) {
      const { id } = JSON.parse(line.toString()) as { id: number }
      answers.push(`${JSON.stringify({ id, result: true, error: null })}\n`)
    }
    keep(answers)
  }
  return {
    name: `${count} shares of a V1 miner in one read`,
    unit: "ns/op",
    run,
    baselines: [{ name: "JSON.parse and JSON.stringify", run: baseline }]
  }
}

export const cases: ReadonlyArray<Case> = [shares(1), shares(40)]
