/** Steps of a job declaration client, for scripts: tokens, declared jobs and custom jobs (6.4, 5.3.18). */
import {
  coinbasePrefix,
  compactSize,
  isWitnessCommitment,
  type Output,
  parseJobCoinbase,
  parseOutputs,
  pushedHeight,
  serializeOutputs,
  witnessCommitment,
  witnessCommitmentOutput
} from "@sluice/bitcoin"
import { Common, JobDeclaration, Mining } from "@sluice/protocol"
import { Effect, Result, type Scope } from "effect"
import type { Peer } from "../peer.ts"
import type { Kit } from "../rule.ts"
import { RuleBroken, RuleSkipped } from "../verdict.ts"
import { openChannel, type Opened, openOn, setUpFor, type WorkingChannel } from "./mining-session.ts"
import { ask, setUp, skipWhereRefused } from "./setup-session.ts"

const { AllocateMiningJobToken, AllocateMiningJobTokenSuccess, DeclareMiningJob, DECLARE_TX_DATA } = JobDeclaration

/** The kit for the job declarator: the server under test, or the one beside it. */
export const declaratorOf = (kit: Kit): Effect.Effect<Kit, RuleSkipped> =>
  besideOf(kit, Common.JOB_DECLARATION_PROTOCOL)

/** The kit for the pool, likewise. */
export const poolOf = (kit: Kit): Effect.Effect<Kit, RuleSkipped> => besideOf(kit, Common.MINING_PROTOCOL)

const besideOf = (kit: Kit, protocolId: Kit["protocolId"]): Effect.Effect<Kit, RuleSkipped> => {
  if (kit.protocolId === protocolId) return Effect.succeed(kit)
  if (kit.beside?.protocolId === protocolId) return Effect.succeed(kit.beside)
  const which = protocolId === Common.MINING_PROTOCOL ? "pool" : "job declarator"
  return Effect.fail(new RuleSkipped({ why: `the kit was not told of the ${which} beside (--beside)` }))
}

/** A connection in full-template mode. Skips the rule if the server has no such mode. */
export const setUpFullTemplate = (kit: Kit) => skipWhereRefused("DECLARE_TX_DATA")(setUp(kit, DECLARE_TX_DATA))

/** A token with the pool's outputs. */
export interface Allocated {
  readonly token: Uint8Array
  readonly outputs: ReadonlyArray<Output>
}

export const allocateFrame = (kit: Kit, requestId: number): Uint8Array =>
  AllocateMiningJobToken.codec.encode(AllocateMiningJobToken.make({ userIdentifier: kit.userIdentity, requestId }))

/** Requests a token, and parses the outputs that come with it. */
export const allocate = Effect.fnUntraced(function* (
  kit: Kit,
  peer: Peer,
  requestId = 1
): Effect.fn.Return<Allocated & { readonly requestId: number }, RuleBroken> {
  yield* peer.send(allocateFrame(kit, requestId))
  const success = yield* peer.expect(AllocateMiningJobTokenSuccess)
  const [count = 0] = success.coinbaseTxOutputs
  const parsed = parseOutputs(success.coinbaseTxOutputs.subarray(1), count)
  if (Result.isSuccess(parsed) && count < 0xfd) {
    return { requestId: success.requestId, token: success.miningJobToken, outputs: parsed.success }
  }
  return yield* new RuleBroken({
    expected: "outputs behind their count",
    came: Result.isFailure(parsed) ? parsed.failure.message : `${count} outputs`
  })
})

/** All that a job of the kit says: what SetCustomMiningJob carries, and the size of the full extranonce. */
export interface Plan extends Omit<
  Mining.SetCustomMiningJob,
  "_tag" | "channelId" | "requestId" | "miningJobToken" | "coinbaseTxOutputs"
> {
  readonly outputs: ReadonlyArray<Output>
  readonly extranonceSize: number
}

