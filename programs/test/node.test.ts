import { solveTemplate } from "@sluice/dev-node"
import { type BlockTemplate } from "@sluice/node"
import { assert, describe, it } from "vitest"
import { Sluice } from "@sluice/testing/program"
import { freePorts } from "@sluice/testing/ports"

describe("sluice node", () => {
  it("adjusts its difficulty after --retarget-interval blocks", { timeout: 60_000 }, async () => {
    const [rpc, zmq] = await freePorts(2)
    const node = new Sluice(
      ["node", "--rpc-listen", `127.0.0.1:${rpc}`, "--rpc-user", "u", "--zmq", `tcp://127.0.0.1:${zmq}`].concat([
        "--bits",
        "207fffff",
        "--retarget-interval",
        "2"
      ]),
      { SLUICE_NODE__RPC_PASSWORD: "p" }
    )
    await node.find(/The development node listens/)
    const call = async (method: string, params: ReadonlyArray<unknown>): Promise<unknown> => {
      const response = await fetch(`http://127.0.0.1:${rpc}`, {
        method: "POST",
        headers: { authorization: `Basic ${Buffer.from("u:p").toString("base64")}` },
        body: JSON.stringify({ id: 1, method, params })
      })
      return ((await response.json()) as { readonly result: unknown }).result
    }
    const bits: Array<string> = []
    for (let height = 1; height <= 4; height++) {
      const template = (await call("getblocktemplate", [{ rules: ["segwit"] }])) as BlockTemplate
      bits.push(template.bits)
      const block = Buffer.from(solveTemplate(template)!).toString("hex")
      assert.isNull(await call("submitblock", [block]))
    }
    // The first period began with the first block of the chain, years ago; the second lasted no time: four times as hard.
    assert.deepStrictEqual(bits, ["207fffff", "207fffff", "207fffff", "201fffff"])
    assert.strictEqual((await node.stop("SIGTERM")).status, 0)
  })
})
