/** The code of a thread of handshake-workers.ts: computes the curve operations of responders' handshakes. */
import type { Curve } from "@sluice/core"
import { parentPort, workerData } from "node:worker_threads"

/** The curve: a module whose `makeCurve` makes it, and the argument of `makeCurve`. */
export interface ThreadData {
  readonly url: string
  readonly bytes: Uint8Array | undefined
}

/** The inputs of one handshake (specification, 4.5.2.1): the client's key and our secrets. */
export interface Question {
  readonly id: number
  readonly act1: Uint8Array
  readonly ephemeralSecret: Uint8Array
  readonly entropy: Uint8Array
  readonly staticSecret: Uint8Array
  readonly staticKey: Uint8Array
}

export interface Answer {
  readonly id: number
  /** ElligatorSwift, 64 bytes; undefined if the curve refuses the secret. */
  readonly ephemeralKey: Uint8Array | undefined
  /** The ECDH secrets with the ephemeral key and then with the static key, 32 bytes each. Stops at the first that fails. */
  readonly secrets: ReadonlyArray<Uint8Array>
}

const answer = (curve: Curve, question: Question): Answer => {
  const { act1, entropy, ephemeralSecret, id, staticKey, staticSecret } = question
  const ephemeralKey = new Uint8Array(64)
  if (!curve.createEllSwift(ephemeralSecret, entropy, ephemeralKey, 0))
    return { id, ephemeralKey: undefined, secrets: [] }
  const secrets: Array<Uint8Array> = []
  for (const [ours, secret] of [
    [ephemeralKey, ephemeralSecret],
    [staticKey, staticSecret]
  ] as const) {
    const shared = new Uint8Array(32)
    if (!curve.ecdh(act1, 0, ours, 0, secret, false, shared, 0)) break
    secrets.push(shared)
  }
  ephemeralSecret.fill(0)
  staticSecret.fill(0)
  return { id, ephemeralKey, secrets }
}

const port = parentPort
if (port === null) throw new Error("handshake-thread.ts is the code of a worker thread; it cannot be run by itself")
const { bytes, url } = workerData as ThreadData
const { makeCurve } = (await import(url)) as { readonly makeCurve: (bytes: Uint8Array | undefined) => Curve }
const curve = makeCurve(bytes)
port.on("message", (question: Question) => {
  const found = answer(curve, question)
  port.postMessage(found, [])
  for (const secret of found.secrets) secret.fill(0)
})
