/**
 * What one would write by hand for all messages of the three protocols: two functions for each message, and a switch. The
 * baseline that the compiled codecs are held against: it tests bounds and limits as they do, gives the same objects, and
 * allocates nothing else.
 */
import type { Common, JobDeclaration, Mining, TemplateDistribution } from "@sluice/protocol"
import { Reader, Writer } from "./handwritten-cursor.ts"

const reader = new Reader()
const writer = new Writer()

const readSetupConnection = (r: Reader): Common.SetupConnection => ({
  _tag: "SetupConnection",
  protocol: r.u8(),
  minVersion: r.u16(),
  maxVersion: r.u16(),
  flags: r.u32(),
  endpointHost: r.text(),
  endpointPort: r.u16(),
  vendor: r.text(),
  hardwareVersion: r.text(),
  firmware: r.text(),
  deviceId: r.text()
})
const writeSetupConnection = (w: Writer, m: Common.SetupConnection): void => {
  w.begin(0x0, 0x00)
  w.u8(m.protocol)
  w.u16(m.minVersion)
  w.u16(m.maxVersion)
  w.u32(m.flags)
  w.text(m.endpointHost)
  w.u16(m.endpointPort)
  w.text(m.vendor)
  w.text(m.hardwareVersion)
  w.text(m.firmware)
  w.text(m.deviceId)
}

const readSetupConnectionSuccess = (r: Reader): Common.SetupConnectionSuccess => ({
  _tag: "SetupConnection.Success",
  usedVersion: r.u16(),
  flags: r.u32()
})
const writeSetupConnectionSuccess = (w: Writer, m: Common.SetupConnectionSuccess): void => {
  w.begin(0x0, 0x01)
  w.u16(m.usedVersion)
  w.u32(m.flags)
}

const readSetupConnectionError = (r: Reader): Common.SetupConnectionError => ({
  _tag: "SetupConnection.Error",
  flags: r.u32(),
  errorCode: r.text()
})
const writeSetupConnectionError = (w: Writer, m: Common.SetupConnectionError): void => {
  w.begin(0x0, 0x02)
  w.u32(m.flags)
  w.text(m.errorCode)
}

const readChannelEndpointChanged = (r: Reader): Common.ChannelEndpointChanged => ({
  _tag: "ChannelEndpointChanged",
  channelId: r.u32()
})
const writeChannelEndpointChanged = (w: Writer, m: Common.ChannelEndpointChanged): void => {
  w.begin(0x8000, 0x03)
  w.u32(m.channelId)
}

const readReconnect = (r: Reader): Common.Reconnect => ({ _tag: "Reconnect", newHost: r.text(), newPort: r.u16() })
const writeReconnect = (w: Writer, m: Common.Reconnect): void => {
  w.begin(0x0, 0x04)
  w.text(m.newHost)
  w.u16(m.newPort)
}

const readOpenStandardMiningChannel = (r: Reader): Mining.OpenStandardMiningChannel => ({
  _tag: "OpenStandardMiningChannel",
  requestId: r.u32(),
  userIdentity: r.text(),
  nominalHashRate: r.f32(),
  maxTarget: r.u256()
})
const writeOpenStandardMiningChannel = (w: Writer, m: Mining.OpenStandardMiningChannel): void => {
  w.begin(0x0, 0x10)
  w.u32(m.requestId)
  w.text(m.userIdentity)
  w.f32(m.nominalHashRate)
  w.u256(m.maxTarget)
}

const readOpenStandardMiningChannelSuccess = (r: Reader): Mining.OpenStandardMiningChannelSuccess => ({
  _tag: "OpenStandardMiningChannel.Success",
  requestId: r.u32(),
  channelId: r.u32(),
  target: r.u256(),
  extranoncePrefix: r.bytes32(),
  groupChannelId: r.u32()
})
const writeOpenStandardMiningChannelSuccess = (w: Writer, m: Mining.OpenStandardMiningChannelSuccess): void => {
  w.begin(0x0, 0x11)
  w.u32(m.requestId)
  w.u32(m.channelId)
  w.u256(m.target)
  w.bytes32(m.extranoncePrefix)
  w.u32(m.groupChannelId)
}

