export * from "./bytes/duplex.ts"
export * as Memory from "./bytes/memory.ts"
export { type ProxyHeader, readProxyHeader } from "./bytes/proxy-header.ts"
export { parseNetworks, type ProxyProtocolOptions } from "./bytes/proxy-protocol.ts"
export { listen, type OpenSockets, type SharedPlaces, Sockets, type SocketSource } from "./bytes/sockets.ts"
export * as Tcp from "./bytes/tcp.ts"
export * as Tls from "./bytes/tls.ts"
export * from "./bytes/transport-error.ts"
export * from "./connection/connection.ts"
export * from "./connection/merge-listeners.ts"
export type { MessageLimits } from "./connection/message-stream.ts"
export * from "./connection/reconnecting.ts"
export * from "./endpoint.ts"
export * from "./error.ts"
export * from "./frames/frame-duplex.ts"
export type { FrameLimits } from "./frames/frame-stream.ts"
export * as Plain from "./frames/plain.ts"
export * as Security from "./frames/security.ts"
export * from "./limits/token-bucket.ts"
export * from "./limits/bounded-http-server.ts"
export {
  addressGroup,
  type ConnectionLimits,
  defaultMaxConnections,
  isLoopback,
  type NoPlace,
  type Place,
  Places
} from "./limits/connection-limits.ts"
export { Tenancy } from "./limits/holdings.ts"
export {
  CertificateNotValidNow,
  CertificateVersion,
  HandshakeError,
  HandshakeGarbage,
  HandshakeQueueFull,
  HandshakeTimeout,
  HandshakeTruncated,
  WrongAuthority
} from "./noise/handshake-error.ts"
export * as Noise from "./noise/noise.ts"
export { endReason } from "./connection/end-reason.ts"
export { metricReaders } from "./metric-readers.ts"
export * from "./throttled-log.ts"
export * from "./setup/setup-error.ts"
export * from "./setup/setup-options.ts"
export * as Setup from "./setup/setup.ts"
