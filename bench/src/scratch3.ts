import { AuthorityKey } from "@sluice/noise"
import { Effect } from "effect"
import { startChild } from "./child.ts"
import { allWork, median, sleep, startSwarm } from "./crowd.ts"
import { freePort, startServer } from "./pace-server.ts"
import { parseArgs } from "node:util"
const { values: o, positionals: commands } = parseArgs({
  allowPositionals: true,
  options: {
    n: { type: "string", default: "300" },
    rate: { type: "string", default: "500" },
    kind: { type: "string", default: "standard" },
    s: { type: "string", default: "4" },
    turns: { type: "string", default: "3" },
    jobs: { type: "string", default: "0" }
  }
})
const n = Number(o.n),
  rate = Number(o.rate)
const templates = await startChild<any, any>("./pace-templates.ts")
const keys = await Effect.runPromise(AuthorityKey.generate)
const pk = AuthorityKey.formatPublicKey(keys.publicKey),
  sk = AuthorityKey.formatSecretKey(keys.secretKey)
const S = (root: string, extra = "", node = "") =>
  `${process.execPath} ${node} ${root}/programs/src/main.ts pool --listen 127.0.0.1:{port} --template-provider stratum2+tcp://127.0.0.1:{template-port}/{template-key} --authority-secret-key {secret-key} --coinbase-address bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080 --shares-per-minute {shares-per-minute} --min-hash-rate 1 --log-level error ${extra}`
const servers: any[] = []
for (const c of commands) {
  const [tag, ...rest] = c.split("|")
  const command = tag === "S" ? S(rest[0]!, rest[1], rest[2]) : c
  const port = await freePort()
  const server = await startServer(command, {
    port,
    "public-key": pk,
    "secret-key": sk,
    "template-port": templates.ready.port,
    "template-key": templates.ready.key,
    "shares-per-minute": rate
  })
  servers.push({ c, server, url: `stratum2+tcp://127.0.0.1:${port}/${pk}`, times: [], acks: [] })
}
let u = 0
for (let t = 0; t <= Number(o.turns); t++)
  for (const s of servers) {
    const swarm = await startSwarm(s.url, {
      connections: n,
      kind: o.kind as any,
      sharesPerMinute: rate,
      user: `u${++u}`,
      concurrency: 128
    })
    await swarm.until(allWork(n))
    await sleep(1200)
    swarm.forget()
    const [c, a] = [s.server.cpuSeconds(), swarm.report().shares.submitted]
    let timer: any
    if (Number(o.jobs) > 0) timer = setTimeout(() => templates.tell({ _tag: "Transactions" }), Number(o.jobs) * 1000)
    await sleep((t === 0 ? (Number(o.turns) === 0 ? Number(o.s) : 2) : Number(o.s)) * 1000)
    const r = swarm.report()
    clearTimeout(timer)
    const v = ((s.server.cpuSeconds() - c) * 1e6) / (r.shares.submitted - a)
    if (t > 0 || Number(o.turns) === 0) {
      s.times.push(v)
      s.acks.push(r.latency.acknowledgement)
    }
    await swarm.stop()
  }
for (const s of servers) {
  s.times.sort((a: number, b: number) => a - b)
  console.log(
    "min",
    s.times[0].toFixed(1),
    "q1",
    s.times[s.times.length >> 2].toFixed(1),
    "med",
    median(s.times).toFixed(1),
    "",
    "| ack p50",
    s.acks.map((a: any) => a.p50.toFixed(1)).join(" "),
    "p99",
    s.acks.map((a: any) => a.p99.toFixed(0)).join(" "),
    "|",
    s.c.replace(/\S*\//g, "").slice(0, 100)
  )
}
for (const s of servers) {
  if (process.env.PROF) {
    process.kill((s.server as any).pid, "SIGINT")
    await sleep(3000)
  }
  await s.server.stop()
}
templates.stop()
process.exit()
