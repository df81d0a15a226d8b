/** Events of a device for its firmware. The numbers are part of the module's interface and never change their meaning. */

/** No event: the device needs more bytes. */
export const EVENT_NONE: i32 = 0
/** The server accepted SetupConnection (`flags`, `value` is the version). The device then requests its channel. */
export const EVENT_CONNECTED: i32 = 1
/** The server refused SetupConnection (`flags` that it does not support, `text` is its error code) and will close. */
export const EVENT_SETUP_FAILED: i32 = 2
/** The channel is open: `channelId`, `value` is the size of the extranonce to roll, `groupChannelId`. */
export const EVENT_CHANNEL_OPEN: i32 = 3
/** The server did not open the channel (`text`). `openChannel` requests it again. */
export const EVENT_OPEN_REFUSED: i32 = 4
/** A future job came (`jobId`); it is not mined yet. */
export const EVENT_JOB_QUEUED: i32 = 5
/** There is new work (`jobId`): mine it at once. `value` is 1 if all earlier jobs are stale. */
export const EVENT_NEW_WORK: i32 = 6
/** The target of later jobs changed. The current work keeps its own (5.3.21). */
export const EVENT_NEW_TARGET: i32 = 7
/** The server accepted `count` shares up to `sequenceNumber`; `sumLow` and `sumHigh` are its sum of difficulties. */
export const EVENT_SHARES_ACCEPTED: i32 = 8
/** The share `sequenceNumber` of `jobId` was refused (`text`). */
export const EVENT_SHARE_REFUSED: i32 = 9
/** Later jobs have another extranonce prefix. */
export const EVENT_EXTRANONCE_PREFIX: i32 = 10
/** The channel belongs to group `groupChannelId` from now on. */
export const EVENT_GROUP_CHANGED: i32 = 11
/** The server refused an UpdateChannel (`text`). */
export const EVENT_UPDATE_REFUSED: i32 = 12
/** The server closed the channel (`text`). There is no work until `openChannel` opens a new one. */
export const EVENT_CHANNEL_CLOSED: i32 = 13
/** Connect to host `text` and port `value`, with the same authority key. Empty or 0 mean the current ones. */
export const EVENT_RECONNECT: i32 = 14
/** A message that had no effect (`messageType`); `value` is 1 for an unknown channel, 2 for an unknown share. */
export const EVENT_IGNORED: i32 = 15
/** The message `messageType` broke `rule`; `value` has details. The connection is over: close the socket. */
export const EVENT_FAILED: i32 = 16

export const IGNORED_MESSAGE: i32 = 0
export const IGNORED_CHANNEL: i32 = 1
export const IGNORED_SHARE: i32 = 2

/** The last event. Its text is in the link's input and valid until more bytes are received. */
export class DeviceEvent {
  kind: i32 = EVENT_NONE
  rule: i32 = 0
  messageType: i32 = -1
  channelId: i32 = 0
  groupChannelId: i32 = 0
  jobId: i32 = 0
  sequenceNumber: i32 = 0
  count: i32 = 0
  /** Number of the accepted shares that were pending here. */
  answered: i32 = 0
  sumLow: i32 = 0
  sumHigh: i32 = 0
  flags: i32 = 0
  value: i32 = 0
  textAt: i32 = 0
  textLength: i32 = 0

  /** Begins an event; fields that it does not set are 0. */
  begin(kind: i32): i32 {
    this.kind = kind
    this.rule = 0
    this.messageType = -1
    this.channelId = 0
    this.groupChannelId = 0
    this.jobId = 0
    this.sequenceNumber = 0
    this.count = 0
    this.answered = 0
    this.sumLow = 0
    this.sumHigh = 0
    this.flags = 0
    this.value = 0
    this.textAt = 0
    this.textLength = 0
    return kind
  }
}
