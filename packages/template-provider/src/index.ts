export { type BlockLimits, type CoinbaseConstraints, fitsBlock, MAX_BLOCK_WEIGHT } from "./coinbase-constraints.ts"
export { TemplateFeed } from "./client/template-feed.ts"
export * as TemplateClient from "./client/template-client.ts"
export * from "./client/template-source.ts"
export * as TemplateSourceMemory from "./client/template-source-memory.ts"
export { type ReceivedMessage, TemplateState } from "./client/template-state.ts"
export { TemplateProtocolError } from "./protocol-error.ts"
export type { TemplateProviderEvent, TemplateProviderStats } from "./provider/provider-event.ts"
export {
  TemplateProvider,
  templateProviderDefaults,
  type TemplateProviderOptions
} from "./provider/template-provider.ts"
export type { NextBlockHeader } from "./provider/templates/next-block.ts"
export {
  type Answered,
  type Change,
  type Delivery,
  TemplateMachine,
  type TemplateMachineOptions
} from "./provider/templates/template-machine.ts"
