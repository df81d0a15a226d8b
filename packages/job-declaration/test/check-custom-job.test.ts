import { describe, expect, it } from "@effect/vitest"
import {
  addWitness,
  coinbaseMerklePath,
  doubleSha256,
  isCoinbase,
  MAX_MONEY,
  merkleRootFromPath,
  type Output,
  parseTransaction,
  serializeCountedOutputs,
  serializeOutputs
} from "@sluice/bitcoin"
import { ErrorCode, type Mining } from "@sluice/protocol"
import { POOL_SCRIPT } from "@sluice/testing/custom-job"
import { COMMITMENT_OUTPUT } from "@sluice/testing/templates"
import { Result } from "effect"
import * as fc from "fast-check"
import { checkCustomJob, digestOfJob, type PayoutRules, type Token } from "../src/index.ts"
import { codeOf, freshToken, message, payout, request, SECONDS, tip } from "./custom-job-fixture.ts"

const OTHER = new Uint8Array([0x51, 0x20, ...new Uint8Array(32).fill(5)])
const allocated = freshToken("coinbase-only")

type Fields = Partial<Mining.SetCustomMiningJob>

const check = (fields: Fields, token: Token = allocated, rules: PayoutRules = payout) =>
  checkCustomJob(request(message(fields)), token, rules)
const code = (fields: Fields, token?: Token, rules?: PayoutRules): string => codeOf(check(fields, token, rules))

const paying = (outputs: ReadonlyArray<Output>): Fields => ({ coinbaseTxOutputs: serializeCountedOutputs(outputs) })
const pool = (value: bigint): Output => ({ value, script: POOL_SCRIPT })
const other = (value: bigint): Output => ({ value, script: OTHER })

