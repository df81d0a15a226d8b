import { scriptForAddress, serializeCountedOutputs } from "@sluice/bitcoin"
import { AcceptCustomJobs, allocatedOutputs, TokenKey, Tokens, tokenUser } from "@sluice/job-declaration"
import { ErrorCode, Mining } from "@sluice/protocol"
import { Result } from "effect"
import { randomBytes } from "node:crypto"

// The declarator and the pool have the same key, and nothing else in common.
const key = TokenKey(randomBytes(32))
const payout = {
  scripts: [scriptForAddress("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "regtest")],
  minPercent: 98
}

// The declarator answers AllocateMiningJobToken of alice.
const now = 1_800_000_000_000
const token = new Tokens(key).allocate({
  mode: "coinbase-only",
  expiresAt: now / 1000 + 600,
  serial: randomBytes(16),
  user: tokenUser("alice")
})
console.log(`token of ${token.length} bytes, outputs ${Buffer.from(allocatedOutputs(payout)).toString("hex")}`)

// The pool takes a job that alice makes with it.
const pool = new AcceptCustomJobs({ tokens: new Tokens(key), payout: () => payout })
const connection = pool.of("192.0.2.7")
const prevHash = new Uint8Array(32).fill(7)
const request = {
  message: Mining.SetCustomMiningJob.make({
    channelId: 2,
    requestId: 1,
    miningJobToken: token,
    version: 0x20000000,
    prevHash,
    minNtime: now / 1000,
    nbits: 0x1d00ffff,
    coinbaseTxVersion: 2,
    coinbasePrefix: Uint8Array.of(1, 101),
    coinbaseTxInputNSequence: 0xffffffff,
    coinbaseTxOutputs: serializeCountedOutputs([{ value: 5_000_000_000n, script: payout.scripts[0]! }]),
    coinbaseTxLocktime: 0,
    merklePath: []
  }),
  channels: [{ connectionId: 1, channelId: 2, kind: "extended", userIdentity: "alice.rig1" }],
  extranonceSize: 20,
  tip: {
    prevHash: { hash: prevHash, ntime: now / 1000, receivedAt: now, nbits: 0x1d00ffff, target: new Uint8Array(32) },
    height: 101,
    leastNtime: now / 1000 - 600,
    latestNtime: now / 1000 + 600
  },
  versionRollingAllowed: true,
  now
} as const

const late = connection.accept({ ...request, tip: { ...request.tip, height: 102 } })
if (Result.isFailure(late)) console.log(`${late.failure.errorCode}: ${late.failure.reason}`)
const accepted = connection.accept(request)
if (Result.isSuccess(accepted)) console.log(`a job for block ${accepted.success.job.height}`)
const again = connection.accept(request)
if (Result.isFailure(again)) console.log(again.failure.errorCode === ErrorCode.setCustomMiningJob.invalidMiningJobToken)
