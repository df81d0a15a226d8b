/** Job Declaration (specification, section 6), both ends: miners choose the transactions of their blocks. */
export {
  type DeclaredDigest,
  type DeclaredJob,
  digestOfJob,
  type Token,
  TOKEN_KEY_SIZE,
  TOKEN_SERIAL_SIZE,
  type TokenFault,
  TokenKey,
  type TokenMode,
  Tokens,
  tokenUser
} from "./token/tokens.ts"
export { DeclarationServer, type FoundCustomWork } from "./server/declaration-server.ts"
export type { DeclarationEvent } from "./server/event.ts"
export { type DeclarationServerOptions, defaultDeclarationServerOptions } from "./server/options.ts"
export type { DeclarationStats } from "./server/statistics.ts"
