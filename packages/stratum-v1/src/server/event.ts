/** What a miner's connection tells the layer above. */
import type { LineError, ParamsError, FloodError, SilenceError } from "../error.ts"
import type { Request } from "./request.ts"
import type { Share } from "./share.ts"

/** The miner wants work; `answerSubscribe` or `refuse` answers. Another subscribe of the miner gets the same answer. */
export interface Subscribe {
  readonly _tag: "Subscribe"
  readonly request: Request
  readonly userAgent: string | undefined
  /** The id of an earlier subscription, if the miner says it had one; it may be anything. */
  readonly session: string | undefined
}

/** The miner names a worker; `accept` or `refuse` answers. May come before `Subscribe`. */
export interface Authorize {
  readonly _tag: "Authorize"
  readonly request: Request
  readonly worker: string
  /** It may say a difficulty: see `passwordDifficulty`. */
  readonly password: string
}

/** A share of a known job and an authorized worker; `accept` or `refuse` answers. */
export interface Submit<Work> extends Share<Work> {
  readonly _tag: "Submit"
  readonly request: Request
}

/** The miner asked for a difficulty, as a number or as a target (32 bytes, little-endian); it was answered. */
export interface Suggested {
  readonly _tag: "Suggested"
  readonly difficulty: number | undefined
  readonly target: Uint8Array | undefined
}

/** What the miner asked of its extensions; it was answered. */
export interface Configured {
  readonly _tag: "Configured"
  /** The version bits that it may roll, 0 where it did not ask. */
  readonly versionMask: number
  readonly minimumDifficulty: number | undefined
  readonly hardwareVersion: string | undefined
  readonly softwareVersion: string | undefined
  readonly hardwareId: string | undefined
}

/** The answer to `askVersion`. */
export interface DeviceVersion {
  readonly _tag: "DeviceVersion"
  readonly version: string
}

/** A request that was answered with an error before the layer above saw it. */
export interface Refused {
  readonly _tag: "Refused"
  readonly method: string
  readonly code: number
  readonly reason: ParamsError | string
}

/** The last event: the lines are to be sent and the connection closed. */
export interface Closing {
  readonly _tag: "Closing"
  readonly reason: LineError | FloodError | SilenceError
}

export type ServerEvent<Work> =
  | Subscribe
  | Authorize
  | Submit<Work>
  | Suggested
  | Configured
  | DeviceVersion
  | Refused
  | Closing
