/**
 * Parses coinbases from peers: the parts in a template (specification, section 7.2), and the two halves in an upstream's or a
 * declared job (sections 5.3.16 and 6.4.4). Miners get none of them before this module has checked it to the last byte, with the
 * limits of consensus: a block with an invalid coinbase is lost.
 */
import { CoinbaseBytes } from "@sluice/core"
import { Result } from "effect"
import { BlockDecodeError } from "./block-decode-error.ts"
import { Reader } from "./byte-reader.ts"
import { CoinbaseError, heightPush, MAX_COINBASE_SCRIPT_SIZE, type Output } from "./coinbase.ts"
import { MAX_MONEY, parseTransaction, type Transaction } from "./transaction.ts"

/** The most bytes that a template may put at the beginning of the scriptSig (section 7.2). */
export const MAX_TEMPLATE_PREFIX_SIZE = 8
/**
 * The longest merkle path of a coinbase, that of the fullest block: a transaction has 60 bytes or more, which is 240 of
 * 4,000,000 weight units, so there are at most 16,666 of them, and their tree has 15 levels.
 */
export const MAX_MERKLE_PATH_LENGTH = 15

/** The fields of NewTemplate that become a part of the coinbase or of the tree above it. */
export interface TemplateCoinbaseFields {
  readonly coinbasePrefix: Uint8Array
  readonly coinbaseTxInputSequence: number
  readonly coinbaseTxValueRemaining: bigint
  readonly coinbaseTxOutputsCount: number
  readonly coinbaseTxOutputs: Uint8Array
  readonly coinbaseTxLocktime: number
  readonly merklePath: ReadonlyArray<Uint8Array>
}

/** The parsed fields. */
export interface TemplateCoinbase {
  /** The height of the block to be found, from BIP34's push. */
  readonly height: number
  /** Views on the template's bytes. */
  readonly outputs: ReadonlyArray<Output>
}

/**
 * Parses the parts of a coinbase in a template. Consensus allows any `coinbase_tx_version`. A lock time that is a time (500,000,000
 * and above) is not checked: that takes the median time of the previous blocks.
 */
export const parseTemplateCoinbase = (
  template: TemplateCoinbaseFields
): Result.Result<TemplateCoinbase, CoinbaseError> => {
  const { coinbasePrefix, coinbaseTxInputSequence, coinbaseTxLocktime, merklePath } = template
  const parsedHeight = parseHeight(coinbasePrefix)
  if (Result.isFailure(parsedHeight)) return Result.fail(parsedHeight.failure)
  const parsedOutputs = parseOutputs(template.coinbaseTxOutputs, template.coinbaseTxOutputsCount)
  if (Result.isFailure(parsedOutputs)) return Result.fail(parsedOutputs.failure)
  const [height, outputs] = [parsedHeight.success, parsedOutputs.success]
  const sum = outputs.reduce((sum, { value }) => sum + value, template.coinbaseTxValueRemaining)
  if (sum > MAX_MONEY) {
    return refuse(
      `the outputs and coinbase_tx_value_remaining are at most ${MAX_MONEY} satoshis together; they are ${sum}`
    )
  }
  const isFinal = coinbaseTxInputSequence === FINAL_SEQUENCE || coinbaseTxLocktime < height
  if (!isFinal && coinbaseTxLocktime < FIRST_LOCK_TIME_BY_CLOCK) {
    return refuse(
      `coinbase_tx_locktime is below the height ${height}, or the input's sequence is ffffffff; it is ${coinbaseTxLocktime}`
    )
  }
  if (merklePath.length > MAX_MERKLE_PATH_LENGTH) {
    return refuse(
      `merkle_path has at most ${MAX_MERKLE_PATH_LENGTH} hashes, as that of the fullest block; it has ${merklePath.length}`
    )
  }
  return Result.succeed({ height, outputs })
}

/** Reads the height that the first bytes of a scriptSig push, in the one form that BIP34 allows. */
const parseHeight = (prefix: Uint8Array): Result.Result<number, CoinbaseError> => {
  if (prefix.length > MAX_TEMPLATE_PREFIX_SIZE) {
    return refuse(
      `coinbase_prefix has at most ${MAX_TEMPLATE_PREFIX_SIZE} bytes (section 7.2); it has ${prefix.length}`
    )
  }
  const height = pushedHeight(prefix)
  const isHeight = height > 0 && height <= 0x7fffffff
  if (isHeight && heightPush(height).every((byte, index) => prefix[index] === byte)) return Result.succeed(height)
  return refuse(`coinbase_prefix begins with a push of the block's height (BIP34); it is ${hex(prefix)}`)
}

/** Reads the number at the start of a scriptSig: OP_1 to OP_16, or a push of at most 5 bytes, little-endian; otherwise 0. */
export const pushedHeight = (script: Uint8Array): number => {
  const opcode = script[0] ?? 0
  if (opcode > 0x50 && opcode <= 0x60) return opcode - 0x50
  if (opcode > 5 || script.length < 1 + opcode) return 0
  return script.subarray(1, 1 + opcode).reduceRight((number, byte) => number * 256 + byte, 0)
}

