/**
 * Random inputs for comparing builds. The seed is drawn anew in each run, printed when something fails, and taken from
 * SLUICE_SEED to repeat one.
 */
export const seed = Number(process.env["SLUICE_SEED"] ?? Math.floor(Math.random() * 2 ** 32))

export interface Random {
  /** 32 random bits, signed. */
  readonly word: () => number
  /** 0 to below `limit`. */
  readonly below: (limit: number) => number
  /** A number in which arithmetic goes wrong more often: few bits, all bits, around powers of two, or any. */
  readonly edge: () => number
  /** Random bytes; one time in four runs of zeros and ones, in which carries go wrong. */
  readonly bytes: (length: number) => Uint8Array
}

/** Bob Jenkins' sfc32. */
export const makeRandom = (start: number): Random => {
  let a = start | 0
  let b = 0x9e3779b9 | 0
  let c = 0x243f6a88 | 0
  let counter = 1
  const word = (): number => {
    const t = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return t
  }
  for (let i = 0; i < 15; i++) word()
  const below = (limit: number): number => (word() >>> 0) % limit
  const edge = (): number => {
    switch (below(5)) {
      case 0:
        return below(3) - 1
      case 1:
        return (1 << below(32)) | 0
      case 2:
        return ((1 << below(32)) - 1) | 0
      case 3:
        return -(1 << below(32)) | 0
      default:
        return word()
    }
  }
  const bytes = (length: number): Uint8Array => {
    const out = new Uint8Array(length)
    if (below(4) === 0) {
      for (let i = 0; i < length;) {
        const value = [0, 0xff, 0x80, 1, 0xfe, word()][below(6)]!
        const end = Math.min(length, i + 1 + below(24))
        out.fill(value, i, end)
        i = end
      }
    } else {
      for (let i = 0; i < length; i++) out[i] = word()
    }
    return out
  }
  return { word, below, edge, bytes }
}