describe("a SetCustomMiningJob with an allocated token", () => {
  it("becomes a job whose coinbase is a transaction with the client's outputs and the extranonce at the script's end", () => {
    const { job, minNtime } = Result.getOrThrow(check({}))
    const extranonce = new Uint8Array(20).fill(0xab)
    const bytes = new Uint8Array([...job.coinbasePrefix, ...extranonce, ...job.coinbaseSuffix])
    const transaction = parseTransaction(bytes)
    const sent = message()
    expect(isCoinbase(transaction)).toBe(true)
    expect(transaction).toMatchObject({ version: 2, lockTime: 158 })
    expect(transaction.inputs[0]!.sequence).toBe(0xfffffffe)
    expect(transaction.inputs[0]!.script).toEqual(new Uint8Array([...sent.coinbasePrefix, ...extranonce]))
    expect(transaction.outputs.map(({ value }) => value)).toEqual([5_000_000_000n, 0n])
    expect(parseTransaction(addWitness(bytes)).txid).toEqual(doubleSha256(bytes))
    expect(job.merklePath).toEqual(sent.merklePath)
    expect(job).toMatchObject({ height: 159, version: 0x20000000, versionRollingAllowed: true })
    expect(minNtime).toBe(SECONDS)
  })

  it("gives the merkle root of the whole tree", () => {
    const txids = Array.from({ length: 12 }, (_, index) => new Uint8Array(32).fill(index + 1))
    const { job } = Result.getOrThrow(check({ merklePath: coinbaseMerklePath(txids) }))
    const coinbase = new Uint8Array([...job.coinbasePrefix, ...new Uint8Array(20), ...job.coinbaseSuffix])
    let level = [doubleSha256(coinbase), ...txids]
    while (level.length > 1) {
      const padded = level.length % 2 === 1 ? [...level, level.at(-1)!] : level
      level = Array.from({ length: padded.length / 2 }, (_, index) =>
        doubleSha256(new Uint8Array([...padded[2 * index]!, ...padded[2 * index + 1]!]))
      )
    }
    expect(merkleRootFromPath(doubleSha256(coinbase), job.merklePath)).toEqual(level[0])
  })

  it("keeps no view on the bytes of the message", () => {
    const sent = message()
    const { job } = Result.getOrThrow(checkCustomJob(request(sent), allocated, payout))
    const before = [...job.coinbasePrefix, ...job.coinbaseSuffix, ...job.merklePathBytes]
    for (const part of [sent.coinbasePrefix, sent.coinbaseTxOutputs, ...sent.merklePath]) part.fill(0xee)
    expect([...job.coinbasePrefix, ...job.coinbaseSuffix, ...job.merklePathBytes]).toEqual(before)
    expect(job.merklePath[1]).toEqual(new Uint8Array(32).fill(0x22))
  })

  it("is refused on another previous hash as stale-chain-tip, before nbits are compared", () => {
    expect(code({ prevHash: tip.prevHash.with(0, 9) })).toBe("stale-chain-tip")
    expect(code({ prevHash: tip.prevHash.with(31, 9), nbits: 1 })).toBe("stale-chain-tip")
  })

  it("is refused with other nbits, and with a min_ntime outside the range", () => {
    expect(code({ nbits: 0x1d00fffe })).toBe("invalid-nbits")
    expect(code({ minNtime: SECONDS - 600 })).toBe("accepted")
    expect(code({ minNtime: SECONDS - 601 })).toBe("invalid-min-ntime")
    expect(code({ minNtime: SECONDS + 600 })).toBe("accepted")
    expect(code({ minNtime: SECONDS + 601 })).toBe("invalid-min-ntime")
  })

  it("is refused with a version that consensus does not take, and taken with any other", () => {
    for (const version of [0, 1, 3, 0x80000000, 0xffffffff]) expect(code({ version })).toBe("invalid-version")
    for (const version of [4, 0x20000000, 0x3fffe000, 0x7fffffff]) expect(code({ version })).toBe("accepted")
  })

  it("is refused unless its script begins with the height in BIP34's form", () => {
    for (const prefix of [[], [2, 0x9f], [2, 0xa0, 0], [3, 0x9f, 0, 0], [0x9f, 0]]) {
      expect(code({ coinbasePrefix: Uint8Array.from(prefix) })).toBe("invalid-coinbase-prefix")
    }
    expect(code({ coinbasePrefix: Uint8Array.of(2, 0x9f, 0) })).toBe("accepted")
  })

  it("takes what other clients put between the height and the extranonce, up to 100 bytes of script", () => {
    const longest = new Uint8Array(80).fill(0x61)
    longest.set([2, 0x9f, 0])
    expect(code({ coinbasePrefix: longest })).toBe("accepted")
    expect(code({ coinbasePrefix: new Uint8Array([...longest, 0]) })).toBe("invalid-coinbase-prefix")
    const most = new Uint8Array(255)
    most.set([2, 0x9f, 0])
    expect(code({ coinbasePrefix: most })).toBe("invalid-coinbase-prefix")
  })

  it("is refused with a lock time that is not final", () => {
    const sequence = 0xfffffffe
    expect(code({ coinbaseTxLocktime: 159, coinbaseTxInputNSequence: sequence })).toBe("invalid-coinbase-tx-locktime")
    expect(code({ coinbaseTxLocktime: 159, coinbaseTxInputNSequence: 0xffffffff })).toBe("accepted")
    expect(code({ coinbaseTxLocktime: SECONDS, coinbaseTxInputNSequence: 0 })).toBe("invalid-coinbase-tx-locktime")
    expect(code({ coinbaseTxLocktime: SECONDS - 1, coinbaseTxInputNSequence: 0 })).toBe("accepted")
  })

  it("is refused with a merkle path longer than that of the fullest block", () => {
    const node = new Uint8Array(32)
    expect(code({ merklePath: Array.from({ length: 15 }, () => node) })).toBe("accepted")
    expect(code({ merklePath: Array.from({ length: 16 }, () => node) })).toBe("invalid-merkle-path")
    expect(code({ merklePath: [] })).toBe("accepted")
  })

  it("is refused if the coinbase would not fit SubmitSolution", () => {
    const script = new Uint8Array(65_535 - 1 - 8 - 3 - 8 - 1 - 22)
    const outputs = [pool(1n), { value: 0n, script }]
    const bytes = serializeCountedOutputs(outputs)
    expect(bytes.length).toBe(65_535)
    expect(code({ coinbaseTxOutputs: bytes })).toBe("invalid-coinbase-tx")
  })

  it("is refused while full-template mode asks for a declaration", () => {
    expect(code({}, freshToken("full-template"))).toBe("job-not-yet-validated")
  })
})

