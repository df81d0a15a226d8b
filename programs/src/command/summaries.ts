/**
 * One line about each program, in the order of `sluice --help`. It stands apart from the programs, so that the help of
 * `sluice` is printed without loading them.
 */
export const summaries = {
  demo: "Run a node, a template provider, a pool and two miners in one process, and watch them find blocks.",
  init: "Set up a program: answer a few questions, get its configuration and keys, and what to type into miners.",
  start: "Run what `sluice init` has set up.",
  node: "Run a development chain that talks JSON-RPC and ZMQ like Bitcoin Core.",
  "template-provider": "Serve the block templates of a Bitcoin node to pools and proxies.",
  pool: "Serve work to miners and proxies, and send the blocks that they find to a template provider.",
  "job-declarator": "Accept jobs that miners declare with transactions of their own, beside a pool.",
  proxy: "Bring many miners together on one channel of a pool, and use another pool when it fails.",
  miner: "Mine in worker threads, for development and tests.",
  key: "Make and show the keys that servers sign their certificates with.",
  decode: "Print the messages of plain frames.",
  encode: "Make plain frames of messages in JSON.",
  sniff: "Print or record what clients and a server say to each other, decrypted.",
  replay: "Send what recorded clients have sent to a server, and compare its answers by their kinds.",
  conformance: "Find out which rules of the specification an implementation keeps.",
  swarm: "Load a pool or proxy with thousands of miners that submit real shares, and measure it.",
  ledger: "Audit a pool's ledger of shares and payouts, show it, and keep it.",
  health: "Ask a running program whether it is ready, as the check of a container does."
} as const

export type ProgramName = keyof typeof summaries
