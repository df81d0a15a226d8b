import { Client, joinLines, type Line, LineReader, Server, targetOfDifficulty } from "@sluice/stratum-v1"

// A pool's end and a miner's end, with nothing between them but bytes.
const pool = new Server.Connection<string>(0)
const miner = new Client.Connection(0, { userAgent: "example/1.0" })

const job = new Server.Job(
  {
    jobId: "1",
    prevHash: new Uint8Array(32),
    coinbasePrefix: Uint8Array.of(1),
    coinbaseSuffix: Uint8Array.of(2),
    merklePath: [],
    version: 0x2000_0000,
    nbits: 0x1702_3a04,
    ntime: 1_785_000_000,
    clean: true
  },
  "whatever the job is to the pool"
)

const poolReads = (lines: ReadonlyArray<Line>): void => {
  for (const event of pool.receive(lines)) {
    if (event._tag === "Subscribe") {
      const extranonce1 = Uint8Array.of(0x4d, 0xe0, 0x52, 0x69)
      pool.answerSubscribe(event.request, { session: "4de05269", extranonce1, extranonce2Size: 4 })
    } else if (event._tag === "Authorize") {
      pool.accept(event.request)
      pool.setDifficulty(512)
      pool.notify(job)
    } else if (event._tag === "Submit") {
      console.log(
        `pool: a share of ${event.worker} with version ${event.version.toString(16)} for "${event.held.job.work}"`
      )
      pool.accept(event.request)
    }
  }
}

const minerReads = (lines: ReadonlyArray<Line>): void => {
  for (const event of miner.receive(lines, 0)) {
    if (event._tag === "JobReceived") {
      const { job } = event
      const isDifficulty512 = Buffer.compare(job.target, targetOfDifficulty(512)) === 0
      console.log(`miner: job ${job.notify.jobId}, difficulty 512: ${isDifficulty512}`)
      const extranonce2 = new Uint8Array(job.extranonce2Size)
      miner.submit(job, "worker", { extranonce2, ntime: job.notify.ntime, nonce: 7, version: 0x2000_2000 }, 0)
    } else if (event._tag === "ShareAnswered") {
      console.log(`miner: share ${event.refusal === undefined ? "accepted" : event.refusal.text}`)
    }
  }
}

const poolReader = new LineReader()
const minerReader = new LineReader()
miner.start(0)
miner.authorize("worker", "x", 0)
for (let turn = 0; turn < 4; turn++) {
  const lines: Array<Line> = []
  poolReader.push(joinLines(miner.takeLines()), lines)
  poolReads(lines)
  lines.length = 0
  minerReader.push(joinLines(pool.takeLines(0)), lines)
  minerReads(lines)
}
