import { assert, describe, it } from "vitest"
import { Sluice } from "@sluice/testing/program"
import { freePorts } from "@sluice/testing/ports"
import { run } from "./in-process.ts"

/** The test waits for processes that start, mine and reconnect, perhaps on a busy machine. */
const TIMEOUT_MS = 180_000

describe("node, template provider, pool and miner as processes of their own", () => {
  it(
    "find blocks whatever order they start in, and find them again after any one is killed and started anew",
    async () => {
      const [rpc, zmq, templates, mining] = await freePorts(4)
      const [forProvider, forPool] = [await keyPair(), await keyPair()]
      const credentials = { SLUICE_NODE__RPC_PASSWORD: "p", SLUICE_TEMPLATE_PROVIDER__RPC_PASSWORD: "p" }
      const commands = {
        node: ["node", "--rpc-listen", `127.0.0.1:${rpc}`, "--rpc-user", "u", "--zmq", `tcp://127.0.0.1:${zmq}`].concat(
          // About 500,000 hashes for a block. With fewer, a miner would find more than ten blocks a second, and the pool would no
          // longer make its target as easy as the network's.
          ["--bits", "1f001fff"]
        ),
        provider: ["template-provider", "--rpc-url", `http://127.0.0.1:${rpc}`, "--rpc-user", "u"].concat(
          ["--zmq", `tcp://127.0.0.1:${zmq}`, "--listen", `127.0.0.1:${templates}`],
          ["--authority-secret-key", forProvider.secretKey]
        ),
        pool: ["pool", "--template-provider", `stratum2+tcp://127.0.0.1:${templates}/${forProvider.publicKey}`].concat(
          ["--listen", `127.0.0.1:${mining}`, "--authority-secret-key", forPool.secretKey],
          ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"]
        ),
        miner: ["miner", "--connect", `stratum2+tcp://127.0.0.1:${mining}/${forPool.publicKey}`].concat([
          "--user",
          "alice",
          "--channel",
          "extended"
        ])
      }
      const start = (name: keyof typeof commands) => new Sluice(commands[name], credentials)
      const running = { miner: start("miner"), pool: start("pool"), provider: start("provider"), node: start("node") }
      const nextBlock = () => running.node.find(/Block \d+ accepted/, running.node.output.length)
      await nextBlock()
      await nextBlock()

      for (const name of ["node", "provider", "pool", "miner"] as const) {
        await running[name].stop("SIGKILL")
        running[name] = start(name)
        // The killed node's chain is gone with it, so its successor begins at the first block.
        await nextBlock()
        await nextBlock()
      }

      for (const name of ["miner", "pool", "provider", "node"] as const) {
        const { status, stdout, stderr } = await running[name].stop("SIGTERM")
        assert.strictEqual(status, 0, stderr)
        assert.strictEqual(stdout, "")
        assert.notMatch(stderr, /^\s+at /m, "no stack is shown to anyone")
      }
    },
    TIMEOUT_MS
  )
})

const keyPair = async (): Promise<{ readonly secretKey: string; readonly publicKey: string }> =>
  JSON.parse((await run(["key", "generate", "--json"])).stdout)
