/** The mining proxy: an upstream server as the source of work of a server of miners. */
export { minerIdentity, sharedIdentity, workerName } from "./identity.ts"
export { Proxy, type ProxyOptions } from "./proxy.ts"
export { RelayDialer, RelayListener } from "./relay.ts"
export { UpstreamFault } from "./upstream/fault.ts"
export { defaultUpstreamOptions, type UpstreamOptions, type UpstreamServer } from "./upstream/options.ts"
export * as Upstream from "./upstream/upstream.ts"
export { mergeUpstreams, Upstreams, UpstreamStats } from "./upstream/upstreams.ts"
