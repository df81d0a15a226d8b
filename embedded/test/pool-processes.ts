/** A pool with a development node and a template provider, all of them processes of their own, for miners in C. */
import { connect } from "node:net"
import { freePorts } from "@sluice/testing/ports"
import { type Program, Sluice } from "@sluice/testing/program"

export interface PoolProcesses {
  readonly node: Program
  /** The one that runs now. */
  readonly pool: () => Program
  /** Starts another one after the one before has ended. */
  readonly restartPool: () => void
  readonly port: number
  readonly url: string
  /** The public key of another authority. */
  readonly otherKey: string
  readonly stop: () => Promise<void>
}

const sluice = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}): Program =>
  new Sluice(args, env, { outlivesTest: true })

/** Resolves when the pool listens. A block takes about 130,000 hashes. */
export const startPool = async (): Promise<PoolProcesses> => {
  const [rpc, zmq, templates, mining] = await freePorts(4)
  const keyPair = async (): Promise<{ readonly secretKey: string; readonly publicKey: string }> =>
    JSON.parse((await sluice(["key", "generate", "--json"]).finished).stdout)
  const [forProvider, forPool, another] = await Promise.all([keyPair(), keyPair(), keyPair()])
  const credentials = { SLUICE_NODE__RPC_PASSWORD: "p", SLUICE_TEMPLATE_PROVIDER__RPC_PASSWORD: "p" }
  const listenAt = ["--rpc-listen", `127.0.0.1:${rpc}`, "--rpc-user", "u", "--zmq", `tcp://127.0.0.1:${zmq}`]
  const node = sluice(["node", ...listenAt, "--bits", "1f007fff"], credentials)
  const provider = sluice(
    ["template-provider", "--rpc-url", `http://127.0.0.1:${rpc}`, "--rpc-user", "u"].concat(
      ["--zmq", `tcp://127.0.0.1:${zmq}`, "--listen", `127.0.0.1:${templates}`],
      ["--authority-secret-key", forProvider.secretKey]
    ),
    credentials
  )
  const started = [node, provider]
  let pool: Program
  const restartPool = (): void => {
    pool = sluice(
      ["pool", "--template-provider", `stratum2+tcp://127.0.0.1:${templates}/${forProvider.publicKey}`].concat(
        ["--listen", `127.0.0.1:${mining}`, "--authority-secret-key", forPool.secretKey],
        ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"],
        // Each share is acknowledged; difficulty is looked at often.
        ["--acknowledge-after", "1", "--shares-per-minute", "200"]
      )
    )
    started.push(pool)
  }
  restartPool()
  await waitForListener(mining!)
  return {
    node,
    pool: () => pool,
    restartPool,
    port: mining!,
    url: `stratum2+tcp://127.0.0.1:${mining}/${forPool.publicKey}`,
    otherKey: another.publicKey,
    stop: async () => {
      await Promise.all(started.map((program) => program.stop("SIGKILL")))
    }
  }
}

const waitForListener = async (port: number): Promise<void> => {
  for (let tries = 0; tries < 600; tries++) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1")
        .on("connect", () => {
          socket.destroy()
          resolve(true)
        })
        .on("error", () => resolve(false))
    })
    if (connected) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error("the pool does not listen")
}
