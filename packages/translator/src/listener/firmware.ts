/** Limits of miners' firmware, known by the name that it subscribes with. From public reports; other versions may differ. */

export interface Firmware {
  readonly name: string
  /** The largest coinbase in bytes. */
  readonly maxCoinbase: number | undefined
  /** From how many bytes on a worker's name is cut off or breaks. */
  readonly maxWorker: number | undefined
  /** The longest merkle path. */
  readonly maxBranches: number | undefined
}

const known: ReadonlyArray<readonly [RegExp, Firmware]> = [
  [
    /bosminer|braiins|bos[+]/i,
    { name: "Braiins OS", maxCoinbase: 2_250, maxWorker: undefined, maxBranches: undefined }
  ],
  [/s21/i, { name: "Antminer S21", maxCoinbase: 2_250, maxWorker: undefined, maxBranches: undefined }],
  [/antminer|bmminer/i, { name: "stock Antminer", maxCoinbase: 750, maxWorker: undefined, maxBranches: undefined }],
  [/whatsminer|btminer/i, { name: "Whatsminer", maxCoinbase: 6_500, maxWorker: 127, maxBranches: undefined }],
  [/avalon|canaan/i, { name: "Avalon", maxCoinbase: 6_208, maxWorker: 63, maxBranches: 30 }],
  [
    /bitaxe|esp-miner|nerd/i,
    { name: "ESP-Miner (Bitaxe)", maxCoinbase: 6_500, maxWorker: undefined, maxBranches: undefined }
  ]
]

export const firmwareOf = (userAgent: string): Firmware | undefined =>
  known.find(([pattern]) => pattern.test(userAgent))?.[1]

/** The names of firmware that takes only smaller coinbases. */
export const firmwareBelow = (coinbaseBytes: number): ReadonlyArray<string> =>
  known.flatMap(([, { maxCoinbase, name }]) => (maxCoinbase !== undefined && maxCoinbase < coinbaseBytes ? [name] : []))
