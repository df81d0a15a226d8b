/**
 * Codecs of three messages, written by hand with a DataView: the baseline of the compiled codecs. They check
 * the same bounds and limits, and give the same objects. The three messages are those of the hot paths: a pool reads a
 * SubmitSharesExtended for each share, answers with a SubmitShares.Success, and sends a NewExtendedMiningJob, the longest of
 * the messages to every channel. Together they have every kind of field that matters on these paths.
 */
import type { Mining } from "@sluice/protocol"

const viewOf = (payload: Uint8Array): DataView => new DataView(payload.buffer, payload.byteOffset, payload.byteLength)

const need = (view: DataView, at: number, size: number): void => {
  if (view.byteLength - at < size) throw new RangeError(`${size} bytes are missing at ${at}`)
}

const limit = (size: number, max: number): void => {
  if (size > max) throw new RangeError(`${size} is more than ${max}`)
}

const u32 = (value: number): number => {
  if (value >>> 0 !== value) throw new RangeError(`${value} is not a U32`)
  return value
}

const u64 = (value: bigint): bigint => {
  if (BigInt.asUintN(64, value) !== value) throw new RangeError(`${value} is not a U64`)
  return value
}

/** Messages are written here and then copied, which takes one allocation and no DataView for each message. */
const out = new Uint8Array(1 << 18)
const outView = viewOf(out)

const writeHeader = (extensionType: number, type: number, size: number): void => {
  outView.setUint16(0, extensionType, true)
  outView.setUint8(2, type)
  outView.setUint16(3, size, true)
  outView.setUint8(5, size >> 16)
}

const readPath = (payload: Uint8Array, view: DataView, at: number): Array<Uint8Array> => {
  const count = view.getUint8(at)
  need(view, at + 1, count * 32)
  const path: Array<Uint8Array> = []
  for (let i = 0; i < count; i++) path.push(payload.subarray(at + 1 + i * 32, at + 33 + i * 32))
  return path
}

const writePath = (at: number, path: ReadonlyArray<Uint8Array>): void => {
  out[at] = path.length
  for (let i = 0; i < path.length; i++) {
    if (path[i]!.length !== 32) throw new RangeError("a merkle node has 32 bytes")
    out.set(path[i]!, at + 1 + i * 32)
  }
}

export const decodeSubmitSharesExtended = (payload: Uint8Array): Mining.SubmitSharesExtended => {
  const view = viewOf(payload)
  need(view, 0, 25)
  const size = view.getUint8(24)
  limit(size, 32)
  need(view, 25, size)
  return {
    _tag: "SubmitSharesExtended",
    channelId: view.getUint32(0, true),
    sequenceNumber: view.getUint32(4, true),
    jobId: view.getUint32(8, true),
    nonce: view.getUint32(12, true),
    ntime: view.getUint32(16, true),
    version: view.getUint32(20, true),
    extranonce: payload.subarray(25, 25 + size)
  }
}

export const encodeSubmitSharesExtended = (message: Mining.SubmitSharesExtended): Uint8Array => {
  const { extranonce } = message
  limit(extranonce.length, 32)
  const size = 25 + extranonce.length
  writeHeader(0x8000, 0x1b, size)
  outView.setUint32(6, u32(message.channelId), true)
  outView.setUint32(10, u32(message.sequenceNumber), true)
  outView.setUint32(14, u32(message.jobId), true)
  outView.setUint32(18, u32(message.nonce), true)
  outView.setUint32(22, u32(message.ntime), true)
  outView.setUint32(26, u32(message.version), true)
  outView.setUint8(30, extranonce.length)
  out.set(extranonce, 31)
  return out.slice(0, 6 + size)
}

export const decodeNewExtendedMiningJob = (payload: Uint8Array): Mining.NewExtendedMiningJob => {
  const view = viewOf(payload)
  need(view, 0, 9)
  const isActive = view.getUint8(8)
  limit(isActive, 1)
  need(view, 9, 4 * isActive + 6)
  const minNtime = isActive === 1 ? view.getUint32(9, true) : undefined
  let at = 9 + 4 * isActive
  const version = view.getUint32(at, true)
  const versionRollingAllowed = (view.getUint8(at + 4) & 1) === 1
  const merklePath = readPath(payload, view, at + 5)
  at += 6 + 32 * merklePath.length
  need(view, at, 2)
  const prefixSize = view.getUint16(at, true)
  need(view, at + 2, prefixSize + 2)
  const coinbaseTxPrefix = payload.subarray(at + 2, at + 2 + prefixSize)
  at += 2 + prefixSize
  const suffixSize = view.getUint16(at, true)
  need(view, at + 2, suffixSize)
  return {
    _tag: "NewExtendedMiningJob",
    channelId: view.getUint32(0, true),
    jobId: view.getUint32(4, true),
    minNtime,
    version,
    versionRollingAllowed,
    merklePath,
    coinbaseTxPrefix,
    coinbaseTxSuffix: payload.subarray(at + 2, at + 2 + suffixSize)
  }
}

export const encodeNewExtendedMiningJob = (message: Mining.NewExtendedMiningJob): Uint8Array => {
  const { coinbaseTxPrefix, coinbaseTxSuffix, merklePath, minNtime } = message
  limit(merklePath.length, 255)
  limit(coinbaseTxPrefix.length, 0xffff)
  limit(coinbaseTxSuffix.length, 0xffff)
  const optional = minNtime === undefined ? 0 : 4
  const fixed = 4 + 4 + 1 + 4 + 1 + 1 + 2 + 2
  const size = fixed + optional + 32 * merklePath.length + coinbaseTxPrefix.length + coinbaseTxSuffix.length
  writeHeader(0x8000, 0x1f, size)
  outView.setUint32(6, u32(message.channelId), true)
  outView.setUint32(10, u32(message.jobId), true)
  outView.setUint8(14, optional >> 2)
  if (minNtime !== undefined) outView.setUint32(15, u32(minNtime), true)
  let at = 15 + optional
  outView.setUint32(at, u32(message.version), true)
  outView.setUint8(at + 4, message.versionRollingAllowed ? 1 : 0)
  writePath(at + 5, merklePath)
  at += 6 + 32 * merklePath.length
  outView.setUint16(at, coinbaseTxPrefix.length, true)
  out.set(coinbaseTxPrefix, at + 2)
  at += 2 + coinbaseTxPrefix.length
  outView.setUint16(at, coinbaseTxSuffix.length, true)
  out.set(coinbaseTxSuffix, at + 2)
  return out.slice(0, 6 + size)
}

export const decodeSubmitSharesSuccess = (payload: Uint8Array): Mining.SubmitSharesSuccess => {
  const view = viewOf(payload)
  need(view, 0, 20)
  return {
    _tag: "SubmitShares.Success",
    channelId: view.getUint32(0, true),
    lastSequenceNumber: view.getUint32(4, true),
    newSubmitsAcceptedCount: view.getUint32(8, true),
    newSharesSum: view.getBigUint64(12, true)
  }
}

export const encodeSubmitSharesSuccess = (message: Mining.SubmitSharesSuccess): Uint8Array => {
  writeHeader(0x8000, 0x1c, 20)
  outView.setUint32(6, u32(message.channelId), true)
  outView.setUint32(10, u32(message.lastSequenceNumber), true)
  outView.setUint32(14, u32(message.newSubmitsAcceptedCount), true)
  outView.setBigUint64(18, u64(message.newSharesSum), true)
  return out.slice(0, 26)
}
