/** What listeners count, in Effect's metrics: sums over all listeners of a process. docs/operators/pool.md has a table. */
import { Metric } from "effect"

/** Connections that were taken. */
export const connectionsAccepted = Metric.counter("sluice_transport_connections_accepted_total", {
  description: "Connections that listeners took",
  incremental: true
})

/** Connections that were closed unheard, by `reason`. */
export const connectionsRefused = Metric.counter("sluice_transport_connections_refused_total", {
  description: "Connections that listeners closed at once because a limit was reached, by reason",
  incremental: true
})

/** Connections that ended with a failure, by `reason`, which is the name of an error of this package. */
export const connectionsFailed = Metric.counter("sluice_transport_connections_failed_total", {
  description: "Connections that ended with a failure, by reason; Closed is a peer that went away",
  incremental: true
})

/** Handshakes that a responder finished. */
export const handshakeSeconds = Metric.histogram("sluice_transport_handshake_seconds", {
  description: "From a client's part of the Noise handshake until the answer to it was sent, waiting included",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
})

/**
 * Messages that were dropped because their type is not known here (specification, section 3.4.1). A proxy that has to pass on
 * those for a channel speaks `Protocol.forwarding(protocol)`, in which they are messages like others.
 */
export const discardedMessages = Metric.counter("sluice_transport_discarded_messages_total", {
  description: "Messages of unknown type that were dropped",
  incremental: true
})
