export * from "./describe/assemble.ts"
export {
  type CatalogueOptions,
  type Listed,
  listMessages,
  type ProtocolName,
  protocolNames
} from "./describe/catalogue.ts"
export * as Common from "./messages/common.ts"
export type { DecodeOptions, Direction } from "./direction.ts"
export * from "./describe/describe.ts"
export * from "./describe/describe-text.ts"
export { DecodeError, EncodeError } from "./codec/error.ts"
export * as ErrorCode from "./messages/error-code.ts"
export { encodeOnce } from "./encode-once.ts"
export * from "./extension.ts"
export * as ExtensionsNegotiation from "./messages/extensions-negotiation.ts"
export type { ForeignMessage } from "./forwarding.ts"
export * from "./frame.ts"
export * as JobDeclaration from "./messages/job-declaration.ts"
export * from "./message.ts"
export * as Mining from "./messages/mining.ts"
export * from "./describe/printable.ts"
export * from "./protocol.ts"
export * as TemplateDistribution from "./messages/template-distribution.ts"
export { readText } from "./codec/text.ts"
export { Tlv, type TlvDeclaration } from "./tlv/tlv.ts"
export { readTail, type TlvBytes, type TlvTail } from "./tlv/tlv-tail.ts"
export * from "./describe/unit.ts"
export * from "./codec/wire.ts"
export * as WorkerIdentity from "./messages/worker-identity.ts"