const readOpenMiningChannelError = (r: Reader): Mining.OpenMiningChannelError => ({
  _tag: "OpenMiningChannel.Error",
  requestId: r.u32(),
  errorCode: r.text()
})
const writeOpenMiningChannelError = (w: Writer, m: Mining.OpenMiningChannelError): void => {
  w.begin(0x0, 0x12)
  w.u32(m.requestId)
  w.text(m.errorCode)
}

const readOpenExtendedMiningChannel = (r: Reader): Mining.OpenExtendedMiningChannel => ({
  _tag: "OpenExtendedMiningChannel",
  requestId: r.u32(),
  userIdentity: r.text(),
  nominalHashRate: r.f32(),
  maxTarget: r.u256(),
  minExtranonceSize: r.u16()
})
const writeOpenExtendedMiningChannel = (w: Writer, m: Mining.OpenExtendedMiningChannel): void => {
  w.begin(0x0, 0x13)
  w.u32(m.requestId)
  w.text(m.userIdentity)
  w.f32(m.nominalHashRate)
  w.u256(m.maxTarget)
  w.u16(m.minExtranonceSize)
}

const readOpenExtendedMiningChannelSuccess = (r: Reader): Mining.OpenExtendedMiningChannelSuccess => ({
  _tag: "OpenExtendedMiningChannel.Success",
  requestId: r.u32(),
  channelId: r.u32(),
  target: r.u256(),
  extranonceSize: r.u16(),
  extranoncePrefix: r.bytes32(),
  groupChannelId: r.u32()
})
const writeOpenExtendedMiningChannelSuccess = (w: Writer, m: Mining.OpenExtendedMiningChannelSuccess): void => {
  w.begin(0x0, 0x14)
  w.u32(m.requestId)
  w.u32(m.channelId)
  w.u256(m.target)
  w.u16(m.extranonceSize)
  w.bytes32(m.extranoncePrefix)
  w.u32(m.groupChannelId)
}

const readNewMiningJob = (r: Reader): Mining.NewMiningJob => ({
  _tag: "NewMiningJob",
  channelId: r.u32(),
  jobId: r.u32(),
  minNtime: r.optionU32(),
  version: r.u32(),
  merkleRoot: r.u256()
})
const writeNewMiningJob = (w: Writer, m: Mining.NewMiningJob): void => {
  w.begin(0x8000, 0x15)
  w.u32(m.channelId)
  w.u32(m.jobId)
  w.optionU32(m.minNtime)
  w.u32(m.version)
  w.u256(m.merkleRoot)
}

const readUpdateChannel = (r: Reader): Mining.UpdateChannel => ({
  _tag: "UpdateChannel",
  channelId: r.u32(),
  nominalHashRate: r.f32(),
  maximumTarget: r.u256()
})
const writeUpdateChannel = (w: Writer, m: Mining.UpdateChannel): void => {
  w.begin(0x8000, 0x16)
  w.u32(m.channelId)
  w.f32(m.nominalHashRate)
  w.u256(m.maximumTarget)
}

const readUpdateChannelError = (r: Reader): Mining.UpdateChannelError => ({
  _tag: "UpdateChannel.Error",
  channelId: r.u32(),
  errorCode: r.text()
})
const writeUpdateChannelError = (w: Writer, m: Mining.UpdateChannelError): void => {
  w.begin(0x8000, 0x17)
  w.u32(m.channelId)
  w.text(m.errorCode)
}

const readCloseChannel = (r: Reader): Mining.CloseChannel => ({
  _tag: "CloseChannel",
  channelId: r.u32(),
  reasonCode: r.text()
})
const writeCloseChannel = (w: Writer, m: Mining.CloseChannel): void => {
  w.begin(0x8000, 0x18)
  w.u32(m.channelId)
  w.text(m.reasonCode)
}

const readSetExtranoncePrefix = (r: Reader): Mining.SetExtranoncePrefix => ({
  _tag: "SetExtranoncePrefix",
  channelId: r.u32(),
  extranoncePrefix: r.bytes32()
})
const writeSetExtranoncePrefix = (w: Writer, m: Mining.SetExtranoncePrefix): void => {
  w.begin(0x8000, 0x19)
  w.u32(m.channelId)
  w.bytes32(m.extranoncePrefix)
}

