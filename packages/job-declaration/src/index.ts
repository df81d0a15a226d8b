/** Job Declaration (specification, section 6), both ends: miners choose the transactions of their blocks. */
export { TokenKey, Tokens } from "./token/tokens.ts"
export type { Token, TokenFault, TokenMode } from "./token/tokens.ts"
