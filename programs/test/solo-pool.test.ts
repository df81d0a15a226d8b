import { it } from "vitest"
import { Sluice } from "@sluice/testing/program"
import { freePorts } from "@sluice/testing/ports"

it("a solo pool refuses a miner whose address anyone can spend from, and its log says why", async () => {
  const [port] = await freePorts(1)
  const pool = new Sluice(
    ["pool", "--plain", "--listen", `127.0.0.1:${port}`, "--solo-fee", "0"].concat([
      "--template-provider",
      "stratum2+tcp+plain://127.0.0.1:1"
    ])
  )
  await pool.find(/The pool listens/)
  const miner = new Sluice(
    ["miner", "--connect", `stratum2+tcp+plain://127.0.0.1:${port}`, "--threads", "1"].concat([
      "--user",
      "bc1pfeessrawgf.rig"
    ])
  )
  await pool.find(/rig gets no channel: invalid-user-identity: bc1pfeessrawgf is pay-to-anchor: anyone can spend/)
  await miner.find(/invalid-user-identity/)
  await Promise.all([pool, miner].map((program) => program.stop()))
}, 120_000)
