/** A client of a pool that sets its own jobs with tokens that the test makes. */
import { Mining } from "@sluice/protocol"
import { type DeclaredJob, type Token, TokenKey, type TokenMode, Tokens, tokenUser } from "@sluice/job-declaration"
import { asPoolsJob, customMiningJob, type CustomJobOptions } from "@sluice/testing/custom-job"
import { Miner, openExtended, TestClient } from "@sluice/testing/pool-client"
import { futureTemplate, newPrevHash } from "@sluice/testing/templates"
import { Clock, Effect } from "effect"

export const tokens = new Tokens(TokenKey(new Uint8Array(32).fill(3)))
/** The script of `COINBASE_ADDRESS`. */
export const PAYOUT_SCRIPT = new Uint8Array(Buffer.from("0014751e76e8199196d454941c45d1b3a323f1433bd6", "hex"))

let serials = 0
/** A token that nobody used, good for ten minutes. */
export const freshToken = (mode: TokenMode, user = "user"): Effect.Effect<Token> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const serial = new Uint8Array(16)
    new DataView(serial.buffer).setUint32(0, ++serials)
    return { mode, expiresAt: Math.floor(now / 1000) + 600, serial, user: tokenUser(user), declared: undefined }
  })

export const coinbaseOnly = (user?: string): Effect.Effect<Uint8Array> =>
  Effect.map(freshToken("coinbase-only", user), (token) => tokens.allocate(token))

export const declared = (job: DeclaredJob, user?: string): Effect.Effect<Uint8Array> =>
  Effect.map(freshToken("full-template", user), (token) => tokens.declare(token, job))

/** A right message for this channel; `tip` is the number of the block's template. */
export const customJob = (
  channelId: number,
  token: Uint8Array,
  fields: Partial<Mining.SetCustomMiningJob> = {},
  { tip = 1, ...options }: Partial<CustomJobOptions> & { readonly tip?: number } = {}
): Mining.SetCustomMiningJob => {
  const template = futureTemplate(1)
  const outputs = [{ value: template.coinbaseTxValueRemaining, script: PAYOUT_SCRIPT }]
  return customMiningJob({ template, prevHash: newPrevHash(tip), token, channelId, outputs, ...options }, fields)
}

/** Connects and opens a channel, which gets no job. */
export const connect = Effect.fnUntraced(function* (fields: Partial<Mining.OpenExtendedMiningChannel> = {}) {
  const client = yield* TestClient.connect({ flags: Mining.REQUIRES_WORK_SELECTION })
  yield* client.send(openExtended(fields))
  return { client, miner: new Miner(yield* client.expect("OpenExtendedMiningChannel.Success")) }
})

/** Sets a job and lets the miner mine it. Returns its id. */
export const setJob = Effect.fnUntraced(function* (client: TestClient, miner: Miner, job?: Mining.SetCustomMiningJob) {
  const message = job ?? customJob(miner.channelId, yield* coinbaseOnly())
  yield* client.send(message)
  const { jobId } = yield* client.expect("SetCustomMiningJob.Success")
  for (const work of asPoolsJob(message, jobId, 24)) miner.receive(work)
  return jobId
})