describe("the outputs of a custom job", () => {
  it("are refused if they are cut off anywhere, or bytes follow", () => {
    const { coinbaseTxOutputs } = message()
    for (let length = 0; length < coinbaseTxOutputs.length; length++) {
      expect(code({ coinbaseTxOutputs: coinbaseTxOutputs.subarray(0, length) })).toBe("invalid-coinbase-tx-outputs")
    }
    expect(code({ coinbaseTxOutputs: new Uint8Array([...coinbaseTxOutputs, 0]) })).toBe("invalid-coinbase-tx-outputs")
  })

  it("are refused without their count, as NewTemplate carries them", () => {
    const coinbaseTxOutputs = new Uint8Array([...serializeOutputs([pool(5n)]), ...COMMITMENT_OUTPUT])
    expect(code({ coinbaseTxOutputs })).toBe("invalid-coinbase-tx-outputs")
  })

  it("are refused with a count that is not in its shortest form, is 0, or names outputs that are not there", () => {
    const one = serializeOutputs([pool(5n)])
    for (const count of [[0xfd, 1, 0], [0xfe, 1, 0, 0, 0], [0], [2], [0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]]) {
      expect(code({ coinbaseTxOutputs: new Uint8Array([...count, ...one]) })).toBe("invalid-coinbase-tx-outputs")
    }
    expect(code({ coinbaseTxOutputs: new Uint8Array([1, ...one]) })).toBe("accepted")
  })

  it("are refused if a value or their sum is more money than there is, also where 64 bits overflow", () => {
    expect(code(paying([pool(MAX_MONEY)]))).toBe("accepted")
    expect(code(paying([pool(MAX_MONEY + 1n)]))).toBe("invalid-coinbase-tx-outputs")
    expect(code(paying([pool(MAX_MONEY), pool(1n)]))).toBe("invalid-coinbase-tx-outputs")
    expect(code(paying([pool(2n ** 64n - 1n), pool(2n)]))).toBe("invalid-coinbase-tx-outputs")
  })

  it("may stand in any order, and the pool's value may be split over outputs with its script", () => {
    expect(code(paying([other(0n), pool(7n)]))).toBe("accepted")
    expect(code(paying([pool(3n), other(0n), pool(4n)]))).toBe("accepted")
  })

  it("must pay the pool all by default, and more than nothing", () => {
    expect(code(paying([pool(7n), other(1n)]))).toBe("invalid-coinbase-tx-outputs")
    expect(code(paying([other(7n)]))).toBe("invalid-coinbase-tx-outputs")
    expect(code(paying([pool(0n), other(7n)]))).toBe("invalid-coinbase-tx-outputs")
    expect(code(paying([pool(0n)]))).toBe("invalid-coinbase-tx-outputs")
  })

  it("must pay the pool the demanded percentage of all outputs, rounded up to a satoshi", () => {
    const rules = { ...payout, minPercent: 97.5 }
    expect(code(paying([pool(975n), other(25n)]), undefined, rules)).toBe("accepted")
    expect(code(paying([pool(974n), other(26n)]), undefined, rules)).toBe("invalid-coinbase-tx-outputs")
    // 97.5 % of 1,001 are 975.975 satoshis.
    expect(code(paying([pool(976n), other(25n)]), undefined, rules)).toBe("accepted")
    expect(code(paying([pool(975n), other(26n)]), undefined, rules)).toBe("invalid-coinbase-tx-outputs")
  })

  it("must have every output of the pool, as often as the pool has it", () => {
    const fee = new Uint8Array([0x6a, 1, 1])
    const rules = { scripts: [POOL_SCRIPT, fee, OTHER, fee], minPercent: 100 }
    const zero = { value: 0n, script: fee }
    expect(code(paying([zero, pool(9n), other(0n), zero]), undefined, rules)).toBe("accepted")
    expect(code(paying([pool(9n), other(0n), zero]), undefined, rules)).toBe("invalid-coinbase-tx-outputs")
    expect(code(paying([pool(9n), zero, zero]), undefined, rules)).toBe("invalid-coinbase-tx-outputs")
    expect(code(paying([pool(9n)]), undefined, { scripts: [], minPercent: 100 })).toBe("invalid-coinbase-tx-outputs")
  })

  it("are accepted for any shares of the money exactly if the pool gets what it is due", () => {
    const amount = fc.bigInt({ min: 0n, max: 2_000_000n })
    const tenThousandths = fc.integer({ min: 1, max: 1_000_000 })
    fc.assert(
      fc.property(amount, fc.array(amount, { maxLength: 3 }), tenThousandths, fc.nat(), (own, others, part, at) => {
        const outputs = others.map(other)
        outputs.splice(at % (outputs.length + 1), 0, pool(own))
        const total = others.reduce((sum, value) => sum + value, own)
        const isDue = own > 0n && own * 1_000_000n >= total * BigInt(part)
        const rules = { ...payout, minPercent: part / 10_000 }
        expect(code(paying(outputs), undefined, rules)).toBe(isDue ? "accepted" : "invalid-coinbase-tx-outputs")
      })
    )
  })

  it("end in an error code and nothing else, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (coinbaseTxOutputs) => {
        expect(["accepted", "invalid-coinbase-tx-outputs"]).toContain(code({ coinbaseTxOutputs }))
      })
    )
  })
})

