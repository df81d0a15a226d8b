/**
 * Times reading plain and encrypted frames from a chunk of 64 KB, as a socket gives it, and encrypting frames for one write,
 * against the two AEAD calls that each encrypted frame needs, for its header and its payload.
 */
import { Aead, CipherState, FrameLayout } from "@sluice/core"
import { type Frame, Mining } from "@sluice/protocol"
import { FrameReader } from "../../packages/transport/src/frames/frame-reader.ts"
import { seal } from "../../packages/transport/src/noise/seal.ts"
import { type AsyncCase, type Case, keep, type Row } from "./case.ts"
import { measure } from "./measure.ts"

const CHUNK = 65_536
const key = Uint8Array.from({ length: 32 }, (_, i) => i * 7)
const noData = new Uint8Array(0)

const share = Mining.protocol.toServer.encode({
  _tag: "SubmitSharesExtended",
  channelId: 7,
  sequenceNumber: 4711,
  jobId: 23,
  nonce: 0xdeadbeef,
  ntime: 1_785_000_000,
  version: 0x2000_4ae0,
  extranonce: new Uint8Array(8)
})

const job = Mining.protocol.toClient.encode({
  _tag: "NewExtendedMiningJob",
  channelId: 7,
  jobId: 23,
  minNtime: 1_785_000_000,
  version: 0x2000_0000,
  versionRollingAllowed: true,
  merklePath: Array.from({ length: 12 }, (_, i) => new Uint8Array(32).fill(i)),
  coinbaseTxPrefix: new Uint8Array(80),
  coinbaseTxSuffix: new Uint8Array(140)
})

const times = async (benchmark: Omit<Case, "unit">) =>
  measure({ ...benchmark, unit: "ns/op" }, { rounds: 8, roundMs: 10 })

const keyed = (): CipherState => {
  const cipher = new CipherState()
  cipher.setKey(key, 0)
  return cipher
}

/** A chunk with as many frames as fit, and the size of each frame in it. */
const fill = (size: number, put: (chunk: Uint8Array, at: number) => void) => {
  const count = Math.floor(CHUNK / size)
  const chunk = new Uint8Array(count * size)
  for (let at = 0; at < chunk.length; at += size) put(chunk, at)
  return { chunk, count }
}

const casesOf = (kind: string, frame: Uint8Array): ReadonlyArray<AsyncCase> => {
  const payloadLength = frame.length - FrameLayout.FRAME_HEADER_SIZE
  const sealedLength = FrameLayout.ENCRYPTED_HEADER_SIZE + FrameLayout.encryptedPayloadLength(payloadLength)
  const sealer = keyed()
  const plain = fill(frame.length, (chunk, at) => chunk.set(frame, at))
  const sealed = fill(sealedLength, (chunk, at) => sealer.sealFrame(frame, 0, chunk, at))

  const found: Array<Frame> = []
  const read = (chunk: Uint8Array, count: number, cipher: CipherState | undefined): void => {
    found.length = 0
    const reader = new FrameReader(cipher, payloadLength)
    reader.push(chunk, found)
    if (found.length !== count) throw new Error(`${found.length} of ${count} frames were read`)
    keep(found)
  }

  const aead = new Aead.ChaCha20Poly1305()
  aead.setKey(key, 0)
  const work = new Uint8Array(sealed.chunk.length)
  // Decryption is in place, so each run begins with a copy, which costs both sides the same.
  const openAll = (): void => {
    work.set(sealed.chunk)
    let nonce = 0
    for (let at = 0; at < work.length; at += sealedLength) {
      const header = aead.open(nonce++, 0, noData, 0, 0, work, at, FrameLayout.FRAME_HEADER_SIZE)
      const payload = aead.open(nonce++, 0, noData, 0, 0, work, at + FrameLayout.ENCRYPTED_HEADER_SIZE, payloadLength)
      if (!header || !payload) throw new Error("a tag is wrong")
    }
  }
  const frames = Array.from({ length: sealed.count }, () => frame) as [Uint8Array, ...Array<Uint8Array>]
  const out = new Uint8Array(sealedLength)
  const sealAll = (): void => {
    for (let i = 0; i < sealed.count; i++) {
      aead.seal(2 * i, 0, noData, 0, 0, out, 0, FrameLayout.FRAME_HEADER_SIZE)
      aead.seal(2 * i + 1, 0, noData, 0, 0, out, FrameLayout.ENCRYPTED_HEADER_SIZE, payloadLength)
    }
  }

  /** Converts the times of a chunk to nanoseconds a frame and frames a second. */
  const rowsOf = (what: string, [row]: ReadonlyArray<Row>, count: number): ReadonlyArray<Row> => {
    const value = row!.value / count
    const baselineValue = row!.baselineValue / sealed.count
    const { baseline } = row!
    const name = `${what}, ${frame.length} bytes (${kind})`
    return [
      { name, unit: "ns/frame", value, baseline, baselineValue, ratio: value / baselineValue },
      {
        name,
        unit: "frames/s",
        value: 1e9 / value,
        baseline,
        baselineValue: 1e9 / baselineValue,
        ratio: baselineValue / value
      }
    ]
  }
  const baseline = "two AEAD calls"
  return [
    {
      name: `plain frames from a chunk of 64 KB, ${kind}`,
      rows: async () => {
        const run = () => read(plain.chunk, plain.count, undefined)
        const rows = await times({ name: kind, run, baselines: [{ name: baseline, run: openAll }] })
        return rowsOf("read a plain frame from a chunk of 64 KB", rows, plain.count)
      }
    },
    {
      name: `encrypted frames from a chunk of 64 KB, ${kind}`,
      rows: async () => {
        const chunk = new Uint8Array(sealed.chunk.length)
        const run = () => {
          chunk.set(sealed.chunk)
          read(chunk, sealed.count, keyed())
        }
        const rows = await times({ name: kind, run, baselines: [{ name: baseline, run: openAll }] })
        return rowsOf("read an encrypted frame from a chunk of 64 KB", rows, sealed.count)
      }
    },
    {
      name: `encrypted frames for one write, ${kind}`,
      rows: async () => {
        const run = () => keep(seal(keyed(), frames))
        const rows = await times({ name: kind, run, baselines: [{ name: baseline, run: sealAll }] })
        return rowsOf("encrypt a frame", rows, sealed.count)
      }
    }
  ]
}

export const asyncCases: ReadonlyArray<AsyncCase> = [...casesOf("a share", share), ...casesOf("a job", job)]
