/**
 * Known error codes (specification, section 3.5, and those of deployed software), grouped by the message that carries them.
 * The set is open: software logs unknown codes and never acts on them.
 */

type ValueOf<Codes> = Codes[keyof Codes]

/** SetupConnection.Error (section 3.6.3). */
export const setup = {
  unsupportedFeatureFlags: "unsupported-feature-flags",
  unsupportedProtocol: "unsupported-protocol",
  protocolVersionMismatch: "protocol-version-mismatch",
  missingDeclareTxDataFlag: "missing-declare-tx-data-flag"
} as const
export type Setup = ValueOf<typeof setup>

/** OpenMiningChannel.Error (section 5.3.6). */
export const openChannel = {
  unknownUser: "unknown-user",
  invalidUserIdentity: "invalid-user-identity",
  invalidNominalHashrate: "invalid-nominal-hashrate",
  maxTargetOutOfRange: "max-target-out-of-range",
  minExtranonceSizeTooLarge: "min-extranonce-size-too-large",
  unsupportedMinExtranonceSize: "unsupported-min-extranonce-size",
  standardChannelsNotSupportedForCustomWork: "standard-channels-not-supported-for-custom-work",
  extendedChannelsNotSupportedForStandardJobs: "extended-channels-not-supported-for-standard-jobs"
} as const
export type OpenChannel = ValueOf<typeof openChannel>

/** UpdateChannel.Error (section 5.3.8). */
export const updateChannel = {
  invalidNominalHashrate: "invalid-nominal-hashrate",
  invalidChannelId: "invalid-channel-id"
} as const
export type UpdateChannel = ValueOf<typeof updateChannel>

/** SubmitShares.Error (section 5.3.14). */
export const submitShares = {
  invalidChannelId: "invalid-channel-id",
  invalidShare: "invalid-share",
  staleShare: "stale-share",
  invalidJobId: "invalid-job-id",
  difficultyTooLow: "difficulty-too-low",
  duplicateShare: "duplicate-share",
  badExtranonceSize: "bad-extranonce-size",
  versionRollingNotAllowed: "version-rolling-not-allowed",
  invalidNonRollableVersionBit: "invalid-non-rollable-version-bit"
} as const
export type SubmitShares = ValueOf<typeof submitShares>

/** SetCustomMiningJob.Error (section 5.3.20). */
export const setCustomMiningJob = {
  jdNotSupported: "jd-not-supported",
  invalidChannelId: "invalid-channel-id",
  invalidMiningJobToken: "invalid-mining-job-token",
  jobNotYetValidated: "job-not-yet-validated",
  staleChainTip: "stale-chain-tip",
  invalidMinNtime: "invalid-min-ntime",
  invalidNbits: "invalid-nbits",
  invalidVersion: "invalid-version",
  invalidCoinbaseTx: "invalid-coinbase-tx",
  invalidCoinbaseTxVersion: "invalid-coinbase-tx-version",
  invalidCoinbasePrefix: "invalid-coinbase-prefix",
  invalidCoinbaseTxInputNSequence: "invalid-coinbase-tx-input-n-sequence",
  invalidCoinbaseTxOutputs: "invalid-coinbase-tx-outputs",
  invalidCoinbaseTxLocktime: "invalid-coinbase-tx-locktime",
  invalidMerklePath: "invalid-merkle-path"
} as const
export type SetCustomMiningJob = ValueOf<typeof setCustomMiningJob>

/** DeclareMiningJob.Error (section 6.4.6). */
export const declareMiningJob = {
  invalidMiningJobToken: "invalid-mining-job-token",
  missingTxs: "missing-txs",
  invalidCoinbaseTx: "invalid-coinbase-tx",
  invalidCoinbaseTxInput: "invalid-coinbase-tx-input",
  internalError: "internal-error",
  staleChainTip: "stale-chain-tip",
  invalidJob: "invalid-job"
} as const
export type DeclareMiningJob = ValueOf<typeof declareMiningJob>

/** RequestTransactionData.Error (section 7.6). */
export const requestTransactionData = {
  staleTemplateId: "stale-template-id",
  templateIdNotFound: "template-id-not-found"
} as const
export type RequestTransactionData = ValueOf<typeof requestTransactionData>