const readSubmitSharesStandard = (r: Reader): Mining.SubmitSharesStandard => ({
  _tag: "SubmitSharesStandard",
  channelId: r.u32(),
  sequenceNumber: r.u32(),
  jobId: r.u32(),
  nonce: r.u32(),
  ntime: r.u32(),
  version: r.u32()
})
const writeSubmitSharesStandard = (w: Writer, m: Mining.SubmitSharesStandard): void => {
  w.begin(0x8000, 0x1a)
  w.u32(m.channelId)
  w.u32(m.sequenceNumber)
  w.u32(m.jobId)
  w.u32(m.nonce)
  w.u32(m.ntime)
  w.u32(m.version)
}

const readSubmitSharesExtended = (r: Reader): Mining.SubmitSharesExtended => ({
  _tag: "SubmitSharesExtended",
  channelId: r.u32(),
  sequenceNumber: r.u32(),
  jobId: r.u32(),
  nonce: r.u32(),
  ntime: r.u32(),
  version: r.u32(),
  extranonce: r.bytes32()
})
const writeSubmitSharesExtended = (w: Writer, m: Mining.SubmitSharesExtended): void => {
  w.begin(0x8000, 0x1b)
  w.u32(m.channelId)
  w.u32(m.sequenceNumber)
  w.u32(m.jobId)
  w.u32(m.nonce)
  w.u32(m.ntime)
  w.u32(m.version)
  w.bytes32(m.extranonce)
}

const readSubmitSharesSuccess = (r: Reader): Mining.SubmitSharesSuccess => ({
  _tag: "SubmitShares.Success",
  channelId: r.u32(),
  lastSequenceNumber: r.u32(),
  newSubmitsAcceptedCount: r.u32(),
  newSharesSum: r.u64()
})
const writeSubmitSharesSuccess = (w: Writer, m: Mining.SubmitSharesSuccess): void => {
  w.begin(0x8000, 0x1c)
  w.u32(m.channelId)
  w.u32(m.lastSequenceNumber)
  w.u32(m.newSubmitsAcceptedCount)
  w.u64(m.newSharesSum)
}

const readSubmitSharesError = (r: Reader): Mining.SubmitSharesError => ({
  _tag: "SubmitShares.Error",
  channelId: r.u32(),
  sequenceNumber: r.u32(),
  errorCode: r.text()
})
const writeSubmitSharesError = (w: Writer, m: Mining.SubmitSharesError): void => {
  w.begin(0x8000, 0x1d)
  w.u32(m.channelId)
  w.u32(m.sequenceNumber)
  w.text(m.errorCode)
}

const readNewExtendedMiningJob = (r: Reader): Mining.NewExtendedMiningJob => ({
  _tag: "NewExtendedMiningJob",
  channelId: r.u32(),
  jobId: r.u32(),
  minNtime: r.optionU32(),
  version: r.u32(),
  versionRollingAllowed: r.bool(),
  merklePath: r.hashes255(),
  coinbaseTxPrefix: r.bytes64k(),
  coinbaseTxSuffix: r.bytes64k()
})
const writeNewExtendedMiningJob = (w: Writer, m: Mining.NewExtendedMiningJob): void => {
  w.begin(0x8000, 0x1f)
  w.u32(m.channelId)
  w.u32(m.jobId)
  w.optionU32(m.minNtime)
  w.u32(m.version)
  w.bool(m.versionRollingAllowed)
  w.hashes255(m.merklePath)
  w.bytes64k(m.coinbaseTxPrefix)
  w.bytes64k(m.coinbaseTxSuffix)
}

const readSetNewPrevHash = (r: Reader): Mining.SetNewPrevHash => ({
  _tag: "SetNewPrevHash",
  channelId: r.u32(),
  jobId: r.u32(),
  prevHash: r.u256(),
  minNtime: r.u32(),
  nbits: r.u32()
})
const writeSetNewPrevHash = (w: Writer, m: Mining.SetNewPrevHash): void => {
  w.begin(0x8000, 0x20)
  w.u32(m.channelId)
  w.u32(m.jobId)
  w.u256(m.prevHash)
  w.u32(m.minNtime)
  w.u32(m.nbits)
}

