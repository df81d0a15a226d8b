/** `sluice template-provider`: Template Distribution from a Bitcoin node's RPC and ZMQ. */
import { type NodeCredentials, NodeNotifications, NodeNotificationsZmq, NodeRpcGroup } from "@sluice/node"
import { TemplateProvider } from "@sluice/template-provider"
import { Setup, TemplateListener } from "@sluice/transport"
import { Duration, Layer } from "effect"
import { layerMetrics } from "../server/metrics.ts"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { secured } from "../server/secured.ts"
import { TemplateProviderConfig } from "./config.ts"

export const templateProvider = program({
  ...TemplateProviderConfig,
  description: summaries["template-provider"],
  run: (config) =>
    TemplateProvider.layer({
      feeDelta: BigInt(config.feeDelta),
      interval: Duration.seconds(config.interval),
      emptyTemplates: !config.noEmptyTemplates,
      maxTemplateAge: Duration.seconds(config.maxTemplateAge),
      chain: config.chain,
      blockDirectory: config.blocksDirectory
    }).pipe(
      Layer.provide(Setup.server(TemplateListener)),
      Layer.provide(secured("template provider", config)),
      Layer.provide(
        NodeRpcGroup.layer([
          { url: config.rpcUrl, credentials: credentials(config) },
          ...(config.spareRpcUrls ?? []).map((url, index) => ({ url, credentials: spareCredentials(config, index) }))
        ])
      ),
      Layer.provide(config.zmq === undefined ? NodeNotifications.layerNone : NodeNotificationsZmq.layer(config.zmq)),
      Layer.merge(layerMetrics(config)),
      Layer.launch
    )
})

const credentials = (config: typeof TemplateProviderConfig.schema.Type): NodeCredentials =>
  config.rpcUser !== undefined && config.rpcPassword !== undefined
    ? { _tag: "Password", user: config.rpcUser, password: config.rpcPassword }
    : { _tag: "Cookie", path: config.rpcCookie! }

/** The credentials of a spare node. The configuration's checks make sure that there are some. */
const spareCredentials = (config: typeof TemplateProviderConfig.schema.Type, index: number): NodeCredentials => {
  const login = config.spareRpcLogins?.[index]
  if (login !== undefined) return { _tag: "Password", ...login }
  const path = config.spareRpcCookies?.[index]
  return path === undefined ? credentials(config) : { _tag: "Cookie", path }
}
