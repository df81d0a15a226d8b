import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { BlockchainInfo, BlockHeaderInfo, BlockInfo, MiningInfo, NetworkInfo, ZmqNotifications } from "../src/index.ts"

const BITS = "207fffff"
const TARGET = `7fffff${"00".repeat(29)}`
const DIFFICULTY = 4.656542373906925e-10
const HASH = "4516b4d760796b3a4d5eaed0a0e3424b52dee761f7a8af53f9060019a6b9fc22"
const PARENT = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"

const chainInfo = {
  chain: "regtest",
  blocks: 1,
  headers: 1,
  bestblockhash: HASH,
  difficulty: DIFFICULTY,
  time: 1795368829,
  mediantime: 1795368829,
  verificationprogress: 0.000002005289021985893,
  initialblockdownload: true,
  chainwork: "04".padStart(64, "0"),
  size_on_disk: 822,
  pruned: false
}
const mining = {
  blocks: 1,
  currentblockweight: 8000,
  currentblocktx: 0,
  difficulty: DIFFICULTY,
  networkhashps: 4.010586126568038e-9,
  pooledtx: 0,
  chain: "regtest"
}
const header = {
  hash: HASH,
  confirmations: 1,
  height: 1,
  version: 536870912,
  versionHex: "20000000",
  merkleroot: "c86bf105aab38a07187fcf2a0ad8c335b8d914adfee69e389f031811c8a6a168",
  time: 1795368829,
  mediantime: 1795368829,
  nonce: 3,
  bits: BITS,
  difficulty: DIFFICULTY,
  chainwork: "04".padStart(64, "0"),
  nTx: 1,
  previousblockhash: PARENT
}
const network = {
  subversion: "/Satoshi/",
  protocolversion: 70016,
  localservices: "0000000000000c09",
  localservicesnames: ["NETWORK", "WITNESS", "NETWORK_LIMITED", "P2P_V2"],
  localrelay: true,
  timeoffset: 0,
  networkactive: true,
  connections: 0,
  connections_in: 0,
  connections_out: 0,
  networks: [{ name: "ipv4", limited: false, reachable: true, proxy: "", proxy_randomize_credentials: false }],
  relayfee: 0.000001,
  incrementalfee: 0.000001,
  localaddresses: []
}

/** What versions of Bitcoin Core add to these answers, by its release notes. */
const of = (version: number) => {
  const warnings = version < 28 ? "" : ["This is a pre-release test build"]
  const bits = version < 29 ? {} : { bits: BITS }
  const target = version < 29 ? {} : { target: TARGET }
  const next = { height: 2, bits: BITS, difficulty: DIFFICULTY, target: TARGET }
  return {
    chainInfo: { ...chainInfo, ...bits, ...target, warnings },
    mining: {
      ...mining,
      ...bits,
      ...target,
      ...(version < 30 ? {} : { blockmintxfee: 1e-8 }),
      ...(version < 29 ? {} : { next }),
      warnings
    },
    header: { ...header, ...target },
    network: { version: version * 10_000, ...network, warnings }
  }
}

describe.each([25, 26, 27, 28, 29, 30])("answers of Bitcoin Core %i", (version) => {
  const answers = of(version)

  it("are read, with additional or missing fields of that version", () => {
    assert.deepInclude(Schema.decodeUnknownSync(BlockchainInfo)(answers.chainInfo), {
      chain: "regtest",
      blocks: 1,
      initialblockdownload: true
    })
    assert.deepInclude(Schema.decodeUnknownSync(MiningInfo)(answers.mining), { blocks: 1, difficulty: DIFFICULTY })
    assert.deepInclude(Schema.decodeUnknownSync(BlockHeaderInfo)(answers.header), { hash: HASH, bits: BITS })
    const block = { ...answers.header, strippedsize: 80, size: 80, weight: 320, tx: [PARENT] }
    assert.deepInclude(Schema.decodeUnknownSync(BlockInfo)(block), { hash: HASH, tx: [PARENT] })
    assert.strictEqual(Schema.decodeUnknownSync(NetworkInfo)(answers.network).version, version * 10_000)
  })

  it("are read with -deprecatedrpc=warnings, and of a pruned node", () => {
    const pruned = { ...answers.chainInfo, pruned: true, pruneheight: 1, automatic_pruning: false, warnings: "a text" }
    assert.strictEqual(Schema.decodeUnknownSync(BlockchainInfo)(pruned).blocks, 1)
    assert.strictEqual(Schema.decodeUnknownSync(MiningInfo)({ ...answers.mining, warnings: "a text" }).blocks, 1)
    assert.strictEqual(Schema.decodeUnknownSync(NetworkInfo)({ ...answers.network, warnings: "a" }).connections, 0)
  })
})

describe("getzmqnotifications", () => {
  it("is read with all topics, at addresses of any kind", () => {
    const answer = ["hashblock", "hashtx", "rawblock", "rawtx", "sequence"].map((topic) => ({
      type: `pub${topic}`,
      address: topic === "rawtx" ? "ipc:///run/node.sock" : "tcp://127.0.0.1:28332",
      hwm: 1000
    }))
    assert.deepStrictEqual(
      Schema.decodeUnknownSync(ZmqNotifications)(answer).map(({ type }) => type),
      answer.map(({ type }) => type)
    )
  })
})
