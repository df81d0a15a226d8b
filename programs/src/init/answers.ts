/** The answers to the questions of `sluice init`, from which its files and its last sentences are made. */
import type { Role } from "./config.ts"
import type { FoundNode } from "./find-node.ts"

/** Where block templates come from. */
export type Source =
  | { readonly _tag: "Node"; readonly node: FoundNode; readonly templateListen: string }
  | { readonly _tag: "Provider"; readonly urls: ReadonlyArray<string> }

export interface Answers {
  readonly role: Role
  /** An absolute path. */
  readonly folder: string
  /** Absent for a proxy, which takes the jobs of its pools. */
  readonly source: Source | undefined
  readonly payoutAddress: string | undefined
  readonly payoutScheme: string
  readonly payoutFee: number
  readonly upstream: ReadonlyArray<string>
  readonly jobDeclarator: ReadonlyArray<string>
  readonly userIdentity: string | undefined
  /** As `HOST:PORT`. */
  readonly listen: string
  readonly v1Listen: string | undefined
  readonly httpListen: string | undefined
}

/** The program that miners connect to. */
export const serverOf = (role: Role): "pool" | "proxy" => (role === "solo" || role === "pool" ? "pool" : "proxy")
