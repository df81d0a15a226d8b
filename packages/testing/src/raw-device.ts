/**
 * The device as WebAssembly and as JavaScript behind one interface, so that both can be given the same bytes: an event is
 * the list of all its numbers and its text.
 */
import { type Curve, MiningDevice } from "@sluice/core"

export interface RawDevice {
  readonly connect: (random: Uint8Array, unixSeconds: number, nowMs: number) => boolean
  readonly feed: (bytes: Uint8Array, nowMs: number) => ReadonlyArray<ReadonlyArray<number | string>>
  readonly submit: (jobId: number, nonce: number, ntime: number, version: number, extranonce: Uint8Array) => number
  /** The bytes to send, the current work, and the numbers of the state. */
  readonly look: () => ReadonlyArray<number | string>
  readonly openChannel: () => boolean
  readonly closeChannel: () => boolean
}

export interface RawSettings {
  readonly plain: boolean
  readonly authorityKey: Uint8Array
  readonly flags: number
  readonly extended: boolean
  readonly minExtranonceSize: number
}

type Exports = Readonly<Record<string, (...args: ReadonlyArray<number>) => number>> & {
  readonly memory: { readonly buffer: ArrayBuffer }
}

/** A module of any profile, and its exports for a look. */
export const wasmDevice = (
  module: WebAssembly.Module,
  settings: RawSettings,
  maxPayload: number
): RawDevice & { readonly exports: Exports } => {
  const exports = new WebAssembly.Instance(module, {}).exports as unknown as Exports
  const call = (name: string, ...args: ReadonlyArray<number>) => Number(exports[name]!(...args) ?? 0)
  if (call("create", maxPayload) !== 1) throw new Error("no device")
  const memory = new Uint8Array(exports.memory.buffer)
  const put = (bytes: Uint8Array): number => {
    memory.set(bytes, call("exchangeAt"))
    return call("exchangeAt")
  }
  const read = (at: number, length: number) => hex(memory.subarray(at, at + length))
  call("setPlain", settings.plain ? 1 : 0)
  call("setAuthorityKey", put(settings.authorityKey))
  call("setFlags", settings.flags)
  if (exports["setExtended"] !== undefined) call("setExtended", settings.extended ? 1 : 0, settings.minExtranonceSize)
  return {
    exports,
    connect: (random, unixSeconds, nowMs) => call("connect", put(random), unixSeconds, nowMs) === 1,
    feed: (bytes, nowMs) => {
      const events = []
      call("tick", nowMs)
      let at = 0
      do {
        const length = Math.min(call("receiveRoom"), bytes.length - at)
        memory.set(bytes.subarray(at, at + length), call("receiveAt"))
        call("received", length)
        at += length
        for (let kind = call("nextEvent"); kind !== MiningDevice.EVENT_NONE; kind = call("nextEvent")) {
          const sum = BigInt.asUintN(64, exports["eventDifficultySum"]!() as unknown as bigint)
          events.push([
            kind,
            ...EVENT_NUMBERS.map((name) => call(`event${name[0]!.toUpperCase()}${name.slice(1)}`) | 0),
            sum.toString(),
            read(call("eventTextAt"), call("eventTextLength"))
          ])
        }
      } while (at < bytes.length && call("state") !== 0)
      return events
    },
    submit: (jobId, nonce, ntime, version, extranonce) =>
      exports["submitExtended"] === undefined
        ? call("submit", jobId, nonce, ntime, version)
        : call("submitExtended", jobId, nonce, ntime, version, put(extranonce)),
    look: () => {
      const sent = read(call("sendAt"), call("sendLength"))
      call("sent", call("sendLength"))
      return [
        sent,
        call("hasWork"),
        read(call("workHeaderAt"), 80),
        read(call("workTargetAt"), 32),
        read(call("targetAt"), 32),
        ...["workJobId", "workVersionMask", "workMinNtime", "workMaxNtime", "state", "channelId", "pendingShares"].map(
          (name) => call(name) | 0
        )
      ]
    },
    openChannel: () => call("openChannel") === 1,
    closeChannel: () => call("closeChannel") === 1
  }
}

/** The same of the classes in packages/core. */
export const javascriptDevice = (
  curve: Curve,
  settings: RawSettings,
  maxPayload: number,
  headerOnly: boolean
): RawDevice => {
  const device = headerOnly
    ? new MiningDevice.StandardDevice(curve, maxPayload)
    : new MiningDevice.ExtendedDevice(curve, maxPayload)
  const { event, link, work } = device
  link.isPlain = settings.plain
  link.authorityKey.set(settings.authorityKey)
  device.settings.flags = settings.flags
  if (device instanceof MiningDevice.ExtendedDevice) {
    device.isExtended = settings.extended
    device.minExtranonceSize = settings.minExtranonceSize
  }
  return {
    connect: (random, unixSeconds, nowMs) =>
      device.connect(random.slice(0, 32), random.slice(32), unixSeconds | 0, nowMs | 0),
    feed: (bytes, nowMs) => {
      const events = []
      device.tick(nowMs | 0)
      let at = 0
      do {
        const length = Math.min(link.receiveRoom(), bytes.length - at)
        link.input.set(bytes.subarray(at, at + length), link.receiveAt())
        link.received(length)
        at += length
        for (let kind = device.next(); kind !== MiningDevice.EVENT_NONE; kind = device.next()) {
          const sum = (BigInt(event.sumHigh >>> 0) << 32n) | BigInt(event.sumLow >>> 0)
          events.push([
            kind,
            ...EVENT_NUMBERS.map((name) => event[name]),
            sum.toString(),
            hex(link.input.subarray(event.textAt, event.textAt + event.textLength))
          ])
        }
      } while (at < bytes.length && device.state !== 0)
      return events
    },
    submit: (jobId, nonce, ntime, version, extranonce) =>
      device instanceof MiningDevice.ExtendedDevice
        ? device.submitExtended(jobId | 0, nonce | 0, ntime | 0, version | 0, extranonce, 0)
        : device.submit(jobId | 0, nonce | 0, ntime | 0, version | 0),
    look: () => {
      const sent = hex(link.output.subarray(link.sendAt, link.sendAt + link.sendLength()))
      link.sent(link.sendLength())
      return [
        sent,
        work.isThere ? 1 : 0,
        hex(work.header),
        hex(work.target),
        hex(device.target),
        work.jobId,
        work.versionMask,
        work.minNtime,
        device.maxNtime(),
        device.state,
        device.channelId,
        device.pending.count
      ]
    },
    openChannel: () => device.openChannel(),
    closeChannel: () => device.closeChannel()
  }
}

const EVENT_NUMBERS = [
  "rule",
  "messageType",
  "channelId",
  "groupChannelId",
  "jobId",
  "sequenceNumber",
  "count",
  "answered",
  "flags",
  "value"
] as const

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
