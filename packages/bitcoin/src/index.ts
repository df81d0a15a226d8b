export * from "./address/address.ts"
export * from "./address/descriptor.ts"
export * from "./address/payable-script.ts"
export * from "./block/block-decode-error.ts"
export * from "./block/block.ts"
export * from "./block/coinbase.ts"
export * from "./block/merkle-path.ts"
export * from "./block/parse-coinbase.ts"
export { legacySigopsCost, MAX_BLOCK_SIGOPS_COST, scriptSigopsCost } from "./block/signature-operations.ts"
export {
  isCoinbase,
  MAX_MONEY,
  parseTransaction,
  spendsNull,
  type Transaction,
  type TransactionInput
} from "./block/transaction.ts"
export * from "./block/witness-commitment.ts"
export { doubleSha256, hashFromDisplay, hashToDisplay } from "./hashing/hash.ts"
export { doubleSha256All } from "./hashing/hash-all.ts"
export * as Sha256Lanes from "./hashing/sha256-lanes.ts"
export * as WasmLanes from "./hashing/wasm-lanes.ts"
