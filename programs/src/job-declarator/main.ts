/** `sluice job-declarator`: the server of Job Declaration alone, beside a pool. */
import { Layer } from "effect"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { defaultHandshakeThreads } from "../server/curve.ts"
import { layerDeclarationServer, payoutRulesOf } from "../server/job-declaration.ts"
import { layerMetrics } from "../server/metrics.ts"
import { JobDeclaratorConfig, payoutOptionsOf } from "./config.ts"

export const jobDeclarator = program({
  ...JobDeclaratorConfig,
  description: summaries["job-declarator"],
  run: (config) => {
    const rules = payoutRulesOf(payoutOptionsOf(config), config.minPayoutPercent)
    return layerDeclarationServer(
      { handshakeThreads: defaultHandshakeThreads, ...config },
      { tokenKey: config.jobDeclarationTokenKey, payout: () => rules, reconnectTo: config.reconnectTo }
    ).pipe(Layer.merge(layerMetrics(config)), Layer.launch)
  }
})
