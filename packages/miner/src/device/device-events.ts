/** Translates the device module's events into those of `ChannelClient` in @sluice/channels, which the miner's machine takes. */
import type { ClientEvent, PendingShare, StandardWork } from "@sluice/channels"
import { MiningDevice } from "@sluice/core"
import type { DeviceModuleEvent, DeviceModuleWork } from "@sluice/embedded"
import { Mining } from "@sluice/protocol"

export class DeviceEvents {
  /** The pending shares in the order of submission, with details that the module does not keep. */
  readonly #pending = new Map<number, PendingShare>()
  /** When the current previous hash came, by the miner's clock. The module's clock has no fractions and restarts. */
  #prevHashReceivedAt = 0

  submitted(sequenceNumber: number, jobId: number, now: number): void {
    this.#pending.set(sequenceNumber, { sequenceNumber, jobId, submittedAt: now })
    if (this.#pending.size > MiningDevice.PENDING_SHARES) this.#takeOldest()
  }

  translate(events: ReadonlyArray<DeviceModuleEvent>, now: number): ReadonlyArray<ClientEvent> {
    return events.flatMap((event) => this.#translate(event, now))
  }

  #translate(event: DeviceModuleEvent, now: number): ReadonlyArray<ClientEvent> {
    switch (event._tag) {
      case "ChannelOpen": {
        const { channelId, extranoncePrefix, extranonceSize, groupChannelId, target } = event
        const opened = { channelId, extranoncePrefix, extranonceSize, groupChannelId, target }
        return [{ _tag: "ChannelOpened", requestId: REQUEST_ID, kind: "standard", ...opened }]
      }
      case "OpenRefused":
        return [{ _tag: "OpenRefused", requestId: REQUEST_ID, errorCode: event.errorCode }]
      case "JobQueued":
        return [{ _tag: "JobReceived", channelId: event.channelId, jobId: event.jobId, future: true }]
      case "NewWork": {
        const { channelId, newPrevHash } = event
        const { jobId } = event.work
        if (newPrevHash) this.#prevHashReceivedAt = now
        const work = workOf(channelId, event.work, this.#prevHashReceivedAt)
        const changed: ClientEvent = { _tag: "WorkChanged", channelId, work, newPrevHash }
        return newPrevHash ? [changed] : [{ _tag: "JobReceived", channelId, jobId, future: false }, changed]
      }
      case "NewTarget":
        return [{ _tag: "TargetChanged", channelId: event.channelId, target: event.target }]
      case "SharesAccepted": {
        const { answered, channelId, count: acceptedCount, difficultySum } = event
        const shares = Array.from({ length: answered }, () => this.#takeOldest())
        return [{ _tag: "SharesAccepted", channelId, shares, acceptedCount, difficultySum }]
      }
      case "ShareRefused": {
        const { channelId, errorCode, jobId, sequenceNumber } = event
        const share = this.#pending.get(sequenceNumber) ?? { sequenceNumber, jobId, submittedAt: now }
        this.#pending.delete(sequenceNumber)
        return [{ _tag: "ShareRefused", channelId, share, errorCode }]
      }
      case "ExtranoncePrefix":
        return [{ ...event, _tag: "ExtranoncePrefixChanged" }]
      case "ChannelClosed":
      case "GroupChanged":
      case "UpdateRefused":
      case "Reconnect":
        return [event]
      case "Ignored":
        return [{ _tag: "Ignored", messageTag: messageName(event.messageType), reason: event.reason }]
      // The session handles the events that begin and end a connection.
      default:
        return []
    }
  }

  #takeOldest(): PendingShare {
    for (const share of this.#pending.values()) {
      this.#pending.delete(share.sequenceNumber)
      return share
    }
    throw new Error("the device counts more shares than were submitted")
  }
}

/** The name of a message by its number. */
export const messageName = (messageType: number): string =>
  Mining.protocol.toClient.find(0, messageType)?.name ?? `message 0x${messageType.toString(16)}`

/** The request id of the device's only request for a channel. */
const REQUEST_ID = 1

const workOf = (channelId: number, work: DeviceModuleWork, prevHashReceivedAt: number): StandardWork => {
  const { header, jobId, minNtime, prevHashNtime, target, version, versionMask } = work
  return {
    _tag: "StandardWork",
    channelId,
    jobId,
    version,
    versionRollingAllowed: versionMask !== 0,
    prevHash: header.slice(4, 36),
    nbits: new DataView(header.buffer, header.byteOffset).getUint32(72, true),
    minNtime,
    prevHashNtime,
    prevHashReceivedAt,
    target,
    merkleRoot: header.slice(36, 68)
  }
}
