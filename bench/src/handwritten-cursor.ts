/** A cursor that reads the data types of the wire (specification, section 3.1), and one that writes them, by hand. */

const textDecoder = new TextDecoder()
const textEncoder = new TextEncoder()
const scratch = new DataView(new ArrayBuffer(8))

/** Reads one payload after the other; byte fields are views on it. */
export class Reader {
  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0

  begin(payload: Uint8Array): void {
    this.#bytes = payload
    this.#at = 0
  }
  /** Moves on, and gives where it was. */
  #take(size: number): number {
    const at = this.#at
    if (size > this.#bytes.length - at) throw new RangeError(`${size} bytes are missing at ${at}`)
    this.#at = at + size
    return at
  }
  u8(): number {
    return this.#bytes[this.#take(1)]!
  }
  bool(): boolean {
    return (this.u8() & 1) === 1
  }
  u16(): number {
    const at = this.#take(2)
    const bytes = this.#bytes
    return bytes[at]! | (bytes[at + 1]! << 8)
  }
  #u24(): number {
    const at = this.#take(3)
    const bytes = this.#bytes
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
  }
  u32(): number {
    const at = this.#take(4)
    const bytes = this.#bytes
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  }
  u64(): bigint {
    scratch.setUint32(0, this.u32(), true)
    scratch.setUint32(4, this.u32(), true)
    return scratch.getBigUint64(0, true)
  }
  f32(): number {
    scratch.setUint32(0, this.u32(), true)
    return scratch.getFloat32(0, true)
  }
  #view(size: number): Uint8Array {
    const at = this.#take(size)
    return this.#bytes.subarray(at, at + size)
  }
  u256(): Uint8Array {
    return this.#view(32)
  }
  bytes32(): Uint8Array {
    const size = this.u8()
    if (size > 32) throw new RangeError(`${size} bytes are more than 32`)
    return this.#view(size)
  }
  bytes255(): Uint8Array {
    return this.#view(this.u8())
  }
  bytes64k(): Uint8Array {
    return this.#view(this.u16())
  }
  text(): string {
    const size = this.u8()
    const at = this.#take(size)
    const bytes = this.#bytes
    let text = ""
    for (let i = at; i < at + size; i++) {
      if (bytes[i]! >= 0x80) return textDecoder.decode(bytes.subarray(at, at + size))
      text += String.fromCharCode(bytes[i]!)
    }
    return text
  }
  optionU32(): number | undefined {
    const count = this.u8()
    if (count > 1) throw new RangeError(`${count} is more than an OPTION has`)
    return count === 1 ? this.u32() : undefined
  }
  #hashes(count: number): Array<Uint8Array> {
    const at = this.#take(32 * count)
    const hashes: Array<Uint8Array> = []
    for (let i = 0; i < count; i++) hashes.push(this.#bytes.subarray(at + 32 * i, at + 32 * i + 32))
    return hashes
  }
  hashes255(): Array<Uint8Array> {
    return this.#hashes(this.u8())
  }
  hashes64k(): Array<Uint8Array> {
    return this.#hashes(this.u16())
  }
  u16s(): Array<number> {
    const count = this.u16()
    const numbers: Array<number> = []
    for (let i = 0; i < count; i++) numbers.push(this.u16())
    return numbers
  }
  u32s(): Array<number> {
    const count = this.u16()
    const numbers: Array<number> = []
    for (let i = 0; i < count; i++) numbers.push(this.u32())
    return numbers
  }
  transactions(): Array<Uint8Array> {
    const count = this.u16()
    const transactions: Array<Uint8Array> = []
    for (let i = 0; i < count; i++) transactions.push(this.#view(this.#u24()))
    return transactions
  }
}

/** Writes into one large buffer, of which a message is copied out whole. */
export class Writer {
  readonly #bytes = new Uint8Array(1 << 24)
  #at = 0