/** Parses `count` outputs without a count in front and with nothing behind them. Scripts are views on the bytes. */
export const parseOutputs = (bytes: Uint8Array, count: number): Result.Result<ReadonlyArray<Output>, CoinbaseError> => {
  // Checked first, so that a large count allocates nothing.
  if (count * MIN_OUTPUT_SIZE > bytes.length) {
    return refuse(`${count} outputs have ${count * MIN_OUTPUT_SIZE} bytes or more; there are ${bytes.length}`)
  }
  const reader = new Reader(bytes)
  const outputs: Array<Output> = []
  try {
    while (outputs.length < count) {
      const value = reader.u64("an output's value")
      if (value > MAX_MONEY) reader.fail(`an output's value is at most ${MAX_MONEY}; got ${value}`, -8)
      outputs.push({ value, script: reader.take(reader.compactSize("a scriptPubKey's length"), "a scriptPubKey") })
    }
    reader.end(count === 1 ? "the one output that is counted" : `the last of ${count} outputs that are counted`)
    return Result.succeed(outputs)
  } catch (error) {
    if (!(error instanceof BlockDecodeError)) throw error
    return refuse(`the coinbase's ${count} outputs: ${error.message}`)
  }
}

/**
 * Parses outputs behind their count (CompactSize), as messages of Job Declaration carry them, and as a transaction has them. At
 * least one; together at most `MAX_MONEY`. Scripts are views on the bytes.
 */
export const parseCountedOutputs = (bytes: Uint8Array): Result.Result<ReadonlyArray<Output>, CoinbaseError> => {
  const reader = new Reader(bytes)
  let count: number
  try {
    count = reader.compactSize("the output count")
  } catch (error) {
    if (!(error instanceof BlockDecodeError)) throw error
    return refuse(`the coinbase's outputs: ${error.message}`)
  }
  if (count === 0) return refuse("a coinbase has an output; the count is 0")
  const parsed = parseOutputs(bytes.subarray(reader.at), count)
  if (Result.isFailure(parsed)) return parsed
  const sum = parsed.success.reduce((sum, { value }) => sum + value, 0n)
  return sum > MAX_MONEY
    ? refuse(`a coinbase's outputs are at most ${MAX_MONEY} satoshis together; they are ${sum}`)
    : parsed
}

/** The halves of a job's coinbase, with or without BIP141's fields, and the size of the full extranonce between them. */
export interface CoinbaseHalves {
  readonly prefix: Uint8Array
  readonly extranonceSize: number
  readonly suffix: Uint8Array
}

/**
 * Returns what is wrong with the coinbase of an upstream's job, if anything: describes the result of packages/core's check, which
 * devices run too. For proxies and miners, which do not need to know the outputs.
 */
export const checkJobCoinbase = ({ extranonceSize, prefix, suffix }: CoinbaseHalves): CoinbaseError | undefined => {
  const code = check.check(prefix, 0, prefix.length, extranonceSize, suffix, 0, suffix.length)
  if (code === CoinbaseBytes.COINBASE_OK) return undefined
  const size = prefix.length + extranonceSize + suffix.length
  const message = `${EXPECTED[code] ?? `rule ${code} of coinbases`}; got ${size} bytes that begin ${hex(prefix.subarray(0, 50))}`
  return new CoinbaseError({ message })
}

/** Parses the same coinbase as a transaction, with zeros for the extranonce: for callers that need its outputs. */
export const parseJobCoinbase = (halves: CoinbaseHalves): Result.Result<Transaction, CoinbaseError> => {
  const error = checkJobCoinbase(halves)
  if (error !== undefined) return Result.fail(error)
  const extranonce = new Uint8Array(halves.extranonceSize)
  return Result.succeed(parseTransaction(new Uint8Array(Buffer.concat([halves.prefix, extranonce, halves.suffix]))))
}

const check = new CoinbaseBytes.CoinbaseCheck()

const EXPECTED: Readonly<Record<number, string>> = {
  [CoinbaseBytes.COINBASE_CUT_OFF]: "a coinbase ends with its lock time, and an extranonce lies in scripts only",
  [CoinbaseBytes.COINBASE_INPUT_COUNT]:
    "a coinbase has one input, behind BIP144's marker 00 and flag 01 if it has them",
  [CoinbaseBytes.COINBASE_OUTPOINT]: "a coinbase spends the null output, 32 bytes 00 and ffffffff",
  [CoinbaseBytes.COINBASE_SCRIPT_SIZE]: `the scriptSig of a coinbase has 2 to ${MAX_COINBASE_SCRIPT_SIZE} bytes`,
  [CoinbaseBytes.COINBASE_OUTPUT_COUNT]: "a coinbase has an output, and counts and lengths are in their shortest form",
  [CoinbaseBytes.COINBASE_VALUE]: `a coinbase's outputs are at most ${MAX_MONEY} satoshis together`,
  [CoinbaseBytes.COINBASE_WITNESS]: "a coinbase with marker and flag has a witness of one item of 32 bytes (BIP141)",
  [CoinbaseBytes.COINBASE_TRAILING]: "a coinbase ends with its lock time, and bytes follow"
}

/** The size of an amount and of the length of an empty script. */
const MIN_OUTPUT_SIZE = 9
const FINAL_SEQUENCE = 0xffffffff
/** Lock times from here on are seconds since 1970. */
const FIRST_LOCK_TIME_BY_CLOCK = 500_000_000

const refuse = (message: string): Result.Result<never, CoinbaseError> => Result.fail(new CoinbaseError({ message }))

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex") || "empty"
