/** An acceptor that takes every job whose token is not empty, and a miner that makes its shares from the message alone. */
import type { Mining } from "@sluice/protocol"
import { customHalves, customMiningJob, type CustomJobOptions } from "@sluice/testing/custom-job"
import { futureTemplate, newPrevHash } from "@sluice/testing/templates"
import { Result } from "effect"
import type { ChannelServer, CustomJobRequest, CustomJobs } from "../src/index.ts"
import { type Said, sha256d, type TestMiner, type TestServer } from "./server-fixture.ts"

export class TestCustomJobs implements CustomJobs {
  bytes = 0
  readonly requests: Array<CustomJobRequest> = []

  accept(request: CustomJobRequest): ReturnType<CustomJobs["accept"]> {
    this.requests.push(request)
    const { extranonceSize, message, tip, versionRollingAllowed } = request
    if (message.miningJobToken.length === 0) {
      return Result.fail({ errorCode: "invalid-mining-job-token", reason: "the token is empty" })
    }
    const { prefix, suffix } = customHalves(message, extranonceSize)
    return Result.succeed({
      job: {
        height: tip.height,
        version: message.version,
        versionRollingAllowed,
        coinbasePrefix: prefix,
        coinbaseSuffix: suffix,
        merklePath: message.merklePath,
        merklePathBytes: new Uint8Array(Buffer.concat(message.merklePath))
      },
      minNtime: message.minNtime,
      accepted: message.miningJobToken
    })
  }

  keep(bytes: number): void {
    this.bytes += bytes
  }
}

/** A right message for a channel or a group on the previous hash of template `tip`. */
export const customJob = (
  channelId: number,
  fields: Partial<Mining.SetCustomMiningJob> = {},
  { tip = 1, ...options }: Partial<CustomJobOptions> & { readonly tip?: number } = {}
): Mining.SetCustomMiningJob =>
  customMiningJob(
    { template: futureTemplate(1), prevHash: newPrevHash(tip), token: Uint8Array.of(1), channelId, ...options },
    fields
  )

/** Lets the miner mine a job that was set, by the id in the answer. */
export const mineCustom = (miner: TestMiner, message: Mining.SetCustomMiningJob, said: Said): number => {
  const answer = said.messages.find(({ _tag }) => _tag === "SetCustomMiningJob.Success")
  if (answer?._tag !== "SetCustomMiningJob.Success") throw new Error(`got ${JSON.stringify(said.messages)}`)
  const { jobId } = answer
  const { prefix } = miner
  const halves = customHalves(message, prefix.length + miner.extranonceSize)
  const root = (extranonce: Uint8Array): Uint8Array =>
    message.merklePath.reduce<Uint8Array>(
      (root, node) => sha256d(root, node),
      sha256d(halves.prefix, prefix, extranonce, halves.suffix)
    )
  miner.jobs.set(jobId, { version: message.version, root })
  miner.jobId = jobId
  miner.prevHash = message.prevHash
  miner.nbits = message.nbits
  miner.ntime = message.minNtime
  return jobId
}

/** Sets a job on the miner's channel. Returns its id. */
export const setJob = (
  server: TestServer,
  connection: ChannelServer,
  miner: TestMiner,
  message = customJob(miner.channelId)
): number => mineCustom(miner, message, server.send(connection, message))