/** The commitment to a block without other transactions. */
const EMPTY_COMMITMENT = witnessCommitmentOutput(witnessCommitment([]))
/** Satoshis that a block of any height may pay, also without fees. */
const SMALL_VALUE = 100_000n

/**
 * Plans a job on the tip of an ordinary job of the pool. With `like: "pool"` it has the transactions and the value of that job, as
 * far as the kit knows them: the merkle path. With `"empty"` it has no transactions, so that the kit can declare it.
 */
export const planJob = (
  { job, opened, prevHash }: WorkingChannel,
  { outputs }: Allocated,
  like: "pool" | "empty"
): Effect.Effect<Plan, RuleBroken> =>
  Effect.gen(function* () {
    const extranonceSize = fullExtranonceOf(opened)
    if (job._tag !== "NewExtendedMiningJob") {
      return yield* new RuleBroken({ expected: "an extended job on an extended channel", came: job._tag })
    }
    const coinbase = parseJobCoinbase({ prefix: job.coinbaseTxPrefix, extranonceSize, suffix: job.coinbaseTxSuffix })
    if (Result.isFailure(coinbase)) {
      return yield* new RuleBroken({ expected: "a job whose coinbase can be read", came: coinbase.failure.message })
    }
    const { inputs, lockTime, outputs: poolOutputs, version } = coinbase.success
    const value = like === "pool" ? poolOutputs.reduce((sum, output) => sum + output.value, 0n) : SMALL_VALUE
    const commitment =
      like === "pool" ? poolOutputs.filter(({ script }) => isWitnessCommitment(script)) : [EMPTY_COMMITMENT]
    return {
      version: job.version,
      prevHash: prevHash.prevHash,
      minNtime: Math.max(prevHash.minNtime, job.minNtime ?? 0),
      nbits: prevHash.nbits,
      coinbaseTxVersion: version >>> 0,
      coinbasePrefix: coinbasePrefix(pushedHeight(inputs[0]!.script)),
      coinbaseTxInputNSequence: inputs[0]!.sequence,
      coinbaseTxLocktime: lockTime,
      merklePath: like === "pool" ? job.merklePath : [],
      outputs: [...outputs.map((output, index) => (index === 0 ? { ...output, value } : output)), ...commitment],
      extranonceSize
    }
  })

/** A frame that declares the planned job, without transactions unless changed. */
export const declareFrame = (
  plan: Plan,
  token: Uint8Array,
  requestId: number,
  changes: Partial<JobDeclaration.DeclareMiningJob> = {}
): Uint8Array => {
  const job = {
    requestId,
    miningJobToken: token,
    version: plan.version,
    coinbaseTxPrefix: bytesOf(u32(plan.coinbaseTxVersion), [0, 1], inputOf(plan)),
    coinbaseTxSuffix: bytesOf(
      u32(plan.coinbaseTxInputNSequence),
      serializedOutputs(plan),
      [1, 32],
      new Uint8Array(32),
      u32(plan.coinbaseTxLocktime)
    ),
    wtxidList: [],
    excessData: new Uint8Array(0)
  }
  return DeclareMiningJob.codec.encode(DeclareMiningJob.make({ ...job, ...changes }))
}

/** A frame that sets the planned job on a channel. */
export const customJobFrame = (
  plan: Plan,
  miningJobToken: Uint8Array,
  channelId: number,
  requestId: number
): Uint8Array =>
  Mining.SetCustomMiningJob.codec.encode(
    Mining.SetCustomMiningJob.make({
      ...plan,
      channelId,
      requestId,
      miningJobToken,
      coinbaseTxOutputs: serializedOutputs(plan)
    })
  )

/** The coinbase of the planned job without BIP141's fields, cut around the extranonce. */
export const strippedCoinbase = (plan: Plan) => ({
  prefix: bytesOf(u32(plan.coinbaseTxVersion), inputOf(plan)),
  suffix: bytesOf(u32(plan.coinbaseTxInputNSequence), serializedOutputs(plan), u32(plan.coinbaseTxLocktime))
})

