/** Parses JSON-RPC parameters and looks up what they name. Fails with Bitcoin Core's messages. */
import { Effect } from "effect"
import { type Block } from "@sluice/bitcoin"
import type { TreeBlock } from "../chain/block-tree.ts"
import type { DevelopmentChain } from "../chain/development-chain.ts"
import { JsonRpcCode, JsonRpcError } from "./json-rpc-error.ts"

/** The block with this hash (display order), on any branch. Errors name the parameter `name`. */
export const blockOf = (
  { chain }: DevelopmentChain,
  hash: string,
  name = "blockhash"
): Effect.Effect<TreeBlock, JsonRpcError> =>
  Effect.flatMap(parseHash(hash, name), (id) => {
    const block = chain.get(id)
    return block === undefined
      ? Effect.fail(new JsonRpcError({ code: JsonRpcCode.addressOrKey, message: "Block not found" }))
      : Effect.succeed(block)
  })

/** The block with this hash. Fails if its transactions were dropped. */
export const blockWithTransactions = (
  node: DevelopmentChain,
  hash: string
): Effect.Effect<{ readonly entry: TreeBlock; readonly block: Block }, JsonRpcError> =>
  Effect.flatMap(blockOf(node, hash), (entry) => {
    const { block } = entry
    return block === undefined
      ? Effect.fail(new JsonRpcError({ code: JsonRpcCode.miscellaneous, message: "Block not available (pruned data)" }))
      : Effect.succeed({ entry, block })
  })

/** Parses a hash in display order. Gives it in lower case. */
export const parseHash = (text: string, name: string): Effect.Effect<string, JsonRpcError> => {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Effect.succeed(text.toLowerCase())
  const message =
    text.length === 64
      ? `${name} must be hexadecimal string (not '${text}')`
      : `${name} must be of length 64 (not ${text.length}, for '${text.slice(0, 80)}')`
  return Effect.fail(new JsonRpcError({ code: JsonRpcCode.parameter, message }))
}

/** Parses the bytes of a block from hex. */
export const parseBlockHex = (text: string): Effect.Effect<Uint8Array, JsonRpcError> =>
  text.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(text)
    ? Effect.sync(() => new Uint8Array(Buffer.from(text, "hex")))
    : Effect.fail(new JsonRpcError({ code: JsonRpcCode.deserialization, message: "Block decode failed" }))
