/** Reads Bitcoin's serialization: little-endian numbers, counts in their shortest form, runs of bytes. */
import { BlockDecodeError } from "./block-decode-error.ts"

/** The largest count or length in a transaction or block that Bitcoin Core reads (its `MAX_SIZE`). */
export const MAX_COMPACT_SIZE = 0x02000000

/** A cursor over bytes that a peer wrote: every read is checked, every failure is a `BlockDecodeError`. */
export class Reader {
  readonly bytes: Uint8Array
  at: number
  private readonly view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.at = 0
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Throws; `from` is the offset of the fault from the cursor. */
  fail(detail: string, from: number): never {
    throw new BlockDecodeError({ at: this.at + from, detail })
  }

  /** Fails unless all bytes are read. */
  end(what: string): void {
    const left = this.bytes.length - this.at
    if (left > 0) this.fail(`${what} ends here, and ${left} more bytes follow`, 0)
  }

  /** The next `length` bytes, as a view. */
  take(length: number, what: string): Uint8Array {
    const at = this.skip(length, what)
    return this.bytes.subarray(at, this.at)
  }

  u8(what: string): number {
    return this.view.getUint8(this.skip(1, what))
  }

  u32(what: string): number {
    return this.view.getUint32(this.skip(4, what), true)
  }

  u64(what: string): bigint {
    return this.view.getBigUint64(this.skip(8, what), true)
  }

  /** A count or length, in its shortest form and at most `MAX_COMPACT_SIZE`, as Bitcoin Core demands. */
  compactSize(what: string): number {
    const first = this.u8(what)
    if (first < 0xfd) return first
    const size = first === 0xfd ? 2 : first === 0xfe ? 4 : 8
    const at = this.skip(size, what)
    const value =
      size === 2
        ? this.view.getUint16(at, true)
        : size === 4
          ? this.view.getUint32(at, true)
          : Number(this.view.getBigUint64(at, true))
    if (value > MAX_COMPACT_SIZE) this.fail(`${what} is at most ${MAX_COMPACT_SIZE}; got ${value}`, -size - 1)
    if (compactSizeLength(value) !== size + 1) this.fail(`${what} ${value} is not in its shortest form`, -size - 1)
    return value
  }

  /** Moves the cursor past `length` bytes, which must be there, and returns their offset. */
  private skip(length: number, what: string): number {
    const at = this.at
    const left = this.bytes.length - at
    if (length > left) this.fail(`${what} has ${length} bytes, of which ${left} are there`, 0)
    this.at = at + length
    return at
  }
}

/** The size of a count in its shortest form. */
export const compactSizeLength = (value: number): number =>
  value < 0xfd ? 1 : value <= 0xffff ? 3 : value <= 0xffffffff ? 5 : 9
