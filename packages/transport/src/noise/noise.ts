/**
 * Frames over Noise NX (specification, sections 4.5 and 4.6): the handshake of core's `Initiator` and `Responder` over a
 * `Duplex`, then every frame encrypted.
 *
 * A handshake costs a responder half a millisecond of computing (in WebAssembly; eight in JavaScript) and at most 64 bytes of
 * memory before it, and ends with its time limit whatever the peer does or leaves undone. Where many come at once peers
 * take turns (handshake-queue.ts), and threads help, if there are any (noise's `HandshakeWorkers`).
 */
export { initiator, type InitiatorOptions } from "./initiator.ts"
export { defaultMaxHandshakesPerSecond, responder, type ResponderOptions } from "./responder.ts"