describe("a SetCustomMiningJob with a declared token", () => {
  const token: Token = { ...freshToken("full-template"), declared: digestOfJob(message()) }

  it("is accepted if it is the declared job", () => {
    expect(code({}, token)).toBe("accepted")
  })

  it("may have other version bits of BIP323", () => {
    expect(code({ version: 0x3fffffe0 }, token)).toBe("accepted")
    expect(code({ version: 0x20000001 }, token)).toBe("invalid-version")
    expect(code({ version: 0x60000000 }, token)).toBe("invalid-version")
  })

  it("has an error code of its own for each difference", () => {
    const differences: Record<string, Fields> = {
      "invalid-coinbase-tx-version": { coinbaseTxVersion: 1 },
      "invalid-coinbase-prefix": { coinbasePrefix: Uint8Array.of(2, 0x9f, 0) },
      "invalid-coinbase-tx-input-n-sequence": { coinbaseTxInputNSequence: 0xffffffff },
      "invalid-coinbase-tx-outputs": paying([other(0n), pool(5_000_000_000n)]),
      "invalid-coinbase-tx-locktime": { coinbaseTxLocktime: 157 },
      "invalid-merkle-path": { merklePath: message().merklePath.slice(1) }
    }
    for (const [expected, fields] of Object.entries(differences)) expect(code(fields, token)).toBe(expected)
  })

  it("is refused as stale-chain-tip if it was declared on another previous hash", () => {
    const before = { ...token, declared: digestOfJob(message({ prevHash: tip.prevHash.with(3, 3) })) }
    expect(code({}, before)).toBe("stale-chain-tip")
  })

  it("must pay the pool all the same", () => {
    const unpaid = paying([other(7n)])
    expect(code(unpaid, { ...token, declared: digestOfJob(message(unpaid)) })).toBe("invalid-coinbase-tx-outputs")
  })

  it("says in its reasons what was expected and what came", () => {
    const reason = (fields: Fields) => Result.getOrThrow(Result.flip(check(fields, token))).reason
    expect(reason({ coinbaseTxVersion: 1 })).toBe("the job was declared with coinbaseTxVersion 2; it is 1")
    expect(reason({ nbits: 0x1d00fffe })).toBe("nbits is 1d00ffff; it is 1d00fffe")
    expect(reason(paying([pool(1n)]))).toBe("coinbaseTxOutputs is another one than that of the declared job")
  })
})

