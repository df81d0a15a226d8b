/** The two builds of the portable core over a curve whose encodings are those of the vectors. */
import { schnorr } from "@noble/curves/secp256k1.js"
import { elligatorSwift } from "@scure/btc-signer/p2p.js"
import { Curve } from "@sluice/core"
import { build as compileToWasm } from "../assembly/compile.ts"
import * as harness from "./harness.ts"
import type { HandshakeInputs } from "@sluice/testing/reference-handshake"

export interface CoreBuild {
  readonly name: string
  readonly call: Omit<typeof harness, "arena" | "ARENA_SIZE" | "useCurve">
  /** Ask again after calls: WebAssembly memory moves when it grows. */
  readonly arena: () => Uint8Array
}

const module = await compileToWasm()

/** Both builds; a secret's encoding is looked up among the inputs. */
export const coreBuilds = async (inputs: ReadonlyArray<HandshakeInputs>): Promise<ReadonlyArray<CoreBuild>> => {
  const encodings = new Map(
    inputs.flatMap((input) => [
      [input.initiatorEphemeralSecret, input.initiatorEphemeralEncoding],
      [input.responderEphemeralSecret, input.responderEphemeralEncoding]
    ])
  )
  const curve = curveWith(encodings)
  return [javascript(curve), await webAssembly(curve)]
}

/** Each function takes and fills whole arrays; false where noble refuses. */
const curveWith = (encodings: ReadonlyMap<string, string>) => ({
  createEllSwift: (secret: Uint8Array, out: Uint8Array): boolean => {
    const encoding = encodings.get(Buffer.from(secret).toString("hex"))
    if (encoding === undefined) throw new Error("a secret that is not in the vectors")
    out.set(Buffer.from(encoding, "hex"))
    return true
  },
  ecdh: (theirs: Uint8Array, ours: Uint8Array, secret: Uint8Array, initiator: boolean, out: Uint8Array): boolean =>
    attempt(() => out.set(elligatorSwift.getSharedSecretBip324(secret, theirs, ours, initiator))),
  xOnly: (encoding: Uint8Array, out: Uint8Array): boolean => attempt(() => out.set(elligatorSwift.decode(encoding))),
  verify: (message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean =>
    attempt(() => {
      if (!schnorr.verify(signature, message, publicKey)) throw new Error("no")
    })
})

type VectorCurve = ReturnType<typeof curveWith>

const attempt = (action: () => void): boolean => {
  try {
    action()
    return true
  } catch {
    return false
  }
}

const javascript = (curve: VectorCurve): CoreBuild => {
  const cut = (bytes: Uint8Array, at: number, length: number) => bytes.subarray(at, at + length)
  class CurveOfVectors extends Curve {
    createEllSwift(secret: Uint8Array, _entropy: Uint8Array, out: Uint8Array, outAt: number): boolean {
      return curve.createEllSwift(secret, cut(out, outAt, 64))
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
      return curve.ecdh(cut(theirs, theirsAt, 64), cut(ours, oursAt, 64), secret, initiator, cut(out, outAt, 32))
    }
    xOnly(ellSwift: Uint8Array, at: number, out: Uint8Array, outAt: number): boolean {
      return curve.xOnly(cut(ellSwift, at, 64), cut(out, outAt, 32))
    }
    verify(
      message: Uint8Array,
      messageAt: number,
      signature: Uint8Array,
      signatureAt: number,
      publicKey: Uint8Array,
      publicKeyAt: number
    ): boolean {
      return curve.verify(cut(message, messageAt, 32), cut(signature, signatureAt, 64), cut(publicKey, publicKeyAt, 32))
    }
  }
  harness.useCurve(new CurveOfVectors())
  return { name: "JavaScript", call: harness, arena: () => harness.arena }
}

const webAssembly = async (curve: VectorCurve): Promise<CoreBuild> => {
  const at = (pointer: number, length: number) => new Uint8Array(exports.memory.buffer, pointer, length)
  const instance = await WebAssembly.instantiate(module, {
    env: {
      abort: (_message: number, _file: number, line: number, column: number) => {
        throw new Error(`WebAssembly aborted at ${line}:${column}`)
      }
    },
    entry: {
      createEllSwift: (secret: number, _entropy: number, out: number) =>
        curve.createEllSwift(at(secret, 32), at(out, 64)),
      ecdh: (theirs: number, ours: number, secret: number, initiator: number, out: number) =>
        curve.ecdh(at(theirs, 64), at(ours, 64), at(secret, 32), initiator !== 0, at(out, 32)),
      xOnly: (encoding: number, out: number) => curve.xOnly(at(encoding, 64), at(out, 32)),
      verify: (message: number, signature: number, publicKey: number) =>
        curve.verify(at(message, 32), at(signature, 64), at(publicKey, 32))
    }
  })
  const exports = instance.exports as unknown as CoreBuild["call"] & {
    readonly memory: WebAssembly.Memory
    readonly arenaAt: () => number
  }
  const arenaAt = exports.arenaAt()
  return { name: "WebAssembly", call: exports, arena: () => at(arenaAt, harness.ARENA_SIZE) }
}
