/** A proxy of the benchmark, alone in its process, with an upstream in another one: `node proxy-server.ts easy|hard`. */
import { Proxy, Upstreams } from "@sluice/proxy"
import { Effect } from "effect"
import { poolOptions } from "./pool-work.ts"
import { proxyLayer } from "./proxy-layer.ts"
import { serveShares } from "./share-server.ts"

const { layer } = await proxyLayer(process.argv[2] === "hard" ? "hard" : "easy", poolOptions)

serveShares({
  service: Proxy,
  layer,
  passedOn: Effect.gen(function* () {
    const [upstream] = yield* (yield* Upstreams).stats
    const { late, lost, passedOn, refused, unanswered } = upstream!
    const refusals = Object.values(refused).reduce((sum, count) => sum + count, 0)
    return { passedOn, inVain: refusals + unanswered + late + lost }
  })
})