const readSetTarget = (r: Reader): Mining.SetTarget => ({
  _tag: "SetTarget",
  channelId: r.u32(),
  maximumTarget: r.u256()
})
const writeSetTarget = (w: Writer, m: Mining.SetTarget): void => {
  w.begin(0x8000, 0x21)
  w.u32(m.channelId)
  w.u256(m.maximumTarget)
}

const readSetCustomMiningJob = (r: Reader): Mining.SetCustomMiningJob => ({
  _tag: "SetCustomMiningJob",
  channelId: r.u32(),
  requestId: r.u32(),
  miningJobToken: r.bytes255(),
  version: r.u32(),
  prevHash: r.u256(),
  minNtime: r.u32(),
  nbits: r.u32(),
  coinbaseTxVersion: r.u32(),
  coinbasePrefix: r.bytes255(),
  coinbaseTxInputNSequence: r.u32(),
  coinbaseTxOutputs: r.bytes64k(),
  coinbaseTxLocktime: r.u32(),
  merklePath: r.hashes255()
})
const writeSetCustomMiningJob = (w: Writer, m: Mining.SetCustomMiningJob): void => {
  w.begin(0x8000, 0x22)
  w.u32(m.channelId)
  w.u32(m.requestId)
  w.bytes255(m.miningJobToken)
  w.u32(m.version)
  w.u256(m.prevHash)
  w.u32(m.minNtime)
  w.u32(m.nbits)
  w.u32(m.coinbaseTxVersion)
  w.bytes255(m.coinbasePrefix)
  w.u32(m.coinbaseTxInputNSequence)
  w.bytes64k(m.coinbaseTxOutputs)
  w.u32(m.coinbaseTxLocktime)
  w.hashes255(m.merklePath)
}

const readSetCustomMiningJobSuccess = (r: Reader): Mining.SetCustomMiningJobSuccess => ({
  _tag: "SetCustomMiningJob.Success",
  channelId: r.u32(),
  requestId: r.u32(),
  jobId: r.u32()
})
const writeSetCustomMiningJobSuccess = (w: Writer, m: Mining.SetCustomMiningJobSuccess): void => {
  w.begin(0x8000, 0x23)
  w.u32(m.channelId)
  w.u32(m.requestId)
  w.u32(m.jobId)
}

const readSetCustomMiningJobError = (r: Reader): Mining.SetCustomMiningJobError => ({
  _tag: "SetCustomMiningJob.Error",
  channelId: r.u32(),
  requestId: r.u32(),
  errorCode: r.text()
})
const writeSetCustomMiningJobError = (w: Writer, m: Mining.SetCustomMiningJobError): void => {
  w.begin(0x8000, 0x24)
  w.u32(m.channelId)
  w.u32(m.requestId)
  w.text(m.errorCode)
}

const readSetGroupChannel = (r: Reader): Mining.SetGroupChannel => ({
  _tag: "SetGroupChannel",
  groupChannelId: r.u32(),
  channelIds: r.u32s()
})
const writeSetGroupChannel = (w: Writer, m: Mining.SetGroupChannel): void => {
  w.begin(0x0, 0x25)
  w.u32(m.groupChannelId)
  w.u32s(m.channelIds)
}

const readAllocateMiningJobToken = (r: Reader): JobDeclaration.AllocateMiningJobToken => ({
  _tag: "AllocateMiningJobToken",
  userIdentifier: r.text(),
  requestId: r.u32()
})
const writeAllocateMiningJobToken = (w: Writer, m: JobDeclaration.AllocateMiningJobToken): void => {
  w.begin(0x0, 0x50)
  w.text(m.userIdentifier)
  w.u32(m.requestId)
}

const readAllocateMiningJobTokenSuccess = (r: Reader): JobDeclaration.AllocateMiningJobTokenSuccess => ({
  _tag: "AllocateMiningJobToken.Success",
  requestId: r.u32(),
  miningJobToken: r.bytes255(),
  coinbaseTxOutputs: r.bytes64k()
})
const writeAllocateMiningJobTokenSuccess = (w: Writer, m: JobDeclaration.AllocateMiningJobTokenSuccess): void => {
  w.begin(0x0, 0x51)
  w.u32(m.requestId)
  w.bytes255(m.miningJobToken)
  w.bytes64k(m.coinbaseTxOutputs)
}

