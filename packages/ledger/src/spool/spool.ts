/**
 * A local file that keeps shares while the ledger's database cannot be reached: they are on the disk before they are acknowledged, and are
 * handed over later, oldest first. A last record that was cut off is dropped: its shares were never acknowledged. The ledger notes in its
 * database how far it has the file, so what was handed over before a restart does not count twice.
 */
import { Effect, type Scope } from "effect"
import { type FileHandle, open } from "node:fs/promises"
import { dirname } from "node:path"
import { LedgerError } from "../ledger-error.ts"
import type { NewShare } from "../store/share.ts"
import { lockFile } from "./file-lock.ts"
import { encodeRecord, HEADER, type Read, readRecord, RECORD_HEADER, RECORD_START, recordPlaces } from "./record.ts"

export interface SpoolOptions {
  readonly file: string
  /** The most bytes that the file may have. Default 1 GiB, about four million shares. */
  readonly maxBytes?: number
  /** Whether an append waits for the disk. Default true. */
  readonly isDurable?: boolean
}

/** What the ledger notes when it has a record. */
export interface SpoolPlace {
  /** The hash of the first share that the file has, in hex. */
  readonly spool: string
  /** Where the record ends. */
  readonly end: number
}

const MAX_BYTES = 2 ** 30
/** Other users must not see who mines how much. */
const OWNER_ONLY = 0o600

export class Spool {
  readonly file: string
  readonly #handle: FileHandle
  readonly #maxBytes: number
  readonly #isDurable: boolean
  /** Where the next record will stand, and where the oldest one stands that was not handed over. */
  #end = HEADER.length
  #next = HEADER.length
  /** The length of the record that `oldest` gave. */
  #given = 0
  #waiting = 0
  #name = ""

  private constructor(handle: FileHandle, { file, isDurable = true, maxBytes = MAX_BYTES }: SpoolOptions) {
    this.#handle = handle
    this.file = file
    this.#maxBytes = maxBytes
    this.#isDurable = isDurable
  }