describe("any SetCustomMiningJob", () => {
  const right = message()
  const u32 = (usual: number) =>
    fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, fc.integer({ min: 0, max: 0xffffffff }))
  /** These bytes, or with one of them changed, cut off, or with others behind. */
  const bytesLike = (usual: Uint8Array) =>
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(usual) },
      fc.tuple(fc.nat({ max: usual.length - 1 }), fc.nat({ max: 255 })).map(([at, byte]) => usual.with(at, byte)),
      fc.nat({ max: usual.length }).map((length) => usual.slice(0, length)),
      fc.uint8Array({ maxLength: 120 }).map((more) => new Uint8Array([...usual, ...more]))
    )
  const node = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const fields = fc.record<Fields>({
    version: u32(right.version),
    minNtime: u32(right.minNtime),
    nbits: u32(right.nbits),
    coinbaseTxVersion: u32(right.coinbaseTxVersion),
    coinbasePrefix: bytesLike(right.coinbasePrefix),
    coinbaseTxInputNSequence: u32(right.coinbaseTxInputNSequence),
    coinbaseTxOutputs: bytesLike(right.coinbaseTxOutputs),
    coinbaseTxLocktime: u32(right.coinbaseTxLocktime),
    merklePath: fc.oneof(fc.constant(right.merklePath), fc.array(node, { maxLength: 20 })),
    prevHash: bytesLike(right.prevHash).filter(({ length }) => length === 32)
  })
  const CODES: ReadonlySet<string> = new Set(Object.values(ErrorCode.setCustomMiningJob))

  it("becomes a coinbase that consensus takes and that pays the pool, or gets a code of the specification", () => {
    let accepted = 0
    fc.assert(
      fc.property(fields, fc.integer({ min: 8, max: 32 }), (fields, extranonceSize) => {
        const checked = checkCustomJob(request(message(fields), { extranonceSize }), allocated, payout)
        if (Result.isFailure(checked)) {
          expect([...CODES]).toContain(checked.failure.errorCode)
          return
        }
        accepted++
        const { job } = checked.success
        const bytes = new Uint8Array([...job.coinbasePrefix, ...new Uint8Array(extranonceSize), ...job.coinbaseSuffix])
        const { inputs, lockTime, outputs } = parseTransaction(bytes)
        const { script, sequence } = inputs[0]!
        const total = outputs.reduce((sum, { value }) => sum + value, 0n)
        const paid = outputs.filter(({ script }) => Buffer.compare(script, POOL_SCRIPT) === 0)
        expect(script.length).toBeLessThanOrEqual(100)
        expect([...script.subarray(0, 3)]).toEqual([2, 0x9f, 0])
        expect(lockTime < 159 || lockTime < SECONDS + 600 || sequence === 0xffffffff).toBe(true)
        expect(paid.reduce((sum, { value }) => sum + value, 0n)).toBe(total)
        expect(total > 0n && total <= MAX_MONEY).toBe(true)
      }),
      { numRuns: 2000 }
    )
    expect(accepted).toBeGreaterThan(20)
  })

  it("that differs from a declared job in any field is refused, and only then", () => {
    const token: Token = { ...freshToken("full-template"), declared: digestOfJob(right) }
    const isSame = (fields: Fields): boolean => {
      const { minNtime: _, version, ...others } = { ...right, ...fields }
      return (
        ((version ^ right.version) & ~0x1fffffe0) === 0 &&
        JSON.stringify(others, hexBytes) ===
          JSON.stringify({ ...right, minNtime: undefined, version: undefined }, hexBytes)
      )
    }
    fc.assert(
      fc.property(fields, (fields) => {
        const given = { ...fields, minNtime: right.minNtime }
        const result = codeOf(
          checkCustomJob(request(message({ ...given, miningJobToken: right.miningJobToken })), token, payout)
        )
        expect(result === "accepted").toBe(isSame(given))
      }),
      { numRuns: 1000 }
    )
  })
})

const hexBytes = (_: string, value: unknown): unknown =>
  value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value