const readProvideMissingTransactions = (r: Reader): JobDeclaration.ProvideMissingTransactions => ({
  _tag: "ProvideMissingTransactions",
  requestId: r.u32(),
  unknownTxPositionList: r.u16s()
})
const writeProvideMissingTransactions = (w: Writer, m: JobDeclaration.ProvideMissingTransactions): void => {
  w.begin(0x0, 0x55)
  w.u32(m.requestId)
  w.u16s(m.unknownTxPositionList)
}

const readProvideMissingTransactionsSuccess = (r: Reader): JobDeclaration.ProvideMissingTransactionsSuccess => ({
  _tag: "ProvideMissingTransactions.Success",
  requestId: r.u32(),
  transactionList: r.transactions()
})
const writeProvideMissingTransactionsSuccess = (
  w: Writer,
  m: JobDeclaration.ProvideMissingTransactionsSuccess
): void => {
  w.begin(0x0, 0x56)
  w.u32(m.requestId)
  w.transactions(m.transactionList)
}

const readDeclareMiningJob = (r: Reader): JobDeclaration.DeclareMiningJob => ({
  _tag: "DeclareMiningJob",
  requestId: r.u32(),
  miningJobToken: r.bytes255(),
  version: r.u32(),
  coinbaseTxPrefix: r.bytes64k(),
  coinbaseTxSuffix: r.bytes64k(),
  wtxidList: r.hashes64k(),
  excessData: r.bytes64k()
})
const writeDeclareMiningJob = (w: Writer, m: JobDeclaration.DeclareMiningJob): void => {
  w.begin(0x0, 0x57)
  w.u32(m.requestId)
  w.bytes255(m.miningJobToken)
  w.u32(m.version)
  w.bytes64k(m.coinbaseTxPrefix)
  w.bytes64k(m.coinbaseTxSuffix)
  w.hashes64k(m.wtxidList)
  w.bytes64k(m.excessData)
}

const readDeclareMiningJobSuccess = (r: Reader): JobDeclaration.DeclareMiningJobSuccess => ({
  _tag: "DeclareMiningJob.Success",
  requestId: r.u32(),
  newMiningJobToken: r.bytes255()
})
const writeDeclareMiningJobSuccess = (w: Writer, m: JobDeclaration.DeclareMiningJobSuccess): void => {
  w.begin(0x0, 0x58)
  w.u32(m.requestId)
  w.bytes255(m.newMiningJobToken)
}

const readDeclareMiningJobError = (r: Reader): JobDeclaration.DeclareMiningJobError => ({
  _tag: "DeclareMiningJob.Error",
  requestId: r.u32(),
  errorCode: r.text(),
  errorDetails: r.bytes64k()
})
const writeDeclareMiningJobError = (w: Writer, m: JobDeclaration.DeclareMiningJobError): void => {
  w.begin(0x0, 0x59)
  w.u32(m.requestId)
  w.text(m.errorCode)
  w.bytes64k(m.errorDetails)
}

const readPushSolution = (r: Reader): JobDeclaration.PushSolution => ({
  _tag: "PushSolution",
  extranonce: r.bytes32(),
  prevHash: r.u256(),
  nonce: r.u32(),
  ntime: r.u32(),
  nbits: r.u32(),
  version: r.u32()
})
const writePushSolution = (w: Writer, m: JobDeclaration.PushSolution): void => {
  w.begin(0x0, 0x60)
  w.bytes32(m.extranonce)
  w.u256(m.prevHash)
  w.u32(m.nonce)
  w.u32(m.ntime)
  w.u32(m.nbits)
  w.u32(m.version)
}

