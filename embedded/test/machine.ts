/** The test build of the module (assembly/harness.ts), driven with byte arrays and bigints. */
import { build } from "../assembly/compile.ts"

const SLOT = 64
const SLOTS = 6
const RESULT = SLOT * SLOTS

export interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly exchangeAt: () => number
  readonly [name: string]: unknown
}

export class Machine {
  readonly exports: Exports
  private readonly memory: Uint8Array
  private readonly base: number

  constructor(exports: Exports) {
    this.exports = exports
    this.memory = new Uint8Array(exports.memory.buffer)
    this.base = exports.exchangeAt()
  }

  /**
   * Calls a function: byte arrays (at most 64 bytes each) are put into the exchange and passed as addresses, numbers are
   * passed as they are, and the address of the result comes last.
   */
  call(name: string, ...args: ReadonlyArray<Uint8Array | number>): number {
    const values = args.map((arg, i) => {
      if (typeof arg === "number") return arg
      this.memory.set(arg, this.base + i * SLOT)
      return this.base + i * SLOT
    })
    return (this.exports[name] as (...args: ReadonlyArray<number>) => number)(...values, this.resultAt)
  }

  get resultAt(): number {
    return this.base + RESULT
  }

  /** The result's bytes, at most 128. */
  result(size: number, at = 0): Uint8Array {
    return this.memory.slice(this.resultAt + at, this.resultAt + at + size)
  }

  /** The result's 32 bytes from a place on, as a number. */
  number(at = 0): bigint {
    return toNumber(this.result(32, at))
  }

  /** The whole of the module's memory, for a look at what was left in it. */
  everything(): Uint8Array {
    return this.memory
  }
}

export const makeMachine = async (): Promise<Machine> => {
  const module = new WebAssembly.Module(await build("harness"))
  return new Machine(new WebAssembly.Instance(module, {}).exports as unknown as Exports)
}

export const toNumber = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString("hex")}`)

export const toBytes = (number: bigint): Uint8Array =>
  Uint8Array.from(Buffer.from(number.toString(16).padStart(64, "0"), "hex"))
