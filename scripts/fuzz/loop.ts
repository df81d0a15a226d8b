/**
 * The loop of `npm run fuzz`: takes an input of the corpus, changes it, runs the target, and keeps the input if it reached new
 * code. V8's precise coverage shows the reached code, and is read once for each batch of inputs.
 */
import { Session } from "node:inspector/promises"
import type { FuzzTarget } from "./target.ts"

/** A Xorshift generator: the same seed gives the same run. */
export class Random {
  private state: number
  constructor(seed: number) {
    this.state = seed | 0 || 1
  }
  /** A number from 0 to `below` - 1. */
  next(below: number): number {
    this.state ^= this.state << 13
    this.state ^= this.state >>> 17
    this.state ^= this.state << 5
    return (this.state >>> 0) % below
  }
}

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff]
const MAX_INPUT = 4096

/** Makes one to eight changes of kinds that find errors in codecs. */
export const mutate = (input: Uint8Array, other: Uint8Array, random: Random): Uint8Array => {
  let bytes = Array.from(input)
  for (let changes = 1 + random.next(8); changes > 0; changes--) {
    const at = random.next(bytes.length + 1)
    const size = 1 + random.next(8)
    switch (random.next(8)) {
      case 0:
        if (at < bytes.length) bytes[at] = random.next(256)
        break
      case 1:
        if (at < bytes.length) bytes[at]! ^= 1 << random.next(8)
        break
      case 2:
        if (at < bytes.length) bytes[at] = INTERESTING[random.next(INTERESTING.length)]!
        break
      case 3:
        bytes.splice(at, size)
        break
      case 4:
        bytes.splice(at, 0, ...Array.from({ length: size }, () => random.next(256)))
        break
      case 5:
        bytes.splice(at, 0, ...bytes.slice(at, at + size))
        break
      case 6: {
        const from = random.next(other.length + 1)
        bytes.splice(at, size, ...other.slice(from, from + size * 4))
        break
      }
      default:
        bytes = repaired(bytes)
    }
  }
  return Uint8Array.from(bytes.slice(0, MAX_INPUT))
}

/** Corrects the length of a frame, since otherwise few changed frames would be read at all. */
const repaired = (bytes: Array<number>): Array<number> => {
  if (bytes.length < 6) return bytes
  const length = bytes.length - 6
  return [...bytes.slice(0, 3), length & 0xff, (length >> 8) & 0xff, (length >> 16) & 0xff, ...bytes.slice(6)]
}

/** Reads V8's coverage: the blocks of code that ran since the last read. */
export class Coverage {
  private readonly session = new Session()
  private readonly seen = new Set<string>()

  async start(): Promise<void> {
    this.session.connect()
    await this.session.post("Profiler.enable")
    await this.session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true })
  }

  /** The blocks that ran since the last read, and never before. */
  async news(): Promise<ReadonlySet<string>> {
    const fresh = new Set<string>()
    for (const piece of await this.ran()) if (!this.seen.has(piece)) fresh.add(piece)
    for (const piece of fresh) this.seen.add(piece)
    return fresh
  }

  /** The blocks that ran since the last read. */
  async ran(): Promise<ReadonlySet<string>> {
    const pieces = new Set<string>()
    const { result } = await this.session.post("Profiler.takePreciseCoverage")
    for (const { functions, scriptId, url } of result) {
      if (!/\/packages\/|sluice-codec\//.test(url)) continue
      for (const { ranges } of functions) {
        for (const { count, endOffset, startOffset } of ranges) {
          if (count > 0) pieces.add(`${scriptId}:${startOffset}:${endOffset}`)
        }
      }
    }
    return pieces
  }

  stop(): void {
    this.session.disconnect()
  }
}

export interface Outcome {
  readonly executions: number
  readonly kept: ReadonlyArray<Uint8Array>
  /** The input that made the target fail, and the error. */
  readonly crash: { readonly input: Uint8Array; readonly error: unknown } | undefined
}

/** Runs the target until the time is over or it fails. */
export const fuzz = async (
  target: FuzzTarget,
  corpus: ReadonlyArray<Uint8Array>,
  options: { readonly milliseconds: number; readonly random: Random; readonly coverage: Coverage }
): Promise<Outcome> => {
  const { coverage, milliseconds, random } = options
  const inputs = [...corpus]
  const kept: Array<Uint8Array> = []
  let executions = 0
  /** Finds one input of the batch that reaches some of these blocks, by halving the batch again and again. */
  const whichReaches = async (pieces: ReadonlySet<string>, batch: ReadonlyArray<Uint8Array>): Promise<Uint8Array> => {
    let some = batch
    while (some.length > 1) {
      const half = some.slice(0, some.length >> 1)
      for (const input of half) target.run(input)
      const ran = await coverage.ran()
      some = [...pieces].some((piece) => ran.has(piece)) ? half : some.slice(half.length)
    }
    return some[0]!
  }
  const attempt = (input: Uint8Array): Outcome["crash"] => {
    executions++
    try {
      target.run(input)
      return undefined
    } catch (error) {
      return { input, error }
    }
  }
  for (const input of corpus) {
    const crash = attempt(input)
    if (crash !== undefined) return { executions, kept, crash }
  }
  await coverage.news()
  const end = performance.now() + milliseconds
  let size = 16
  while (performance.now() < end) {
    const began = performance.now()
    const batch = Array.from({ length: size }, () =>
      mutate(inputs[random.next(inputs.length)]!, inputs[random.next(inputs.length)]!, random)
    )
    for (const input of batch) {
      const crash = attempt(input)
      if (crash !== undefined) return { executions, kept, crash }
    }
    // A batch takes some tens of milliseconds, much longer than reading the coverage.
    if (performance.now() - began < 50) size = Math.min(4096, size * 2)
    const fresh = await coverage.news()
    if (fresh.size === 0) continue
    const found = await whichReaches(fresh, batch)
    inputs.push(found)
    kept.push(found)
  }
  return { executions, kept, crash: undefined }
}
