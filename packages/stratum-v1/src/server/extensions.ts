/** What a miner has negotiated with mining.configure (BIP310), or in older ways. */
import {
  type ConfigureResult,
  MINIMUM_DIFFICULTY,
  SUBSCRIBE_EXTRANONCE,
  VERSION_ROLLING
} from "../message/configuration.ts"
import type { Configure } from "../message/to-server.ts"
import { BIP323_MASK } from "../values/version-bits.ts"
import type { Configured } from "./event.ts"

export class Extensions {
  /** Whether the miner understands another extranonce1 without a new connection. */
  understandsExtranonce = false
  #allowedMask: number
  /** The mask that the miner asked for, undefined where it did not ask. */
  #askedMask: number | undefined
  #toldMask: number | undefined

  constructor(allowedMask: number) {
    this.#allowedMask = allowedMask & BIP323_MASK
  }

  /** The version bits that a miner's shares may roll, whether it asked for them or not. */
  get versionMask(): number {
    return (this.#askedMask ?? 0xffffffff) & this.#allowedMask
  }

  get allowsVersionRolling(): boolean {
    return this.#allowedMask !== 0
  }

  allow(mask: number): void {
    this.#allowedMask = mask & BIP323_MASK
  }

  /** The mask that a miner which asked for one has to be told now, once; undefined where it knows it. */
  takeNewMask(): number | undefined {
    const { versionMask } = this
    if (this.#askedMask === undefined || versionMask === this.#toldMask) return undefined
    this.#toldMask = versionMask
    return versionMask
  }

  configure({ extensions, options }: Configure): { readonly event: Configured; readonly result: ConfigureResult } {
    const asks = (extension: string): true | undefined => (extensions.includes(extension) ? true : undefined)
    if (asks(SUBSCRIBE_EXTRANONCE)) this.understandsExtranonce = true
    if (asks(VERSION_ROLLING)) this.#askedMask = options?.versionRollingMask ?? 0xffffffff
    const versionMask = this.#askedMask === undefined ? 0 : this.versionMask
    if (asks(VERSION_ROLLING)) this.#toldMask = versionMask
    const minimumDifficulty = asks(MINIMUM_DIFFICULTY) && options?.minimumDifficulty
    const versionRolling = asks(VERSION_ROLLING) && versionMask !== 0
    return {
      event: {
        _tag: "Configured",
        versionMask,
        // 0 is no minimum.
        minimumDifficulty: minimumDifficulty === 0 ? undefined : minimumDifficulty,
        hardwareVersion: options?.hardwareVersion,
        softwareVersion: options?.softwareVersion,
        hardwareId: options?.hardwareId
      },
      result: {
        versionRolling,
        versionRollingMask: versionRolling ? versionMask : undefined,
        minimumDifficulty: asks(MINIMUM_DIFFICULTY) && minimumDifficulty !== undefined,
        subscribeExtranonce: asks(SUBSCRIBE_EXTRANONCE)
      }
    }
  }
}
