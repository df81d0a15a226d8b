/**
 * Writes lines to a file descriptor. Its reader may be slow or gone, its disk full: writing never throws. Lines wait for a slow
 * reader up to a limit. Lines above the limit, and lines that cannot be written at all, are dropped and counted.
 */

export interface LineWriterOptions {
  /**
   * Writes some of the bytes, and returns how many. Throws an error with a `code`, which is EAGAIN if the reader has to read
   * first.
   */
  readonly write: (bytes: Uint8Array) => number
  /** Bytes that may wait for a slow reader before further lines are dropped. */
  readonly maxWaiting: number
}

export class LineWriter {
  /** The most bytes that wait. A single write may have more, if nothing waited when it came. */
  maxWaiting: number
  /** The error of the last write; `undefined` if it succeeded. */
  failure: NodeJS.ErrnoException | undefined
  /** Lines dropped so far. */
  dropped = 0
  /** Called with each error of a write, but not for a slow reader. */
  onFailed: ((failure: NodeJS.ErrnoException) => void) | undefined
  /** Called once nothing waits any more after lines were dropped. */
  onResumed: (() => void) | undefined
  readonly #write: LineWriterOptions["write"]
  readonly #waiting: Array<Waiting> = []
  #waitingBytes = 0
  #isDropping = false
  /** Whether a line was written in part when a write failed: the next one then begins with a line feed. */
  #isTorn = false
  #retry: NodeJS.Timeout | undefined
  #watchers: Array<Watcher> = []

  constructor({ maxWaiting, write }: LineWriterOptions) {
    this.#write = write
    this.maxWaiting = maxWaiting
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Writes the text, of one line or several, and a line feed. */
  print(text: string): void {
    this.#add(`${text}\n`, text.split("\n").length)
  }

  /** Writes text that is not a line, such as codes that move the cursor of a terminal. */
  write(text: string): void {
    this.#add(text, 0)
  }

  /** Resolves when at most `bytes` wait, or after `withinMs`. */
  settled(bytes: number, withinMs = Infinity): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waitingBytes <= bytes) return resolve()
      const watcher = { bytes, resolve }
      this.#watchers.push(watcher)
      if (withinMs === Infinity) return
      setTimeout(() => {
        this.#watchers = this.#watchers.filter((other) => other !== watcher)
        resolve()
      }, withinMs).unref()
    })
  }

  #add(text: string, lines: number): void {
    const bytes = Buffer.from(text)
    // Once a line is dropped, all are dropped until the reader has caught up, so that there is one gap between whole lines.
    if (this.#waitingBytes > 0 && (this.#isDropping || this.#waitingBytes + bytes.length > this.maxWaiting)) {
      return this.#drop(lines)
    }
    this.#waiting.push({ bytes, lines })
    this.#waitingBytes += bytes.length
    if (this.#retry === undefined) this.#flush()
  }

  #flush(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      try {
        if (this.#isTorn) this.#isTorn = this.#write(LINE_FEED) === 0
        const written = this.#write(next.bytes)
        this.failure = undefined
        this.#waitingBytes -= written
        if (written === next.bytes.length) this.#waiting.shift()
        else this.#waiting[0] = { bytes: next.bytes.subarray(written), lines: next.lines, isBegun: true }
      } catch (error) {
        const failure = error as NodeJS.ErrnoException
        if (failure.code !== "EAGAIN") return this.#fail(failure)
        this.#retry = setTimeout(() => {
          this.#retry = undefined
          this.#flush()
        }, RETRY_MS)
        return this.#tellWatchers()
      }
    }
    this.#tellWatchers()
    if (!this.#isDropping) return
    this.#isDropping = false
    this.onResumed?.()
  }

  #fail(failure: NodeJS.ErrnoException): void {
    this.failure = failure
    if (this.#waiting[0]?.isBegun === true) this.#isTorn = true
    for (const { lines } of this.#waiting.splice(0)) this.#drop(lines)
    this.#waitingBytes = 0
    this.#tellWatchers()
    this.onFailed?.(failure)
  }

  #drop(lines: number): void {
    this.dropped += lines
    this.#isDropping = true
  }

  #tellWatchers(): void {
    const isSettled = ({ bytes }: Watcher): boolean => this.#waitingBytes <= bytes
    const settled = this.#watchers.filter(isSettled)
    this.#watchers = this.#watchers.filter((watcher) => !isSettled(watcher))
    for (const { resolve } of settled) resolve()
  }
}

interface Waiting {
  readonly bytes: Uint8Array
  readonly lines: number
  readonly isBegun?: boolean
}

interface Watcher {
  readonly bytes: number
  readonly resolve: () => void
}

const LINE_FEED = Uint8Array.of(0x0a)
/** The time between two tries to write to a full pipe. A pipe holds 64 KiB, so some megabytes a second can pass. */
const RETRY_MS = 20
