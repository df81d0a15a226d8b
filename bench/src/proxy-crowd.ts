/**
 * Measures a proxy with many connections over one upstream channel: what crowd.ts does, and the acknowledgement's p99 against that of a
 * pool with as many connections and shares. All shares are passed on to the upstream.
 */
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

const SHARING_CONNECTIONS = 500
/** How often both are measured, and for how long. The medians count. */
const ROUNDS = 9
const MEASURED_MS = 3000
const PROXY = "./proxy-crowd-server.ts"

export const asyncCases: ReadonlyArray<AsyncCase> = [
  {
    name: `proxy: ${CONNECTIONS} connections`,
    rows: () => withServer(PROXY, (proxy) => crowdRows("proxy", proxy))
  },
  {
    name: "proxy: acknowledgements",
    rows: () =>
      withServer("./pool-crowd-server.ts", (pool) => withServer(PROXY, (proxy) => acknowledgements(pool, proxy)))
  }
]

/** Loads both at the same time, so that other work of the machine affects both. */
const acknowledgements = async (pool: CrowdServer, proxy: CrowdServer): Promise<ReadonlyArray<Row>> => {
  const load = { connections: SHARING_CONNECTIONS, sharesPerMinute: 60, nominalHashRate: 8 }
  const atPool = await startSwarm(pool.url, load)
  const atProxy = await startSwarm(proxy.url, load)
  const p99 = ({ report }: typeof atPool): number => report().latency.acknowledgement.p99
  try {
    await atPool.until(allWork(SHARING_CONNECTIONS))
    await atProxy.until(allWork(SHARING_CONNECTIONS))
    await sleep(3000)
    const times = { pool: Array<number>(), proxy: Array<number>() }
    for (let round = 0; round < ROUNDS; round++) {
      atPool.forget()
      atProxy.forget()
      await sleep(MEASURED_MS)
      times.pool.push(p99(atPool))
      times.proxy.push(p99(atProxy))
    }
    const name = `proxy: acknowledgement p99, ${SHARING_CONNECTIONS} shares a second`
    return [row(name, "ms", median(times.proxy), "the pool's", median(times.pool))]
  } finally {
    await atPool.stop()
    await atProxy.stop()
  }
}
