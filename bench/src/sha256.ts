/** Times SHA-256 of SHA-256 of a block header (80 bytes): the cost of a share for a pool, and of a nonce for a miner. */
import { digest } from "@chainsafe/as-sha256"
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js"
import { Header, Sha256 } from "@sluice/core"
import { hash } from "node:crypto"
import { keep, type Case } from "./case.ts"

const header = Uint8Array.from({ length: 80 }, (_, i) => (i * 151 + 3) & 0xff)
const out = new Uint8Array(32)

const nodeSha256 = (data: Uint8Array): Uint8Array => hash("sha256", data, "buffer")

const baselines = [
  { name: "@noble/hashes", run: () => void keep(nobleSha256(nobleSha256(header))) },
  { name: "node:crypto", run: () => void keep(nodeSha256(nodeSha256(header))) },
  { name: "@chainsafe/as-sha256", run: () => void keep(digest(digest(header))) }
]

Sha256.sha256d(header, 0, 80, out, 0)
for (const other of [nobleSha256(nobleSha256(header)), nodeSha256(nodeSha256(header)), digest(digest(header))]) {
  if (Buffer.compare(out, other) !== 0) throw new Error("the implementations of sha256d disagree")
}

const hasher = new Header.HeaderHasher()
hasher.load(header, 0)
let nonce = 0
const nothing = new Uint8Array(32)

export const cases: ReadonlyArray<Case> = [
  { name: "sha256d of a header", unit: "ns/op", run: () => Sha256.sha256d(header, 0, 80, out, 0), baselines },
  {
    name: "sha256d of a header's next nonce",
    unit: "ns/op",
    // Nothing meets a target of zero, so each call tries one nonce to the end.
    run: () => void keep(hasher.search(nonce++ | 0, 1, nothing, 0)),
    baselines
  }
]
