/** The machine of one connection of a job declarator with a mempool beside, without a node: for fuzzing, benchmarks and models. */
import { coinbasePrefix, serializeOutputs, witnessCommitment, witnessCommitmentOutput } from "@sluice/bitcoin"
import {
  type ChainTip,
  declaredCoinbase,
  DeclaredJobs,
  DeclarationSession,
  FairLimit,
  type PayoutRules,
  type SessionContext,
  sessionOutbox,
  type SessionOutbox,
  type TokenMode,
  TokenKey,
  Tokens,
  TransactionStore,
  wholeHalves
} from "@sluice/job-declaration"
import { JobDeclaration, type TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import { template } from "./templates.ts"

export interface DeclaratorOptions {
  readonly tip: ChainTip
  readonly payout: PayoutRules
  readonly key?: TokenKey
  /** Whether there is a node that judges proposed blocks. Default false. */
  readonly hasProposals?: boolean
}

/** What the connections of one declarator share. Its serials are numbers that count up, so that a run can be repeated. */
export class DeclaratorMachine {
  tip: ChainTip
  readonly store = new TransactionStore(1)
  readonly limits = {
    tokens: new FairLimit({ max: 10_000, maxPerAddress: 10_000 }),
    declarations: new FairLimit({ max: 64, maxPerAddress: 64 }),
    bytes: new FairLimit({ max: 2 ** 28, maxPerAddress: 2 ** 28 })
  }
  readonly jobs = new DeclaredJobs(this.store, this.limits.bytes)
  readonly tokens: Tokens
  readonly context: SessionContext
  private lastSerial = 0

  constructor({ hasProposals = false, key = TokenKey(new Uint8Array(32)), payout, tip }: DeclaratorOptions) {
    this.tip = tip
    this.tokens = new Tokens(key)
    this.context = {
      tokens: this.tokens,
      store: this.store,
      jobs: this.jobs,
      limits: this.limits,
      maxOfConnection: { tokens: 64, declarations: 8, bytes: 2 ** 26 },
      tip: () => this.tip,
      hasProposals: () => hasProposals,
      payout: () => payout,
      newSerial: () => serialOf(++this.lastSerial),
      times: { tokenLifetimeMs: 600_000, transactionsMs: 10_000, tipMs: 5_000, verdictMs: 20_000 }
    }
  }

  connect(mode: TokenMode, host = "192.0.2.1"): DeclarationSession {
    return new DeclarationSession(this.context, mode, FairLimit.address(host))
  }

  /** Lets a connection do its work until it waits for somebody. */
  finish(session: DeclarationSession, now: number, out: SessionOutbox = sessionOutbox()): SessionOutbox {
    while (session.isBusy) session.step(now, out)
    return out
  }
}

export const EXTRANONCE_SIZE = 16

export interface DeclaredParts {
  readonly tip: ChainTip
  /** Scripts of the pool's outputs; the value is on the first. */
  readonly payout: PayoutRules
  readonly token: Uint8Array
  readonly requestId: number
  readonly wtxids: ReadonlyArray<Uint8Array>
  readonly value?: bigint
}

/** A template on this tip whose outputs commit to these transactions. */
export const templateOn = (
  { height }: ChainTip,
  wtxids: ReadonlyArray<Uint8Array>,
  fields: Partial<TemplateDistribution.NewTemplate> = {}
): TemplateDistribution.NewTemplate =>
  template(1, {
    coinbasePrefix: coinbasePrefix(height),
    coinbaseTxInputSequence: 0xffffffff,
    coinbaseTxLocktime: 0,
    coinbaseTxOutputs: serializeOutputs([witnessCommitmentOutput(witnessCommitment(wtxids))]),
    ...fields
  })

/** A declaration of these transactions, as our client makes it. */
export const declaredJob = (parts: DeclaredParts): JobDeclaration.DeclareMiningJob => {
  const { payout, requestId, tip, token, wtxids } = parts
  const halves = wholeHalves(
    Result.getOrThrow(
      declaredCoinbase({
        template: templateOn(tip, wtxids, { coinbaseTxValueRemaining: parts.value ?? tip.subsidy }),
        poolOutputs: payout.scripts.map((script) => ({ value: 0n, script })),
        ownOutputs: [],
        tags: new Uint8Array(0),
        extranonceSize: EXTRANONCE_SIZE
      })
    )
  )
  return JobDeclaration.DeclareMiningJob.make({
    requestId,
    miningJobToken: token,
    version: 0x2000_0000,
    coinbaseTxPrefix: halves.prefix,
    coinbaseTxSuffix: halves.suffix,
    wtxidList: [...wtxids],
    excessData: new Uint8Array(0)
  })
}

/** The serial of the nth token. */
export const serialOf = (number: number): Uint8Array => {
  const serial = new Uint8Array(16)
  new DataView(serial.buffer).setUint32(0, number)
  return serial
}
