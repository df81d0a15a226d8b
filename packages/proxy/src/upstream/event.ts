/** What the machines of a proxy want their shell to do. */
import type { WorkSourceState } from "@sluice/mining-server"
import type { Mining } from "@sluice/protocol"
import type { ServerAddress } from "@sluice/transport"
import type { Choice } from "./choice.ts"
import type { UpstreamFault } from "./fault.ts"

/** Everything that the shell has to do or to log, in order. */
export type UpstreamEvent =
  | { readonly _tag: "Send"; readonly index: number; readonly messages: ReadonlyArray<Mining.ToServer> }
  /** The session ended: close the connection. */
  | { readonly _tag: "Failed"; readonly index: number; readonly fault: UpstreamFault }
  | { readonly _tag: "Opened"; readonly index: number }
  /** The upstream took a job of the proxy's own, the first one or the first after a failure. */
  | { readonly _tag: "TakesJobs"; readonly index: number }
  /** The upstream is not used for now, but stays connected. */
  | { readonly _tag: "Unwell"; readonly index: number; readonly message: string }
  /** Work comes from this upstream from now on. */
  | { readonly _tag: "Chosen"; readonly index: number; readonly why: Choice["why"] }
  | { readonly _tag: "Refused"; readonly index: number; readonly errorCode: string }
  /** Connect to this server the next time. */
  | { readonly _tag: "Redirected"; readonly index: number; readonly to: ServerAddress }
  /** The upstream names a server that cannot prove its key, or no host. */
  | { readonly _tag: "RedirectIgnored"; readonly index: number; readonly to: string }
  /** Shares found while the upstream was away were sent, or could not be. */
  | { readonly _tag: "KeptShares"; readonly index: number; readonly sent: number; readonly lost: number }
  | { readonly _tag: "State"; readonly state: WorkSourceState }