const readCoinbaseOutputConstraints = (r: Reader): TemplateDistribution.CoinbaseOutputConstraints => ({
  _tag: "CoinbaseOutputConstraints",
  coinbaseOutputMaxAdditionalSize: r.u32(),
  coinbaseOutputMaxAdditionalSigops: r.u16()
})
const writeCoinbaseOutputConstraints = (w: Writer, m: TemplateDistribution.CoinbaseOutputConstraints): void => {
  w.begin(0x0, 0x70)
  w.u32(m.coinbaseOutputMaxAdditionalSize)
  w.u16(m.coinbaseOutputMaxAdditionalSigops)
}

const readNewTemplate = (r: Reader): TemplateDistribution.NewTemplate => ({
  _tag: "NewTemplate",
  templateId: r.u64(),
  futureTemplate: r.bool(),
  version: r.u32(),
  coinbaseTxVersion: r.u32(),
  coinbasePrefix: r.bytes255(),
  coinbaseTxInputSequence: r.u32(),
  coinbaseTxValueRemaining: r.u64(),
  coinbaseTxOutputsCount: r.u32(),
  coinbaseTxOutputs: r.bytes64k(),
  coinbaseTxLocktime: r.u32(),
  merklePath: r.hashes255()
})
const writeNewTemplate = (w: Writer, m: TemplateDistribution.NewTemplate): void => {
  w.begin(0x0, 0x71)
  w.u64(m.templateId)
  w.bool(m.futureTemplate)
  w.u32(m.version)
  w.u32(m.coinbaseTxVersion)
  w.bytes255(m.coinbasePrefix)
  w.u32(m.coinbaseTxInputSequence)
  w.u64(m.coinbaseTxValueRemaining)
  w.u32(m.coinbaseTxOutputsCount)
  w.bytes64k(m.coinbaseTxOutputs)
  w.u32(m.coinbaseTxLocktime)
  w.hashes255(m.merklePath)
}

const readTemplateSetNewPrevHash = (r: Reader): TemplateDistribution.SetNewPrevHash => ({
  _tag: "SetNewPrevHash",
  templateId: r.u64(),
  prevHash: r.u256(),
  headerTimestamp: r.u32(),
  nbits: r.u32(),
  target: r.u256()
})
const writeTemplateSetNewPrevHash = (w: Writer, m: TemplateDistribution.SetNewPrevHash): void => {
  w.begin(0x0, 0x72)
  w.u64(m.templateId)
  w.u256(m.prevHash)
  w.u32(m.headerTimestamp)
  w.u32(m.nbits)
  w.u256(m.target)
}

const readRequestTransactionData = (r: Reader): TemplateDistribution.RequestTransactionData => ({
  _tag: "RequestTransactionData",
  templateId: r.u64()
})
const writeRequestTransactionData = (w: Writer, m: TemplateDistribution.RequestTransactionData): void => {
  w.begin(0x0, 0x73)
  w.u64(m.templateId)
}

const readRequestTransactionDataSuccess = (r: Reader): TemplateDistribution.RequestTransactionDataSuccess => ({
  _tag: "RequestTransactionData.Success",
  templateId: r.u64(),
  excessData: r.bytes64k(),
  transactionList: r.transactions()
})
const writeRequestTransactionDataSuccess = (w: Writer, m: TemplateDistribution.RequestTransactionDataSuccess): void => {
  w.begin(0x0, 0x74)
  w.u64(m.templateId)
  w.bytes64k(m.excessData)
  w.transactions(m.transactionList)
}

const readRequestTransactionDataError = (r: Reader): TemplateDistribution.RequestTransactionDataError => ({
  _tag: "RequestTransactionData.Error",
  templateId: r.u64(),
  errorCode: r.text()
})
const writeRequestTransactionDataError = (w: Writer, m: TemplateDistribution.RequestTransactionDataError): void => {
  w.begin(0x0, 0x75)
  w.u64(m.templateId)
  w.text(m.errorCode)
}

const readSubmitSolution = (r: Reader): TemplateDistribution.SubmitSolution => ({
  _tag: "SubmitSolution",
  templateId: r.u64(),
  version: r.u32(),
  headerTimestamp: r.u32(),
  headerNonce: r.u32(),
  coinbaseTx: r.bytes64k()
})
const writeSubmitSolution = (w: Writer, m: TemplateDistribution.SubmitSolution): void => {
  w.begin(0x0, 0x76)
  w.u64(m.templateId)
  w.u32(m.version)
  w.u32(m.headerTimestamp)
  w.u32(m.headerNonce)
  w.bytes64k(m.coinbaseTx)
}

