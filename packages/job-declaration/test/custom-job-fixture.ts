/** A pool's side of custom jobs without a connection: tokens, payout and tip that fit the messages of `customMiningJob`. */
import type { CustomJob, CustomJobRefusal, CustomJobRequest } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { customMiningJob, type CustomJobOptions, POOL_SCRIPT } from "@sluice/testing/custom-job"
import { futureTemplate, newPrevHash } from "@sluice/testing/templates"
import { Result } from "effect"
import {
  type DeclaredJob,
  type PayoutRules,
  type Token,
  TokenKey,
  type TokenMode,
  Tokens,
  tokenUser
} from "../src/index.ts"

export const SECONDS = 1_800_000_000
export const tokens = new Tokens(TokenKey(new Uint8Array(32).fill(7)))
export const payout: PayoutRules = { scripts: [POOL_SCRIPT], minPercent: 100 }
export const template = futureTemplate(1)
export const tip = newPrevHash(1)

let serials = 0
/** A token that nobody used. */
export const freshToken = (mode: TokenMode, user = "alice"): Token => {
  const serial = new Uint8Array(16)
  new DataView(serial.buffer).setUint32(0, ++serials)
  return { mode, expiresAt: SECONDS + 600, serial, user: tokenUser(user), declared: undefined }
}

export const coinbaseOnly = (user?: string): Uint8Array => tokens.allocate(freshToken("coinbase-only", user))
export const declared = (job: DeclaredJob, user?: string): Uint8Array =>
  tokens.declare(freshToken("full-template", user), job)

/** A message that is right, with these differences. */
export const message = (
  fields: Partial<Mining.SetCustomMiningJob> = {},
  options: Partial<CustomJobOptions> = {}
): Mining.SetCustomMiningJob =>
  customMiningJob({ template, prevHash: tip, token: coinbaseOnly(), channelId: 2, ...options }, fields)

export const request = (
  message: Mining.SetCustomMiningJob,
  fields: Partial<CustomJobRequest> = {}
): CustomJobRequest => ({
  message,
  channels: [{ connectionId: 1, channelId: 2, kind: "extended", userIdentity: "alice.rig" }],
  extranonceSize: 20,
  tip: {
    prevHash: { hash: tip.prevHash, ntime: SECONDS, receivedAt: SECONDS * 1000, nbits: tip.nbits, target: tip.target },
    height: 159,
    leastNtime: SECONDS - 600,
    latestNtime: SECONDS + 600
  },
  versionRollingAllowed: true,
  now: SECONDS * 1000,
  ...fields
})

/** The error code, or "accepted". */
export const codeOf = (result: Result.Result<CustomJob, CustomJobRefusal>): string =>
  Result.match(result, { onSuccess: () => "accepted", onFailure: ({ errorCode }) => errorCode })
