/**
 * Measures how long a client waits for the answer to its SetCustomMiningJob, at a pool with 10,000 connections that send 1,000 shares
 * a second together. Pool, crowd and client are three processes.
 */
import { randomBytes } from "node:crypto"
import type { AsyncCase } from "./case.ts"
import { startChild } from "./child.ts"
import { allWork, CONNECTIONS, row, sleep, startSwarm } from "./crowd.ts"
import type { Answer, Question } from "./crowd-server.ts"

const SHARES_A_SECOND = 1000
const JOBS = 400
/** The aim. */
const AIM_MS = 5

export const asyncCases: ReadonlyArray<AsyncCase> = [
  {
    name: `declaration: SetCustomMiningJob at a pool with ${CONNECTIONS} connections`,
    rows: async () => {
      const key = randomBytes(32).toString("hex")
      const { ready, stop } = await startChild<Question, Answer>("./custom-jobs-server.ts", [key], ["--expose-gc"])
      const sharesPerMinute = (SHARES_A_SECOND * 60) / CONNECTIONS
      const swarm = await startSwarm(ready.url, {
        connections: CONNECTIONS,
        sharesPerMinute,
        nominalHashRate: 8,
        concurrency: 256
      })
      try {
        await swarm.until(allWork(CONNECTIONS))
        await sleep(5000)
        swarm.forget()
        const client = await startChild<never, { readonly _tag: "Ready"; readonly times: ReadonlyArray<number> }>(
          "./custom-jobs-client.ts",
          [ready.url, key, String(JOBS)]
        )
        client.stop()
        const { times } = client.ready
        const shares = swarm.report().latency.acknowledgement
        const name = `declaration: SetCustomMiningJob to Success, ${CONNECTIONS} connections, ${SHARES_A_SECOND} shares a second`
        return [
          row(`${name}, p99`, "ms", percentile(times, 0.99), "the aim", AIM_MS),
          row(`${name}, p99`, "ms", percentile(times, 0.99), "p99 of the shares' acknowledgements", shares.p99),
          row(`${name}, median`, "ms", percentile(times, 0.5), "p50 of the shares' acknowledgements", shares.p50)
        ]
      } finally {
        await swarm.stop()
        stop()
      }
    }
  }
]

const percentile = (values: ReadonlyArray<number>, part: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))]!