/** The message of a payload in the Mining Protocol. */
export const decodeMining = (
  type: number,
  payload: Uint8Array
): Common.SetupMessage | Mining.ToServer | Mining.ToClient | undefined => {
  reader.begin(payload)
  switch (type) {
    case 0x00:
      return readSetupConnection(reader)
    case 0x01:
      return readSetupConnectionSuccess(reader)
    case 0x02:
      return readSetupConnectionError(reader)
    case 0x03:
      return readChannelEndpointChanged(reader)
    case 0x04:
      return readReconnect(reader)
    case 0x10:
      return readOpenStandardMiningChannel(reader)
    case 0x11:
      return readOpenStandardMiningChannelSuccess(reader)
    case 0x12:
      return readOpenMiningChannelError(reader)
    case 0x13:
      return readOpenExtendedMiningChannel(reader)
    case 0x14:
      return readOpenExtendedMiningChannelSuccess(reader)
    case 0x15:
      return readNewMiningJob(reader)
    case 0x16:
      return readUpdateChannel(reader)
    case 0x17:
      return readUpdateChannelError(reader)
    case 0x18:
      return readCloseChannel(reader)
    case 0x19:
      return readSetExtranoncePrefix(reader)
    case 0x1a:
      return readSubmitSharesStandard(reader)
    case 0x1b:
      return readSubmitSharesExtended(reader)
    case 0x1c:
      return readSubmitSharesSuccess(reader)
    case 0x1d:
      return readSubmitSharesError(reader)
    case 0x1f:
      return readNewExtendedMiningJob(reader)
    case 0x20:
      return readSetNewPrevHash(reader)
    case 0x21:
      return readSetTarget(reader)
    case 0x22:
      return readSetCustomMiningJob(reader)
    case 0x23:
      return readSetCustomMiningJobSuccess(reader)
    case 0x24:
      return readSetCustomMiningJobError(reader)
    case 0x25:
      return readSetGroupChannel(reader)
    default:
      return undefined
  }
}

export const encodeMining = (message: Common.SetupMessage | Mining.ToServer | Mining.ToClient): Uint8Array => {
  switch (message._tag) {
    case "SetupConnection":
      writeSetupConnection(writer, message)
      break
    case "SetupConnection.Success":
      writeSetupConnectionSuccess(writer, message)
      break
    case "SetupConnection.Error":
      writeSetupConnectionError(writer, message)
      break
    case "ChannelEndpointChanged":
      writeChannelEndpointChanged(writer, message)
      break
    case "Reconnect":
      writeReconnect(writer, message)
      break
    case "OpenStandardMiningChannel":
      writeOpenStandardMiningChannel(writer, message)
      break
    case "OpenStandardMiningChannel.Success":
      writeOpenStandardMiningChannelSuccess(writer, message)
      break
    case "OpenMiningChannel.Error":
      writeOpenMiningChannelError(writer, message)
      break
    case "OpenExtendedMiningChannel":
      writeOpenExtendedMiningChannel(writer, message)
      break
    case "OpenExtendedMiningChannel.Success":
      writeOpenExtendedMiningChannelSuccess(writer, message)
      break
    case "NewMiningJob":
      writeNewMiningJob(writer, message)
      break
    case "UpdateChannel":
      writeUpdateChannel(writer, message)
      break
    case "UpdateChannel.Error":
      writeUpdateChannelError(writer, message)
      break
    case "CloseChannel":
      writeCloseChannel(writer, message)
      break
    case "SetExtranoncePrefix":
      writeSetExtranoncePrefix(writer, message)
      break
    case "SubmitSharesStandard":
      writeSubmitSharesStandard(writer, message)
      break
    case "SubmitSharesExtended":
      writeSubmitSharesExtended(writer, message)
      break
    case "SubmitShares.Success":
      writeSubmitSharesSuccess(writer, message)
      break
    case "SubmitShares.Error":
      writeSubmitSharesError(writer, message)
      break
    case "NewExtendedMiningJob":
      writeNewExtendedMiningJob(writer, message)
      break
    case "SetNewPrevHash":
      writeSetNewPrevHash(writer, message)
      break
    case "SetTarget":
      writeSetTarget(writer, message)
      break
    case "SetCustomMiningJob":
      writeSetCustomMiningJob(writer, message)
      break
    case "SetCustomMiningJob.Success":
      writeSetCustomMiningJobSuccess(writer, message)
      break
    case "SetCustomMiningJob.Error":
      writeSetCustomMiningJobError(writer, message)
      break
    case "SetGroupChannel":
      writeSetGroupChannel(writer, message)
      break
  }
  return writer.end()
}

