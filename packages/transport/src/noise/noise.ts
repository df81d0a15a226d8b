/**
 * Frames over Noise NX (specification, sections 4.5 and 4.6): the handshake of core's `Initiator` and `Responder` over a
 * `Duplex`, and then encrypted frames.
 *
 * A handshake costs a responder half a millisecond of computing (with WebAssembly; eight with JavaScript) and, before that, at
 * most 64 bytes of memory. Its timeout applies whatever the peer does. If many clients connect at once, their addresses take
 * turns (limits/handshake-queue.ts), and threads help if a layer provides them (`HandshakeWorkers` of @sluice/noise).
 */
export { initiator, type InitiatorOptions } from "./initiator.ts"
export { defaultMaxHandshakesPerSecond, responder, type ResponderOptions } from "./responder.ts"
