/** The events of all roles of the demo, for one stream. */
import type { DevNodeEvent } from "@sluice/dev-node"
import type { MinerEvent } from "@sluice/miner"
import type { MiningServerEvent } from "@sluice/mining-server"
import type { TemplateProviderEvent } from "@sluice/template-provider"

export type MinerName = "standard" | "extended"

export type DemoEvent =
  | { readonly role: "node"; readonly event: DevNodeEvent }
  | { readonly role: "template-provider"; readonly event: TemplateProviderEvent }
  | { readonly role: "pool"; readonly event: MiningServerEvent }
  | { readonly role: "miner"; readonly miner: MinerName; readonly event: MinerEvent }
