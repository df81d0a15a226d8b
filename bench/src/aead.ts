/**
 * Times ChaCha20-Poly1305 of an encrypted frame header (22 bytes), of two small messages and of a job (1,024 bytes).
 *
 * Each implementation is used as its interface requires: ours works in place, so `open` gets a fresh copy of the ciphertext
 * each time; the others write into new arrays.
 */
import aschacha from "@chainsafe/as-chacha20poly1305"
import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { Aead } from "@sluice/core"
import { createCipheriv, createDecipheriv } from "node:crypto"
import { keep, type Case } from "./case.ts"

const key = Uint8Array.from({ length: 32 }, (_, i) => i * 7)
const nonce = new Uint8Array(12)
const noData = new Uint8Array(0)

const ours = new Aead.ChaCha20Poly1305()
ours.setKey(key, 0)
const chainsafe = new aschacha.ChaCha20Poly1305(aschacha.newInstance())

const nodeSeal = (plain: Uint8Array): Uint8Array => {
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 })
  const sealed = cipher.update(plain)
  cipher.final()
  return Buffer.concat([sealed, cipher.getAuthTag()])
}

const nodeOpen = (sealed: Uint8Array): Uint8Array => {
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 })
  decipher.setAuthTag(sealed.subarray(sealed.length - 16))
  const plain = decipher.update(sealed.subarray(0, sealed.length - 16))
  decipher.final()
  return plain
}

const sizeCases = (size: number): ReadonlyArray<Case> => {
  const plain = Uint8Array.from({ length: size }, (_, i) => i * 13)
  const buffer = new Uint8Array(size + 16)
  const sealed = nodeSeal(plain)

  const open = (): void => {
    buffer.set(sealed)
    if (!ours.open(0, 0, noData, 0, 0, buffer, 0, size)) throw new Error("our own tag is refused")
  }
  buffer.set(plain)
  ours.seal(0, 0, noData, 0, 0, buffer, 0, size)
  if (Buffer.compare(buffer, sealed) !== 0) throw new Error("the implementations of ChaCha20-Poly1305 disagree")

  return [
    {
      name: `AEAD seal of ${size} bytes`,
      unit: "ns/op",
      run: () => ours.seal(0, 0, noData, 0, 0, buffer, 0, size),
      baselines: [
        { name: "@noble/ciphers", run: () => void keep(chacha20poly1305(key, nonce).encrypt(plain)) },
        { name: "node:crypto", run: () => void keep(nodeSeal(plain)) },
        { name: "@chainsafe/as-chacha20poly1305", run: () => void keep(chainsafe.seal(key, nonce, plain)) }
      ]
    },
    {
      name: `AEAD open of ${size} bytes`,
      unit: "ns/op",
      run: open,
      baselines: [
        { name: "@noble/ciphers", run: () => void keep(chacha20poly1305(key, nonce).decrypt(sealed)) },
        { name: "node:crypto", run: () => void keep(nodeOpen(sealed)) },
        { name: "@chainsafe/as-chacha20poly1305", run: () => void keep(chainsafe.open(key, nonce, sealed)) }
      ]
    }
  ]
}

export const cases: ReadonlyArray<Case> = [22, 32, 64, 1024].flatMap(sizeCases)
