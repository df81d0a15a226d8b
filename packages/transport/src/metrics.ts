/** Metrics of connections and listeners, summed over all listeners of a process. docs/operators/pool.md lists them. */
import { Metric } from "effect"

/** Accepted connections. */
export const connectionsAccepted = Metric.counter("sluice_transport_connections_accepted_total", {
  description: "Connections that listeners accepted",
  incremental: true
})

/** Connections that a listener closed at once because of a limit, by `reason`. */
export const connectionsRefused = Metric.counter("sluice_transport_connections_refused_total", {
  description: "Connections that listeners closed at once because a limit was reached, by reason",
  incremental: true
})

/** Connections that ended with a failure, by `reason`: the name of an error of this package. */
export const connectionsFailed = Metric.counter("sluice_transport_connections_failed_total", {
  description: "Connections that ended with a failure, by reason; Closed means that the peer closed it",
  incremental: true
})

/** Duration of the handshakes that a responder finished. */
export const handshakeSeconds = Metric.histogram("sluice_transport_handshake_seconds", {
  description:
    "From a client's part of the Noise handshake until the server's answer was sent, including the wait for a turn",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
})

/**
 * Messages that were dropped because their type is unknown (specification, section 3.4.1). A proxy that has to pass on those
 * for a channel uses `Protocol.forwarding(protocol)`, which decodes them.
 */
export const discardedMessages = Metric.counter("sluice_transport_discarded_messages_total", {
  description: "Messages of unknown type that were dropped",
  incremental: true
})
