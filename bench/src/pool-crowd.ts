/**
 * Measures a pool with many connections: what crowd.ts does, and the acknowledgement's p99 while 500 handshakes a second arrive.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { AsyncCase, Row } from "./case.ts"
import {
  allWork,
  CONNECTIONS,
  crowdRows,
  type CrowdServer,
  median,
  row,
  sleep,
  startSwarm,
  withServer
} from "./crowd.ts"

const SHARING_CONNECTIONS = 1000
const HANDSHAKES_A_SECOND = 500
/** How often calm and storm take turns, and how long each of them lasts. The medians count. */
const STORMS = 3
const MEASURED_MS = 8000
const SERVER = "./pool-crowd-server.ts"

export const asyncCases: ReadonlyArray<AsyncCase> = [
  {
    name: `pool: ${CONNECTIONS} connections`,
    rows: () => withServer(SERVER, (server) => crowdRows("pool", server))
  },
  { name: "pool: acknowledgements during a storm of handshakes", rows: () => withServer(SERVER, storm) }
]

const storm = async ({ port, url }: CrowdServer): Promise<ReadonlyArray<Row>> => {
  const swarm = await startSwarm(url, { connections: SHARING_CONNECTIONS, sharesPerMinute: 60, nominalHashRate: 8 })
  const p99 = async (): Promise<number> => {
    await sleep(1000)
    swarm.forget()
    await sleep(MEASURED_MS)
    return swarm.report().latency.acknowledgement.p99
  }
  try {
    await swarm.until(allWork(SHARING_CONNECTIONS))
    await sleep(3000)
    const [calm, stormy]: [Array<number>, Array<number>] = [[], []]
    // In turns, so that other work of the machine affects both.
    for (let i = 0; i < STORMS; i++) {
      calm.push(await p99())
      const stormer = fork(fileURLToPath(new URL("./handshake-storm.ts", import.meta.url)), [
        String(port),
        String(HANDSHAKES_A_SECOND)
      ])
      stormy.push(await p99())
      stormer.kill()
      await once(stormer, "exit")
    }
    const name = `pool: acknowledgement p99 during ${HANDSHAKES_A_SECOND} handshakes a second`
    return [row(name, "ms", median(stormy), "without them", median(calm))]
  } finally {
    await swarm.stop()
  }
}
