/** Job Declaration (specification, section 6), both ends: miners choose the transactions of their blocks. */
export { DeclarationFault } from "./client/client-fault.ts"
export {
  type AllocatedToken,
  type Declaration,
  DeclarationClient,
  type DeclarationClientOptions,
  type DeclarationEvent
} from "./client/declaration-client.ts"
export { coinbaseOf, type DeclaredCoinbase, declaredCoinbase, wholeHalves } from "./client/declared-coinbase.ts"
export { type PoolOutputs } from "./client/pool-outputs.ts"
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