/** The message of a payload in the Job Declaration Protocol. */
export const decodeJobDeclaration = (
  type: number,
  payload: Uint8Array
): JobDeclaration.ToServer | JobDeclaration.ToClient | undefined => {
  reader.begin(payload)
  switch (type) {
    case 0x50:
      return readAllocateMiningJobToken(reader)
    case 0x51:
      return readAllocateMiningJobTokenSuccess(reader)
    case 0x55:
      return readProvideMissingTransactions(reader)
    case 0x56:
      return readProvideMissingTransactionsSuccess(reader)
    case 0x57:
      return readDeclareMiningJob(reader)
    case 0x58:
      return readDeclareMiningJobSuccess(reader)
    case 0x59:
      return readDeclareMiningJobError(reader)
    case 0x60:
      return readPushSolution(reader)
    default:
      return undefined
  }
}

export const encodeJobDeclaration = (message: JobDeclaration.ToServer | JobDeclaration.ToClient): Uint8Array => {
  switch (message._tag) {
    case "AllocateMiningJobToken":
      writeAllocateMiningJobToken(writer, message)
      break
    case "AllocateMiningJobToken.Success":
      writeAllocateMiningJobTokenSuccess(writer, message)
      break
    case "ProvideMissingTransactions":
      writeProvideMissingTransactions(writer, message)
      break
    case "ProvideMissingTransactions.Success":
      writeProvideMissingTransactionsSuccess(writer, message)
      break
    case "DeclareMiningJob":
      writeDeclareMiningJob(writer, message)
      break
    case "DeclareMiningJob.Success":
      writeDeclareMiningJobSuccess(writer, message)
      break
    case "DeclareMiningJob.Error":
      writeDeclareMiningJobError(writer, message)
      break
    case "PushSolution":
      writePushSolution(writer, message)
      break
  }
  return writer.end()
}

/** The message of a payload in the Template Distribution Protocol. */
export const decodeTemplateDistribution = (
  type: number,
  payload: Uint8Array
): TemplateDistribution.ToServer | TemplateDistribution.ToClient | undefined => {
  reader.begin(payload)
  switch (type) {
    case 0x70:
      return readCoinbaseOutputConstraints(reader)
    case 0x71:
      return readNewTemplate(reader)
    case 0x72:
      return readTemplateSetNewPrevHash(reader)
    case 0x73:
      return readRequestTransactionData(reader)
    case 0x74:
      return readRequestTransactionDataSuccess(reader)
    case 0x75:
      return readRequestTransactionDataError(reader)
    case 0x76:
      return readSubmitSolution(reader)
    default:
      return undefined
  }
}

export const encodeTemplateDistribution = (
  message: TemplateDistribution.ToServer | TemplateDistribution.ToClient
): Uint8Array => {
  switch (message._tag) {
    case "CoinbaseOutputConstraints":
      writeCoinbaseOutputConstraints(writer, message)
      break
    case "NewTemplate":
      writeNewTemplate(writer, message)
      break
    case "SetNewPrevHash":
      writeTemplateSetNewPrevHash(writer, message)
      break
    case "RequestTransactionData":
      writeRequestTransactionData(writer, message)
      break
    case "RequestTransactionData.Success":
      writeRequestTransactionDataSuccess(writer, message)
      break
    case "RequestTransactionData.Error":
      writeRequestTransactionDataError(writer, message)
      break
    case "SubmitSolution":
      writeSubmitSolution(writer, message)
      break
  }
  return writer.end()
}
