/**
 * Lines for a file descriptor whose reader may be slow or gone, on a disk that may be full. Writing never throws: lines wait
 * for a slow reader up to a limit, and those above it, and those that cannot be written at all, are dropped and counted.
 */

export interface LineWriterOptions {
  /**
   * Writes some of the bytes, and returns how many. It throws an error with a `code`, which is EAGAIN where the reader has to
   * read first.
   */
  readonly write: (bytes: Uint8Array) => number
  /** How many bytes may wait for a slow reader before further lines are dropped. */
  readonly maxWaiting: number
}

export class LineWriter {
  /** Above it lines are dropped. What waits is less, or one write that was begun with nothing waiting. */
  maxWaiting: number
  /** Why nothing could be written the last time; `undefined` after a write that succeeded. */
  failure: NodeJS.ErrnoException | undefined
  /** Lines that were dropped in all. */
  dropped = 0
  /** Called with each failure to write that is not a slow reader. */
  onFailed: ((failure: NodeJS.ErrnoException) => void) | undefined
  /** Called when everything that waited is written again after lines were dropped. */
  onResumed: (() => void) | undefined
  readonly #write: LineWriterOptions["write"]
  readonly #waiting: Array<Waiting> = []
  #waitingBytes = 0
  #isDropping = false
  /** Whether a line that failed was half written: the next one begins on a line of its own. */
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

  /** Writes text that is not lines, such as what moves a terminal's cursor. */
  write(text: string): void {
    this.#add(text, 0)
  }

  /** Resolves when no more than so many bytes wait, or after so long. */
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
    // Once lines are dropped all are until the reader has caught up: a gap is one, and what is around it is whole.
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
/** How often a slow reader's pipe is tried: it holds 64 KiB, so that some megabytes a second pass. */
const RETRY_MS = 20
