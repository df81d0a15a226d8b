/**
 * Removes the hex of the transactions from the text of a `getblocktemplate` answer, before `JSON.parse` makes strings of it: it is
 * nine tenths of three megabytes, and only the txids are needed before a template is sent.
 *
 * Bitcoin Core writes a transaction as `{"data":"<hex>","txid":"<64 digits>","hash":"<64 digits>","depends":`; `{"depends":` remains of
 * it. In JSON both can only stand where an object begins, because inside a string their first quote would end the string. So the
 * rest is JSON if and only if the whole was, with the same content otherwise. If a node writes transactions in another way,
 * nothing is removed.
 */
import { WasmLanes } from "@sluice/bitcoin"

const {
  addI32,
  all8,
  allTrue8,
  and,
  andI32,
  anyBit,
  bitsOf8,
  choose,
  get,
  i32,
  isBelowI32,
  isNotBelow8,
  isSame8,
  isZeroI32,
  load,
  or,
  orI32,
  repeatWhile,
  set,
  store,
  storeI32,
  subtract8,
  subtractI32,
  wasmModule,
  zerosBelowI32
} = WasmLanes
type Code = WasmLanes.Code

/** The parts removed from a text, and the rest of it. */
export interface Cut {
  /** Text for `JSON.parse`. */
  readonly rest: string
  /** The number of transactions. */
  readonly count: number
  /** For each transaction, the offsets of its data in the text. Its ids follow: `","txid":"`, 64 digits, `","hash":"`, 64 digits. */
  readonly places: Uint32Array
  /** The digits of all txids. */
  readonly txids: Uint8Array
}

const HEAD = `{"data":"`
const TXID = `","txid":"`
const HASH = `","hash":"`
/** Offsets from the end of a transaction's data. */
export const TXID_AT = TXID.length
export const HASH_AT = TXID_AT + 64 + HASH.length
const DEPENDS_AT = HASH_AT + 64
const DEPENDS = `","depends":`

/** Whether the text continues with these characters, at most sixteen. */
const begins = (address: Code, offset: number, characters: string): Code => {
  const behind = Array.from({ length: 16 - characters.length }, () => 0)
  const expected = all8([...Buffer.from(characters), ...behind])
  const isBehind = all8([...Array.from(characters, () => 0), ...behind.map(() => 0xff)])
  return allTrue8(or(isSame8(load(address, offset), expected), isBehind))
}

/** Sets all bits of the lanes of sixteen bytes that are no lower-case hex digits. `into` is a variable for the bytes. */
const noDigits = (address: Code, offset: number, into: number): Code => [
  ...set(into, load(address, offset)),
  ...and(
    isNotBelow8(subtract8(get(into), all8([0x30])), all8([10])),
    isNotBelow8(subtract8(get(into), all8([0x61])), all8([6]))
  )
]

/** Whether 64 bytes are digits. */
const areDigits = (address: Code, offset: number, into: number): Code =>
  isZeroI32(anyBit([0, 16, 32, 48].map((more) => noDigits(address, offset + more, into)).reduce(either)))
const either = (a: Code, b: Code): Code => or(a, b)

/**
 * Parameters: the start and end of the text, which zeros follow, and the offsets for places and digits; the others are variables.
 * Works in place: it never overwrites text that it has not read, because it removes more than it writes. Stores the end of the
 * rest at 0, and the end of the places at 4.
 */
const cut = (): Code => {
  const [from, end, places, digits, start, to, at, bits] = [0, 1, 2, 3, 4, 5, 6, 7]
  const x = 8
  const move = (local: number, by: Code): Code => set(local, addI32(get(local), by))
  const isTransaction = [
    begins(get(at), 0, TXID),
    areDigits(get(at), TXID_AT, x),
    begins(get(at), TXID_AT + 64, HASH),
    areDigits(get(at), HASH_AT, x),
    begins(get(at), DEPENDS_AT, DEPENDS)
  ].reduce((all, more) => andI32(all, more))
  const takeOut = [
    ...storeI32(get(places), 0, subtractI32(addI32(get(from), i32(HEAD.length)), get(start))),
    ...storeI32(get(places), 4, subtractI32(get(at), get(start))),
    ...move(places, i32(PLACE)),
    ...[0, 16, 32, 48].flatMap((more) => store(get(digits), more, load(get(at), TXID_AT + more))),
    ...move(digits, i32(64)),
    // The brace was copied already.
    ...move(to, i32(1)),
    ...set(from, addI32(get(at), i32(DEPENDS_AT + 2)))
  ]
  const goOn = [...move(from, i32(1)), ...move(to, i32(1))]
  const step = (by: number): Code => [...move(from, i32(by)), ...move(to, i32(by))]
  return [
    ...set(to, get(from)),
    ...set(start, get(from)),
    ...repeatWhile(
      [
        // Copies up to the next brace. Steps of a constant length do not depend on the bytes read.
        ...step(-16),
        ...repeatWhile(
          [
            ...step(16),
            ...set(x, load(get(from), 0)),
            ...store(get(to), 0, get(x)),
            ...set(bits, bitsOf8(isSame8(get(x), all8([0x7b]))))
          ],
          andI32(isZeroI32(get(bits)), isBelowI32(get(from), get(end)))
        ),
        ...set(bits, zerosBelowI32(orI32(get(bits), i32(0x10000)))),
        ...move(from, get(bits)),
        ...move(to, get(bits)),
        ...choose(
          begins(get(from), 0, HEAD),
          [
            ...set(at, addI32(get(from), i32(HEAD.length - 64))),
            ...repeatWhile(move(at, i32(64)), areDigits(get(at), 0, x)),
            ...move(at, i32(-16)),
            ...repeatWhile(
              [...move(at, i32(16)), ...set(bits, bitsOf8(noDigits(get(at), 0, x)))],
              isZeroI32(get(bits))
            ),
            ...move(at, zerosBelowI32(get(bits))),
            ...choose(isTransaction, takeOut, goOn)
          ],
          goOn
        )
      ],
      isBelowI32(get(from), get(end))
    ),
    ...storeI32(i32(0), 0, subtractI32(get(to), subtractI32(get(from), get(end)))),
    ...storeI32(i32(0), 4, get(places))
  ]
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; readonly grow: (pages: number) => number }
  readonly cut: (from: number, end: number, places: number, digits: number) => void
}

let instance: Exports | undefined

/** Returns undefined for a text without transactions in Bitcoin Core's form, or one that is longer than an answer can be. */
export const cutTransactions = (text: Uint8Array): Cut | undefined => {
  if (text.length > MAX_TEXT) return undefined
  instance ??= new WebAssembly.Instance(
    wasmModule([{ parameters: 8, variables: 1, hasResult: false, code: cut(), name: "cut" }])
  ).exports as unknown as Exports
  const { memory } = instance
  const most = Math.floor(text.length / (HEAD.length + DEPENDS_AT))
  const digits = RESULTS + most * PLACE
  const from = digits + most * 64
  const end = from + text.length
  const missing = end + ZEROS - memory.buffer.byteLength
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE))
  const bytes = Buffer.from(memory.buffer)
  bytes.set(text, from)
  bytes.fill(0, end, end + ZEROS)
  instance.cut(from, end, RESULTS, digits)
  const count = (bytes.readUInt32LE(4) - RESULTS) / PLACE
  if (count === 0) return undefined
  return {
    rest: bytes.toString("utf8", from, bytes.readUInt32LE(0)),
    count,
    places: new Uint32Array(memory.buffer.slice(RESULTS, RESULTS + count * PLACE)),
    txids: new Uint8Array(memory.buffer.slice(digits, digits + count * 64))
  }
}

/** The layout of the memory: two numbers, two for each transaction, the digits of txids, the text, zeros. */
const RESULTS = 8
const PLACE = 8
/** Zeros after the text: more bytes than one step reads. */
const ZEROS = 256
const PAGE = 65_536
/** The longest text. A block has at most four million bytes, so eight million digits; the ids seldom take as many. */
const MAX_TEXT = 32 * 1024 * 1024
