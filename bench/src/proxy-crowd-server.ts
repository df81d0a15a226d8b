/** The proxy of a crowd, alone in its process, with an upstream in another one that gets all shares. */
import { Proxy } from "@sluice/proxy"
import { Effect } from "effect"
import { crowdPolicy, serveCrowd } from "./crowd-server.ts"
import { proxyLayer } from "./proxy-layer.ts"

const { announce, layer } = await proxyLayer("easy", { policy: crowdPolicy })

serveCrowd({ service: Proxy, layer, announce: () => Effect.sync(announce) })
