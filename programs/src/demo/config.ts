/** The configuration of `sluice demo`. */
import { DEFAULT_BITS } from "@sluice/dev-node"
import { Schema } from "effect"
import { defaulted, optional } from "../config/key.ts"
import { compactBits, hostPort, toggle, whole } from "../config/value.ts"
import { loggingKeysWith } from "../output/logging.ts"
import { monitorKeys, tokenForOthers, wholeHttps } from "../server/monitor.ts"

export const DemoConfig = {
  program: "demo",
  schema: Schema.Struct({
    blocks: optional(whole("N", 1, 1_000_000), {
      description: "Stop after this many blocks that the node accepted.",
      example: 3
    }),
    json: defaulted(toggle, { description: "Print each event as a line of JSON on stdout.", default: false }),
    bits: defaulted(compactBits, {
      description: "The difficulty of the chain as nBits. A laptop finds a block at 1e03ffff every few seconds.",
      default: DEFAULT_BITS.toString(16)
    }),
    ...monitorKeys,
    httpListen: defaulted(hostPort, {
      description: "The address of the operators' page; port 0 is any free port.",
      default: "127.0.0.1:0"
    }),
    browser: defaulted(toggle, {
      description: "Open the operators' page in a browser, if the demo runs in a terminal of a desktop.",
      default: true
    }),
    ...loggingKeysWith("warn")
  }).check(tokenForOthers, wholeHttps)
}
