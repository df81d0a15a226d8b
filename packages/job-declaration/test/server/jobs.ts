/** Jobs to declare, made of a node's template, as a client would make them. */
import {
  addWitness,
  coinbaseMerklePath,
  coinbasePrefix,
  doubleSha256,
  hashFromDisplay,
  merkleRootFromPath,
  type Output,
  splitCoinbase,
  witnessCommitment,
  witnessCommitmentOutput
} from "@sluice/bitcoin"
import { Header, Target } from "@sluice/core"
import type { BlockTemplate } from "@sluice/node"
import { JobDeclaration } from "@sluice/protocol"
import { Result } from "effect"

export const EXTRANONCE_SIZE = 16
/** OP_0 and twenty bytes. */
export const PAYOUT = new Uint8Array([0, 20, ...new Uint8Array(20).fill(7)])

export interface JobOptions {
  readonly requestId?: number
  /** Satoshis above what the template gives. */
  readonly extra?: bigint
  readonly height?: number
  /** Replaces the coinbase's outputs before the commitment. */
  readonly outputs?: ReadonlyArray<Output>
  readonly commitment?: Uint8Array
  readonly version?: number
  readonly wtxids?: ReadonlyArray<Uint8Array>
  readonly lockTime?: number
  readonly sequence?: number
  readonly extranonceSize?: number
  /** Leaves BIP141's fields out. */
  readonly stripped?: boolean
}

export const wtxidsOf = (template: BlockTemplate): ReadonlyArray<Uint8Array> =>
  template.transactions.map(({ hash }) => hashFromDisplay(hash))

export const bytesOf = (template: BlockTemplate): ReadonlyArray<Uint8Array> =>
  template.transactions.map(({ data }) => new Uint8Array(Buffer.from(data, "hex")))

/** A declaration of the template's transactions. */
export const declare = (
  template: BlockTemplate,
  miningJobToken: Uint8Array,
  options: JobOptions = {}
): JobDeclaration.DeclareMiningJob => {
  const wtxids = options.wtxids ?? wtxidsOf(template)
  const value = BigInt(template.coinbasevalue) + (options.extra ?? 0n)
  const { prefix, suffix } = Result.getOrThrow(
    splitCoinbase({
      version: 2,
      prefix: coinbasePrefix(options.height ?? template.height),
      tags: new Uint8Array(0),
      extranonceSize: options.extranonceSize ?? EXTRANONCE_SIZE,
      sequence: options.sequence ?? 0xffffffff,
      outputs: [
        ...(options.outputs ?? [{ value, script: PAYOUT }]),
        witnessCommitmentOutput(options.commitment ?? witnessCommitment(wtxids))
      ],
      templateOutputs: new Uint8Array(0),
      templateOutputsCount: 0,
      lockTime: options.lockTime ?? 0
    })
  )
  const whole = options.stripped === true ? { prefix, suffix } : withWitness(prefix, suffix)
  return JobDeclaration.DeclareMiningJob.make({
    requestId: options.requestId ?? 1,
    miningJobToken,
    version: options.version ?? template.version >>> 0,
    coinbaseTxPrefix: whole.prefix,
    coinbaseTxSuffix: whole.suffix,
    wtxidList: [...wtxids],
    excessData: new Uint8Array(0)
  })
}

/** A solution of a declared job on an easy chain. */
export const solve = (
  template: BlockTemplate,
  job: JobDeclaration.DeclareMiningJob,
  txids: ReadonlyArray<Uint8Array> = template.transactions.map(({ txid }) => hashFromDisplay(txid))
): JobDeclaration.PushSolution => {
  const extranonce = new Uint8Array(EXTRANONCE_SIZE).fill(9)
  const stripped = Buffer.concat([
    job.coinbaseTxPrefix.subarray(0, 4),
    job.coinbaseTxPrefix.subarray(6),
    extranonce,
    job.coinbaseTxSuffix.subarray(0, -38),
    job.coinbaseTxSuffix.subarray(-4)
  ])
  const root = merkleRootFromPath(doubleSha256(stripped), coinbaseMerklePath(txids))
  const header = new Uint8Array(Header.HEADER_SIZE)
  const prevHash = hashFromDisplay(template.previousblockhash)
  const nbits = Number.parseInt(template.bits, 16)
  const ntime = template.curtime
  Header.writeHeader(header, 0, job.version, prevHash, 0, root, 0, ntime, nbits, 0)
  const target = new Uint8Array(32)
  Target.nBitsToTarget(nbits | 0, target, 0)
  const hasher = new Header.HeaderHasher()
  hasher.load(header, 0)
  const nonce = hasher.search(0, 1_000_000, target, 0)
  if (nonce < 0) throw new Error("no nonce in a million")
  return JobDeclaration.PushSolution.make({ extranonce, prevHash, nonce, ntime, nbits, version: job.version })
}

const withWitness = (prefix: Uint8Array, suffix: Uint8Array) => {
  const whole = addWitness(new Uint8Array(Buffer.concat([prefix, suffix])))
  const front = prefix.length + 2
  return { prefix: whole.slice(0, front), suffix: whole.slice(front) }
}