  /** Opens or creates the file, which no other process may have open, and drops a last record that was cut off. */
  static readonly open = (options: SpoolOptions): Effect.Effect<Spool, LedgerError, Scope.Scope> =>
    Effect.andThen(
      lockFile(options.file, inUse(options.file)),
      Effect.acquireRelease(
        attempt(options.file, "cannot be opened", () => openFile(options.file)),
        (handle) => Effect.promise(() => handle.close())
      )
    ).pipe(
      Effect.map((handle) => new Spool(handle, options)),
      Effect.tap((spool) => spool.#recover)
    )

  /** The shares that were not handed over. */
  get waiting(): number {
    return this.#waiting
  }

  /** The bytes of the file. */
  get bytes(): number {
    return this.#end
  }

  get isEmpty(): boolean {
    return this.#next === this.#end
  }

  /** Whether all is handed over and the file is as small as it was. */
  get isClear(): boolean {
    return this.#end === HEADER.length
  }

  /** Adds a record; it is on the disk when this completes. */
  append(shares: ReadonlyArray<NewShare>): Effect.Effect<void, LedgerError> {
    return Effect.suspend(() => {
      const record = encodeRecord(shares)
      if (this.#end + record.length > this.#maxBytes) {
        return Effect.fail(
          new LedgerError({
            message: `the spool ${this.file} has ${this.#end} bytes and may have ${this.#maxBytes}: it takes no more shares until the ledger has taken those in it`
          })
        )
      }
      return attempt(this.file, "cannot be written", async () => {
        // At this place, so that a record which was written in part before is overwritten.
        await writeAll(this.#handle, record, this.#end)
        if (this.#isDurable) await this.#handle.datasync()
        this.#end += record.length
        this.#waiting += shares.length
      })
    })
  }

  /** The oldest record that was not handed over; no shares if there is none. */
  get oldest(): Effect.Effect<ReadonlyArray<NewShare>, LedgerError> {
    return Effect.suspend(() => {
      if (this.isEmpty) return Effect.succeed([])
      return Effect.flatMap(this.#read(this.#next, this.#end), (read) => {
        if (read._tag !== "Record") return Effect.fail(this.#damaged(this.#next))
        this.#given = read.length
        if (this.#next === HEADER.length) this.#name = Buffer.from(read.shares[0]!.hash).toString("hex")
        return Effect.succeed(read.shares)
      })
    })
  }

  /** Of the record that `oldest` gave. */
  get place(): SpoolPlace {
    return { spool: this.#name, end: this.#next + this.#given }
  }

  /** Goes on behind the record that `oldest` gave, whose shares the ledger has. */
  handedOver(shares: number): void {
    this.#next += this.#given
    this.#given = 0
    this.#waiting -= shares
  }

  /** Makes the file as small as it was, once all is handed over. */
  get clear(): Effect.Effect<void, LedgerError> {
    return attempt(this.file, "cannot be written", async () => {
      await this.#handle.truncate(HEADER.length)
      await this.#handle.datasync()
      this.#end = this.#next = HEADER.length
    })
  }

  /** Counts the shares that are there, and finds the end of the last whole record. */
  get #recover(): Effect.Effect<void, LedgerError> {
    return Effect.gen({ self: this }, function* () {
      const { size } = yield* attempt(this.file, "cannot be read", () => this.#handle.stat())
      while (this.#end < size) {
        const read = yield* this.#read(this.#end, size)
        if (read._tag === "Record") {
          this.#end += read.length
          this.#waiting += read.shares.length
          continue
        }
        // Only the last record may be damaged: it was not acknowledged. Its length may be what is wrong, so the next one is searched.
        const isFollowed =
          (read._tag === "Damaged" && read.hasEnd && this.#end + read.length < size) ||
          (yield* this.#hasRecord(this.#end + 1, size))
        if (isFollowed) return yield* this.#damaged(this.#end)
        yield* Effect.logWarning(`The spool ${this.file} ends with a record that was not written whole: it is dropped`)
        break
      }
      yield* attempt(this.file, "cannot be written", () => this.#handle.truncate(this.#end))
    })
  }

  #read(from: number, size: number): Effect.Effect<Read, LedgerError> {
    return attempt(this.file, "cannot be read", async () => {
      const head = await this.#bytes(from, Math.min(size - from, RECORD_HEADER))
      const read = readRecord(head)
      if (read._tag !== "Short" || from + read.length > size) return read
      return readRecord(await this.#bytes(from, read.length))
    })
  }

  async #bytes(from: number, length: number): Promise<Uint8Array> {
    const { bytesRead, buffer } = await this.#handle.read(Buffer.alloc(length), 0, length, from)
    return buffer.subarray(0, bytesRead)
  }

  /** Whether a whole record stands anywhere from here on. */
  #hasRecord(from: number, size: number): Effect.Effect<boolean, LedgerError> {
    return Effect.gen({ self: this }, function* () {
      for (let at = from; at < size; at += LOOKED_AT) {
        const some = yield* attempt(this.file, "cannot be read", () =>
          this.#bytes(at, Math.min(LOOKED_AT + RECORD_START, size - at))
        )
        for (const place of recordPlaces(some, size - at)) {
          if ((yield* this.#read(at + place, size))._tag === "Record") return true
        }
      }
      return false
    })
  }

  #damaged(at: number): LedgerError {
    return new LedgerError({
      message: `the spool ${this.file} is damaged at byte ${at}: its shares were acknowledged, so keep the file, and give another one`
    })
  }
}

const inUse = (file: string): LedgerError =>
  new LedgerError({
    message: `the spool ${file} is in use by another pool, or by one that has not ended yet: give each pool a file of its own (spool)`
  })

/** Bytes that are looked at together. */
const LOOKED_AT = 1_048_576

const openFile = async (file: string): Promise<FileHandle> => {
  // Created if there is none; its content stays.
  await (await open(file, "a", OWNER_ONLY)).close()
  const handle = await open(file, "r+")
  try {
    const head = Buffer.alloc(HEADER.length)
    const { bytesRead } = await handle.read(head, 0, head.length, 0)
    const isCutOff =
      bytesRead < HEADER.length && Buffer.compare(head.subarray(0, bytesRead), HEADER.subarray(0, bytesRead)) === 0
    if (isCutOff) {
      await writeAll(handle, HEADER, 0)
      await handle.sync()
      await syncFolder(dirname(file))
    } else if (Buffer.compare(head, HEADER) !== 0) throw new Error("it is not a spool")
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Puts the name of a new file on the disk too. */
const syncFolder = async (path: string): Promise<void> => {
  // Windows cannot open a folder, and needs no such thing.
  if (process.platform === "win32") return
  const folder = await open(path)
  await folder.sync().finally(() => folder.close())
}

const writeAll = async (handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> => {
  for (let written = 0; written < bytes.length;) {
    written += (await handle.write(bytes, written, bytes.length - written, at + written)).bytesWritten
  }
}

const attempt = <A>(file: string, what: string, run: () => Promise<A>): Effect.Effect<A, LedgerError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new LedgerError({
        message: `the spool ${file} ${what}: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })
