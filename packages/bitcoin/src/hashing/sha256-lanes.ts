/**
 * Computes parts of merkle trees, four hashes at a time in WebAssembly's 128-bit lanes: reads txids from hex, hashes each 64 bytes
 * twice with SHA-256 (FIPS 180-4), and folds a merkle path into the txids of many coinbases. This is about four times as fast as
 * core's `sha256d`, and the tests compare the two; for few hashes `sha256d` is simpler.
 *
 * The module has a memory of its own. The caller writes hashes to it and reads results from it; the first `FIRST_FREE` bytes are
 * constants and working space.
 */
import { SHA256_ROUND_CONSTANTS as K } from "@sluice/core"
import {
  add32,
  add8,
  addI32,
  all32,
  all8,
  allTrue8,
  and,
  andI32,
  call,
  type Code,
  get,
  i32,
  isBelow8,
  left16,
  left32,
  load,
  loadEverywhere,
  loadLane,
  or,
  pick,
  repeatWhile,
  right16,
  right32,
  set,
  store,
  storeLane,
  subtract8,
  wasmModule,
  xor
} from "./wasm-lanes.ts"

/** FIPS 180-4, 5.3.3. */
const START = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]

/** Offsets in the memory: vectors of 16 bytes, one for each word. */
const WORDS = 0
/** The message schedule of the block in WORDS, each word with its round constant added. */
const SCHEDULE = 64 * 16
/** The same for the constant block that pads a message of 64 bytes. */
const PADDING = 2 * 64 * 16
const STATE = 3 * 64 * 16
/** The first offset that the caller may use. */
export const FIRST_FREE = STATE + 8 * 16

const at = (place: number): Code => load(i32(0), place)
const put = (place: number, value: Code): Code => store(i32(0), place, value)
const xor3 = (a: Code, b: Code, c: Code): Code => xor(xor(a, b), c)
const turn = (x: Code, bits: number): Code => or(right32(x, bits), left32(x, 32 - bits))
const range = (from: number, to: number): ReadonlyArray<number> =>
  Array.from({ length: to - from }, (_, index) => from + index)

/** 6.2.2, step 1: expands the 16 words of a block to SCHEDULE. */
const schedule = (): Code => {
  const [x, y] = [0, 1]
  const word = (t: number): Code => at(WORDS + 16 * t)
  return [
    ...range(0, 16).flatMap((t) => put(SCHEDULE + 16 * t, add32(word(t), all32(K[t]!)))),
    ...range(16, 64).flatMap((t) => [
      ...set(x, word(t - 15)),
      ...set(y, word(t - 2)),
      ...set(
        x,
        add32(
          add32(xor3(turn(get(x), 7), turn(get(x), 18), right32(get(x), 3)), word(t - 7)),
          add32(xor3(turn(get(y), 17), turn(get(y), 19), right32(get(y), 10)), word(t - 16))
        )
      ),
      ...put(WORDS + 16 * t, get(x)),
      ...put(SCHEDULE + 16 * t, add32(get(x), all32(K[t]!)))
    ])
  ]
}

/** 6.2.2, steps 2 to 4: adds a block to STATE; the parameter is the offset of its schedule. */
const rounds = (): Code => {
  const [from, t1] = [0, 9]
  const code: Array<number> = []
  for (const i of range(0, 8)) code.push(...set(1 + i, at(STATE + 16 * i)))
  for (const t of range(0, 64)) {
    // Rotates the names of the variables instead of moving the values of a to h.
    const [a, b, c, d, e, f, g, h] = range(0, 8).map((i) => get(1 + ((i + 64 - t) % 8))) as unknown as Working
    const s1 = xor3(turn(e, 6), turn(e, 11), turn(e, 25))
    const s0 = xor3(turn(a, 2), turn(a, 13), turn(a, 22))
    const choice = xor(g, and(e, xor(f, g)))
    // The two terms have no bit in common, so xor adds them.
    const majority = xor(and(a, b), and(c, xor(a, b)))
    code.push(
      ...set(t1, add32(add32(h, load(get(from), 16 * t)), add32(s1, choice))),
      ...set(d[1]!, add32(d, get(t1))),
      ...set(h[1]!, add32(get(t1), add32(s0, majority)))
    )
  }
  for (const i of range(0, 8)) code.push(...put(STATE + 16 * i, add32(at(STATE + 16 * i), get(1 + i))))
  return code
}

type Working = readonly [Code, Code, Code, Code, Code, Code, Code, Code]

const BIG_ENDIAN = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12]
const SCHEDULE_OF = 0
const ROUNDS_OF = 1
const FOLD_OF = 2

const start = (): Code => START.flatMap((word, i) => put(STATE + 16 * i, all32(word)))
/** Adds the block in WORDS to STATE. */
const hashBlock = (): Code => [...call(SCHEDULE_OF), ...call(ROUNDS_OF, i32(SCHEDULE))]

/** The second SHA-256: hashes the 32 bytes that the first one left in STATE, padded (5.1.1). */
const hashAgain = (): Code => [
  ...range(0, 16).flatMap((t) =>
    put(WORDS + 16 * t, t < 8 ? at(STATE + 16 * t) : all32(t === 8 ? 0x80000000 : t === 15 ? 8 * 32 : 0))
  ),
  ...start(),
  ...hashBlock()
]

/** Hashes the 64 bytes in WORDS twice, to STATE. */
const hashTwice = (): Code => [...start(), ...hashBlock(), ...call(ROUNDS_OF, i32(PADDING)), ...hashAgain()]

/** Loads word `t` of four byte strings, `distance` bytes apart, to `into`; uses the variable `x`. */
const readWord = (from: Code, distance: number, t: number, x: number, into: number): Code => [
  ...range(0, 4).flatMap((lane) => set(x, loadLane(from, distance * lane + 4 * t, lane, get(x)))),
  ...put(into, pick(get(x), get(x), BIG_ENDIAN))
]

/** Writes STATE as four hashes of 32 bytes, one after the other. */
const writeHashes = (to: Code, x: number): Code =>
  range(0, 8).flatMap((t) => [
    ...set(x, at(STATE + 16 * t)),
    ...set(x, pick(get(x), get(x), BIG_ENDIAN)),
    ...range(0, 4).flatMap((lane) => storeLane(to, 32 * lane + 4 * t, lane, get(x)))
  ])

/** Folds nodes into the four hashes in STATE. Parameters: the offset of the nodes, 32 bytes each, and their number. */
const fold = (): Code => {
  const [node, left, x] = [0, 1, 2]
  return repeatWhile(
    [
      ...range(0, 8).flatMap((t) => put(WORDS + 16 * t, at(STATE + 16 * t))),
      ...range(0, 8).flatMap((t) => [
        ...set(x, loadEverywhere(get(node), 4 * t)),
        ...put(WORDS + 16 * (8 + t), pick(get(x), get(x), BIG_ENDIAN))
      ]),
      ...hashTwice(),
      ...set(node, addI32(get(node), i32(32))),
      ...set(left, addI32(get(left), i32(-1)))
    ],
    get(left)
  )
}

/** Parameters: the offset of the hashes, the offset of the nodes, the number of nodes, and the number of groups of four hashes. */
const foldFours = (): Code => {
  const [hashes, nodes, count, fours, x] = [0, 1, 2, 3, 4]
  return repeatWhile(
    [
      ...range(0, 8).flatMap((t) => readWord(get(hashes), 32, t, x, STATE + 16 * t)),
      ...call(FOLD_OF, get(nodes), get(count)),
      ...writeHashes(get(hashes), x),
      ...set(hashes, addI32(get(hashes), i32(4 * 32))),
      ...set(fours, addI32(get(fours), i32(-1)))
    ],
    get(fours)
  )
}

/** Parameters: the offset of the 64-byte messages, the offset for the hashes (it may be the same), and the number of groups of four. */
const hashFours = (): Code => {
  const [from, to, fours, x] = [0, 1, 2, 3]
  return repeatWhile(
    [
      ...range(0, 16).flatMap((t) => readWord(get(from), 64, t, x, WORDS + 16 * t)),
      ...hashTwice(),
      ...writeHashes(get(to), x),
      ...set(from, addI32(get(from), i32(4 * 64))),
      ...set(to, addI32(get(to), i32(4 * 32))),
      ...set(fours, addI32(get(fours), i32(-1)))
    ],
    get(fours)
  )
}

/** Parameters: the offsets of four padded messages, their number of blocks, and the offset for the hashes. */
const hashPadded = (): Code => {
  const [first, blocks, to, x] = [0, 4, 5, 6]
  const messages = range(first, blocks)
  return [
    ...start(),
    ...repeatWhile(
      [
        ...range(0, 16).flatMap((t) => [
          ...messages.flatMap((message, lane) => set(x, loadLane(get(message), 4 * t, lane, get(x)))),
          ...put(WORDS + 16 * t, pick(get(x), get(x), BIG_ENDIAN))
        ]),
        ...hashBlock(),
        ...messages.flatMap((message) => set(message, addI32(get(message), i32(64)))),
        ...set(blocks, addI32(get(blocks), i32(-1)))
      ],
      get(blocks)
    ),
    ...hashAgain(),
    ...writeHashes(get(to), x)
  ]
}

/**
 * Reads hashes from hex and reverses their bytes. Parameters: the offset of the text, 64 lower-case hex digits for each hash, the
 * offset for the 32-byte hashes, and their number. Returns 1 if all characters are hex digits.
 */
const readHashes = (): Code => {
  const [from, to, count, isHex, low, high, digits] = [0, 1, 2, 3, 4, 5, 6]
  /** Converts the sixteen digits of text in `digits` to the even bytes of `into`. */
  const read = (offset: number, into: number): Code => [
    ...set(digits, load(get(from), offset)),
    ...set(into, subtract8(get(digits), all8([0x30]))),
    ...set(digits, subtract8(get(digits), all8([0x61]))),
    ...set(isHex, and(get(isHex), or(isBelow8(get(into), all8([10])), isBelow8(get(digits), all8([6]))))),
    // Selects the value of a letter for letters, and the value of a decimal digit for all other characters.
    ...set(
      into,
      or(
        and(get(into), isBelow8(get(into), all8([10]))),
        and(add8(get(digits), all8([10])), isBelow8(get(digits), all8([6])))
      )
    ),
    ...set(into, or(left16(get(into), 4), right16(get(into), 8)))
  ]
  const half = (offset: number, out: number): Code => [
    ...read(offset, low),
    ...read(offset + 16, high),
    ...store(
      get(to),
      out,
      pick(
        get(low),
        get(high),
        range(0, 16).map((i) => 30 - 2 * i)
      )
    )
  ]
  return [
    ...set(isHex, all8([0xff])),
    ...repeatWhile(
      [
        ...half(0, 16),
        ...half(32, 0),
        ...set(from, addI32(get(from), i32(64))),
        ...set(to, addI32(get(to), i32(32))),
        ...set(count, addI32(get(count), i32(-1)))
      ],
      get(count)
    ),
    ...andI32(allTrue8(get(isHex)), i32(1))
  ]
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; readonly grow: (pages: number) => number }
  readonly hashFours: (from: number, to: number, fours: number) => void
  readonly foldFours: (hashes: number, nodes: number, count: number, fours: number) => void
  readonly hashPadded: (a: number, b: number, c: number, d: number, blocks: number, to: number) => void
  readonly readHashes: (from: number, to: number, count: number) => number
}

const instantiate = (): Exports => {
  const module = wasmModule([
    { parameters: 0, variables: 2, hasResult: false, code: schedule() },
    { parameters: 1, variables: 9, hasResult: false, code: rounds() },
    { parameters: 2, variables: 1, hasResult: false, code: fold() },
    { parameters: 3, variables: 1, hasResult: false, code: hashFours(), name: "hashFours" },
    { parameters: 4, variables: 1, hasResult: false, code: foldFours(), name: "foldFours" },
    { parameters: 6, variables: 1, hasResult: false, code: hashPadded(), name: "hashPadded" },
    { parameters: 3, variables: 4, hasResult: true, code: readHashes(), name: "readHashes" }
  ])
  const exports = new WebAssembly.Instance(module).exports as unknown as Exports
  new Int32Array(exports.memory.buffer, PADDING, 64 * 4).set(
    paddingSchedule().flatMap((word) => [word, word, word, word])
  )
  return exports
}

/** The result of `schedule` for the block 80 00 ... 00 and the length of 512 bits. */
const paddingSchedule = (): ReadonlyArray<number> => {
  const words = [0x80000000, ...Array.from({ length: 14 }, () => 0), 512]
  const turned = (x: number, bits: number): number => (x >>> bits) | (x << (32 - bits))
  for (let t = 16; t < 64; t++) {
    const [x, y] = [words[t - 15]!, words[t - 2]!]
    const s0 = turned(x, 7) ^ turned(x, 18) ^ (x >>> 3)
    const s1 = turned(y, 17) ^ turned(y, 19) ^ (y >>> 10)
    words.push((s1 + words[t - 7]! + s0 + words[t - 16]!) | 0)
  }
  return words.map((word, t) => (word + K[t]!) | 0)
}

let instance: Exports | undefined
let memory: Buffer<ArrayBuffer> = Buffer.alloc(0)

/** Returns the module's memory with room for at least `bytes`. It is valid until the next call. */
export const lanesMemory = (bytes: number): Buffer<ArrayBuffer> => {
  instance ??= instantiate()
  const missing = bytes - instance.memory.buffer.byteLength
  if (missing > 0) instance.memory.grow(Math.ceil(missing / PAGE))
  if (memory.buffer !== instance.memory.buffer) memory = Buffer.from(instance.memory.buffer)
  return memory
}

/**
 * Hashes `count` messages of 64 bytes from `from` on twice with SHA-256, to 32 bytes each from `to` on; `to` is at most `from`.
 * Works in groups of four: it reads up to three messages after the last one, and writes as many hashes more.
 */
export const hashPairs = (from: number, to: number, count: number): void => {
  if (count > 0) instance!.hashFours(from, to, (count + 3) >> 2)
}

/** The size of a message with its padding (5.1.1): whole blocks of 64 bytes. */
export const paddedSize = (length: number): number => ((length + 8) >> 6) * 64 + 64

/** Pads the message of `length` bytes at `at`, which has room for its `paddedSize`. */
export const pad = (memory: Uint8Array, at: number, length: number): void => {
  const end = at + paddedSize(length)
  memory.fill(0, at + length, end)
  memory[at + length] = 0x80
  const bits = length * 8
  for (let i = 1; i <= 4; i++) memory[end - i] = bits >>> (8 * (i - 1))
}

/**
 * Hashes `count` padded messages of `size` bytes each, one after the other from `from` on, twice with SHA-256, to 32 bytes each
 * from `to` on; `to` is not among the messages. Works in groups of four, as `hashPairs` does.
 */
export const hashMessages = (from: number, size: number, count: number, to: number): void => {
  for (let i = 0; i < count; i += 4) {
    const at = from + i * size
    instance!.hashPadded(at, at + size, at + 2 * size, at + 3 * size, size / 64, to + 32 * i)
  }
}

/** Hashes four padded messages of `size` bytes each, anywhere in the memory, twice with SHA-256, to 32 bytes each from `to` on. */
export const hashFour = (a: number, b: number, c: number, d: number, size: number, to: number): void =>
  instance!.hashPadded(a, b, c, d, size / 64, to)

/**
 * Folds `nodes` nodes of 32 bytes, from `path` on, into each of `count` hashes of 32 bytes from `hashes` on, and so makes merkle
 * roots of them. Works in groups of four: up to three hashes after the last one change too.
 */
export const foldPath = (hashes: number, count: number, path: number, nodes: number): void => {
  if (count > 0 && nodes > 0) instance!.foldFours(hashes, path, nodes, (count + 3) >> 2)
}

/**
 * Converts `count` times 64 lower-case hex digits from `from` on to 32 bytes each, reversed, from `to` on. Returns false if a
 * character is no hex digit.
 */
export const readDisplayHashes = (from: number, to: number, count: number): boolean =>
  count === 0 || instance!.readHashes(from, to, count) === 1

const PAGE = 65_536
