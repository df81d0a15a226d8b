/**
 * Runs the example in the folder of the first argument, in the network of this process: starts its services in the order that the compose file
 * gives, waits until blocks are found, and stops them. Fails if a service ends too early or not with status 0.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { type Service, servicesOf } from "./compose.ts"
import { Container } from "./container.ts"

/** Blocks that must be found after all services have started. */
const BLOCKS = 2
const PATIENCE_MS = 180_000

const folder = process.argv[2] ?? "."
const directory = join(import.meta.dirname, "../../build/sessions", basename(folder))
rmSync(directory, { recursive: true, force: true })
mkdirSync(directory, { recursive: true })
const services = servicesOf(join(folder, "compose.yaml"))
const hosts = join(directory, "hosts")
writeFileSync(hosts, ["localhost", ...Object.keys(services)].map((name) => `127.0.0.1 ${name}\n`).join(""))

/** Whether Bitcoin Core runs. Otherwise one development node stands for all nodes. */
const isCore = process.env.BITCOIN_BIN !== undefined
const isNode = ({ image }: Service): boolean => image.startsWith("bitcoin/")
/** Services that others wait for to end. */
const ending = new Set(
  Object.values(services).flatMap(({ depends_on = {} }) =>
    Object.keys(depends_on).filter((name) => depends_on[name]?.condition === "service_completed_successfully")
  )
)
const running = new Map<string, Container>()
let node: Container | undefined

const flag = (name: string): string =>
  node?.service.command.find((arg) => arg.startsWith(`-${name}=`))?.slice(name.length + 2) ?? ""

/** The number of blocks, or -1 while the node does not answer. */
const blockCount = async (): Promise<number> => {
  const authorization = `Basic ${Buffer.from(`${flag("rpcuser")}:${flag("rpcpassword")}`).toString("base64")}`
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "getblockcount", params: [] })
  const request = { method: "POST", headers: { authorization, "content-type": "application/json" }, body }
  return await fetch("http://127.0.0.1:18443", request).then(
    async (answer) => ((await answer.json()) as { result: number }).result,
    () => -1
  )
}

const until = async (what: string, isDone: () => Promise<boolean>): Promise<void> => {
  const end = Date.now() + PATIENCE_MS
  while (!(await isDone())) {
    for (const { name, service, status } of running.values()) {
      if (status === 0 && ending.has(name)) continue
      if (status !== undefined && !isNode(service)) throw new Error(`${name} ended with status ${status}`)
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${PATIENCE_MS / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** Starts a service after those on which it depends. */
const start = async (name: string): Promise<void> => {
  const service = services[name]
  if (service === undefined) throw new Error(`there is no service ${name}`)
  if (running.has(name)) return
  for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
    await start(other)
    await reached(other, condition)
  }
  if (!isNode(service)) return void running.set(name, new Container(name, service, { directory, hosts }))
  if (isCore && service.command[0] === "bitcoin-cli") {
    return void running.set(name, new Container(name, service, { directory, hosts }))
  }
  if (node === undefined && service.command[0] !== "bitcoin-cli") node = startNode(name, service)
  if (node !== undefined) running.set(name, node)
}

const startNode = (name: string, service: Service): Container => {
  if (isCore) return new Container(name, service, { directory, hosts })
  const option = (key: string): string =>
    service.command.find((arg) => arg.startsWith(`-${key}=`))?.slice(key.length + 2) ?? ""
  const development = ["node", "--rpc-listen", "0.0.0.0:18443", "--rpc-user", option("rpcuser"), "--rpc-password"]
  const command = [...development, option("rpcpassword"), "--zmq", option("zmqpubhashblock"), "--bits", "1e7fffff"]
  const container = new Container(name, { ...service, image: "sluice" }, { directory, hosts }, command)
  return container
}

const reached = async (name: string, condition: string): Promise<void> => {
  const container = running.get(name)
  if (container === undefined) return
  if (container === node) return await until(`${name} answers`, async () => (await blockCount()) >= 0)
  if (condition === "service_healthy") return await container.healthy()
  if (condition === "service_completed_successfully" && (await container.ended) !== 0) {
    throw new Error(`${name} failed with status ${container.status}`)
  }
}

const began = Date.now()
let problem: string | undefined
try {
  for (const name of Object.keys(services)) await start(name)
  const before = await blockCount()
  await until(`${BLOCKS} more blocks`, async () => (await blockCount()) >= before + BLOCKS)
} catch (error) {
  problem = error instanceof Error ? error.message : String(error)
}
const containers = [...new Set(running.values())].toReversed()
for (const container of containers) {
  const status = await container.stop()
  if (status !== 0 && problem === undefined) problem = `${container.name} stopped with status ${status}`
}
if (problem === undefined) {
  const names = containers.map(({ name }) => name).toReversed()
  console.log(`ok    ${folder}: ${names.join(", ")}; ${BLOCKS} blocks in ${((Date.now() - began) / 1000).toFixed(1)} s`)
} else {
  console.log(`FAIL  ${folder}: ${problem}`)
  for (const { lastLines, name } of containers) console.log(`----- ${name}\n${lastLines}`)
  process.exitCode = 1
}