  begin(extensionType: number, type: number): void {
    const bytes = this.#bytes
    bytes[0] = extensionType
    bytes[1] = extensionType >> 8
    bytes[2] = type
    this.#at = 6
  }
  end(): Uint8Array {
    const bytes = this.#bytes
    const size = this.#at - 6
    bytes[3] = size
    bytes[4] = size >> 8
    bytes[5] = size >> 16
    return bytes.slice(0, this.#at)
  }
  #unsigned(value: number, max: number): void {
    if (value >>> 0 !== value || value > max) throw new RangeError(`${value} is not from 0 to ${max}`)
  }
  u8(value: number): void {
    this.#unsigned(value, 0xff)
    this.#bytes[this.#at++] = value
  }
  bool(value: boolean): void {
    this.#bytes[this.#at++] = value ? 1 : 0
  }
  u16(value: number): void {
    this.#unsigned(value, 0xffff)
    const at = this.#at
    this.#bytes[at] = value
    this.#bytes[at + 1] = value >> 8
    this.#at = at + 2
  }
  #u24(value: number): void {
    this.#unsigned(value, 0xffffff)
    const at = this.#at
    this.#bytes[at] = value
    this.#bytes[at + 1] = value >> 8
    this.#bytes[at + 2] = value >> 16
    this.#at = at + 3
  }
  u32(value: number): void {
    this.#unsigned(value, 0xffffffff)
    const at = this.#at
    const bytes = this.#bytes
    bytes[at] = value
    bytes[at + 1] = value >> 8
    bytes[at + 2] = value >> 16
    bytes[at + 3] = value >> 24
    this.#at = at + 4
  }
  u64(value: bigint): void {
    if (BigInt.asUintN(64, value) !== value) throw new RangeError(`${value} is not a U64`)
    scratch.setBigUint64(0, value, true)
    this.u32(scratch.getUint32(0, true))
    this.u32(scratch.getUint32(4, true))
  }
  f32(value: number): void {
    scratch.setFloat32(0, value, true)
    this.u32(scratch.getUint32(0, true))
  }
  #put(value: Uint8Array): void {
    this.#bytes.set(value, this.#at)
    this.#at += value.length
  }
  u256(value: Uint8Array): void {
    if (value.length !== 32) throw new RangeError(`${value.length} bytes are not 32`)
    this.#put(value)
  }
  bytes32(value: Uint8Array): void {
    if (value.length > 32) throw new RangeError(`${value.length} bytes are more than 32`)
    this.u8(value.length)
    this.#put(value)
  }
  bytes255(value: Uint8Array): void {
    this.u8(value.length)
    this.#put(value)
  }
  bytes64k(value: Uint8Array): void {
    this.u16(value.length)
    this.#put(value)
  }
  text(value: string): void {
    const bytes = this.#bytes
    const at = this.#at + 1
    let size = 0
    for (; size < value.length; size++) {
      const unit = value.charCodeAt(size)
      if (unit >= 0x80) break
      bytes[at + size] = unit
    }
    if (size < value.length) size = textEncoder.encodeInto(value, bytes.subarray(at)).written
    this.u8(size)
    this.#at += size
  }
  optionU32(value: number | undefined): void {
    this.u8(value === undefined ? 0 : 1)
    if (value !== undefined) this.u32(value)
  }
  hashes255(hashes: ReadonlyArray<Uint8Array>): void {
    this.u8(hashes.length)
    for (let i = 0; i < hashes.length; i++) this.u256(hashes[i]!)
  }
  hashes64k(hashes: ReadonlyArray<Uint8Array>): void {
    this.u16(hashes.length)
    for (let i = 0; i < hashes.length; i++) this.u256(hashes[i]!)
  }
  u16s(numbers: ReadonlyArray<number>): void {
    this.u16(numbers.length)
    for (let i = 0; i < numbers.length; i++) this.u16(numbers[i]!)
  }
  u32s(numbers: ReadonlyArray<number>): void {
    this.u16(numbers.length)
    for (let i = 0; i < numbers.length; i++) this.u32(numbers[i]!)
  }
  transactions(transactions: ReadonlyArray<Uint8Array>): void {
    this.u16(transactions.length)
    for (let i = 0; i < transactions.length; i++) {
      this.#u24(transactions[i]!.length)
      this.#put(transactions[i]!)
    }
  }
}
