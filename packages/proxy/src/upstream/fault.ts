/** The reasons for which a proxy leaves an upstream. */
import { Schema } from "effect"

/** An upstream cannot be used. The message says what was expected and what came. */
export class UpstreamFault extends Schema.TaggedError<UpstreamFault>("sluice/proxy/UpstreamFault")("UpstreamFault", {
  reason: Schema.Literals([
    /** It broke a rule of the specification, or sent work that no block can come of. */
    "violation",
    "open-refused",
    /** It leaves too few bytes of extranonce for the proxy's channels. */
    "extranonce-too-small",
    "channel-closed",
    "silence",
    "payout",
    /** It refused a job of the proxy's own, or a valid share of one that it had taken. */
    "job-refused",
    "too-many-messages",
    "slow-reader",
    /** The connection ended. */
    "disconnected",
    /** Another channel took its place on the same connection. */
    "replaced",
    /** It asked the proxy to connect again; the second, soon after the proxy had connected. */
    "reconnect",
    "reconnect-again"
  ]),
  message: Schema.String
}) {}
