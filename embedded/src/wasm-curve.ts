/**
 * core's `Curve` over secp256k1 in WebAssembly (BIP324, BIP340; specification, section 4.3.1). On invalid bytes of a peer,
 * these functions return false and never throw.
 *
 * Operations on secrets take the same steps for every secret (for the limits see embedded/README.md) and leave no copy in the
 * module's memory.
 */
import { Curve } from "@sluice/core"

export class WasmCurve extends Curve {
  private readonly module: Exports
  private readonly memory: Uint8Array
  private readonly exchange: number

  /** The bytes of the module (`curveModule`); compiled and instantiated here, with a memory of its own. */
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    super()
    this.module = new WebAssembly.Instance(new WebAssembly.Module(bytes), {}).exports as unknown as Exports
    this.memory = new Uint8Array(this.module.memory.buffer)
    this.exchange = this.module.exchangeAt()
  }

  /**
   * Of the many encodings that a key has, the entropy (32 bytes) chooses one: attempt number i (from 0) takes
   * u = SHA256(entropy, secret, U32 2i) and the case from the last three bits of SHA256(entropy, secret, U32 2i+1), numbers
   * little-endian. These are the encodings that noise's NobleCurve chooses.
   */
  createEllSwift(secret: Uint8Array, entropy: Uint8Array, out: Uint8Array, outAt: number): boolean {
    const [secretAt, entropyAt, resultAt] = this.places(32, 32)
    if (!this.put(secretAt, secret, 0, 32) || !this.put(entropyAt, entropy, 0, 32)) return this.end()
    if (this.module.createEllSwift(secretAt, entropyAt, resultAt) === 0) return this.end()
    return this.take(resultAt, 64, out, outAt)
  }

  ecdh(
    theirs: Uint8Array,
    theirsAt: number,
    ours: Uint8Array,
    oursAt: number,
    secret: Uint8Array,
    initiator: boolean,
    out: Uint8Array,
    outAt: number
  ): boolean {
    const [theirPlace, ourPlace, secretPlace, result] = this.places(64, 64, 32)
    if (!this.put(theirPlace, theirs, theirsAt, 64) || !this.put(ourPlace, ours, oursAt, 64)) return this.end()
    if (!this.put(secretPlace, secret, 0, 32)) return this.end()
    if (this.module.ecdh(theirPlace, ourPlace, secretPlace, initiator ? 1 : 0, result) === 0) return this.end()
    return this.take(result, 32, out, outAt)
  }

  xOnly(ellSwift: Uint8Array, at: number, out: Uint8Array, outAt: number): boolean {
    const [place, result] = this.places(64)
    if (!this.put(place, ellSwift, at, 64)) return this.end()
    this.module.xOnly(place, result)
    return this.take(result, 32, out, outAt)
  }

  verify(
    message: Uint8Array,
    messageAt: number,
    signature: Uint8Array,
    signatureAt: number,
    publicKey: Uint8Array,
    publicKeyAt: number
  ): boolean {
    const [messagePlace, signaturePlace, keyPlace] = this.places(32, 64, 32)
    return (
      this.put(messagePlace, message, messageAt, 32) &&
      this.put(signaturePlace, signature, signatureAt, 64) &&
      this.put(keyPlace, publicKey, publicKeyAt, 32) &&
      this.module.verify(messagePlace, signaturePlace, keyPlace) !== 0
    )
  }

  /**
   * Writes the BIP340 signature (64 bytes) of a 32-byte message by a secret of 32 bytes, from 32 bytes of auxiliary
   * randomness. False where the secret is not 1 to n - 1.
   */
  sign(message: Uint8Array, secret: Uint8Array, aux: Uint8Array, out: Uint8Array, outAt: number): boolean {
    const [messagePlace, secretPlace, auxPlace, result] = this.places(32, 32, 32)
    if (!this.put(messagePlace, message, 0, 32) || !this.put(secretPlace, secret, 0, 32)) return this.end()
    if (!this.put(auxPlace, aux, 0, 32)) return this.end()
    if (this.module.sign(messagePlace, secretPlace, auxPlace, result) === 0) return this.end()
    return this.take(result, 64, out, outAt)
  }

  /** Consecutive addresses in the exchange: one for an input of each of these sizes, and one for the result. */
  private places(first: number, second = 0, third = 0): readonly [number, number, number, number] {
    const at = this.exchange
    return [at, at + first, at + first + second, at + first + second + third]
  }

  /** Copies an input into the exchange. Returns false if the array is too short. */
  private put(to: number, bytes: Uint8Array, at: number, size: number): boolean {
    if (!has(bytes, at, size)) return false
    for (let i = 0; i < size; i++) this.memory[to + i] = bytes[at + i]!
    return true
  }

  /** Copies the result out. Returns false if the array has no room for it. */
  private take(from: number, size: number, out: Uint8Array, outAt: number): boolean {
    const fits = has(out, outAt, size)
    if (fits) for (let i = 0; i < size; i++) out[outAt + i] = this.memory[from + i]!
    this.end()
    return fits
  }

  /** Clears the inputs and the result. */
  private end(): false {
    this.memory.fill(0, this.exchange, this.exchange + EXCHANGE_SIZE)
    return false
  }
}

const EXCHANGE_SIZE = 512

const has = (bytes: Uint8Array, at: number, size: number): boolean => at >= 0 && bytes.length - at >= size

/** The exports of assembly/curve.ts. `bool` is 0 or 1. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly exchangeAt: () => number
  readonly createEllSwift: (secret: number, entropy: number, out: number) => number
  readonly ecdh: (theirs: number, ours: number, secret: number, initiator: number, out: number) => number
  readonly xOnly: (ellSwift: number, out: number) => void
  readonly verify: (message: number, signature: number, publicKey: number) => number
  readonly sign: (message: number, secret: number, aux: number, out: number) => number
}