/** One input with the null outpoint, and the script up to the extranonce. */
const inputOf = ({ coinbasePrefix, extranonceSize }: Plan): Uint8Array =>
  bytesOf([1], new Uint8Array(32), u32(0xffffffff), [coinbasePrefix.length + extranonceSize], coinbasePrefix)

const u32 = (value: number): Uint8Array => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24)

const serializedOutputs = ({ outputs }: Pick<Plan, "outputs">): Uint8Array =>
  bytesOf(compactSize(outputs.length), serializeOutputs(outputs))

/** A channel for custom jobs, and a job for it with a token that the pool should accept. */
export interface CustomWork {
  readonly kit: Kit
  readonly peer: Peer
  readonly opened: Opened
  readonly plan: Plan
  readonly token: Uint8Array
  /** Gets another token for this plan, or another one. */
  readonly another: (plan?: Plan) => Effect.Effect<Uint8Array, RuleBroken | RuleSkipped>
}

/** Opens a channel with REQUIRES_WORK_SELECTION, and gets a token: in coinbase-only mode if the declarator has it, or by declaring. */
export const customWork = Effect.fnUntraced(function* (
  kit: Kit
): Effect.fn.Return<CustomWork, RuleBroken | RuleSkipped, Scope.Scope> {
  const [pool, declarator] = yield* Effect.all([poolOf(kit), declaratorOf(kit)])
  const { peer } = yield* skipWhereRefused("REQUIRES_WORK_SELECTION")(
    setUpFor(pool, "extended", Mining.REQUIRES_WORK_SELECTION)
  )
  const opened = yield* openOn(pool, peer, "extended")
  const ordinary = yield* openChannel(pool, "extended")
  const first = yield* ask(declarator, { flags: 0 })
  const blind = first.answer._tag === "SetupConnection.Success"
  const jds = blind ? first.peer : (yield* setUpFullTemplate(declarator)).peer
  let requestId = 0
  const next = Effect.suspend(() => allocate(declarator, jds, ++requestId))
  const allocated = yield* next
  const planned = yield* planJob(ordinary, allocated, blind ? "pool" : "empty")
  const plan = { ...planned, extranonceSize: fullExtranonceOf(opened) }
  const tokenFor = (token: Uint8Array, forPlan: Plan): Effect.Effect<Uint8Array, RuleBroken> =>
    blind
      ? Effect.succeed(token)
      : Effect.map(declared(jds, forPlan, token, ++requestId), (success) => success.newMiningJobToken)
  return {
    kit: pool,
    peer,
    opened,
    plan,
    token: yield* tokenFor(allocated.token, plan),
    another: (other = plan) => Effect.flatMap(next, ({ token }) => tokenFor(token, other))
  }
})

/** The size of a channel's full extranonce. */
const fullExtranonceOf = (opened: Opened): number =>
  opened.extranoncePrefix.length + (opened._tag === "OpenExtendedMiningChannel.Success" ? opened.extranonceSize : 0)

/** Declares the planned job, and fails unless the server accepts it. */
export const declared = Effect.fnUntraced(function* (peer: Peer, plan: Plan, token: Uint8Array, requestId: number) {
  yield* peer.send(declareFrame(plan, token, requestId))
  const { DeclareMiningJobError, DeclareMiningJobSuccess, ProvideMissingTransactions } = JobDeclaration
  const answer = yield* peer.expect(DeclareMiningJobSuccess, DeclareMiningJobError, ProvideMissingTransactions)
  if (answer._tag === "DeclareMiningJob.Success") return answer
  const came = answer._tag === "DeclareMiningJob.Error" ? `${answer._tag} "${answer.errorCode}"` : answer._tag
  return yield* new RuleBroken({ expected: "DeclareMiningJob.Success for a block without transactions", came })
})

const bytesOf = (...parts: ReadonlyArray<Uint8Array | ReadonlyArray<number>>): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))))
