/**
 * Every message codec by its number, for who has no classes. A codec's fields are 32-bit words, one after the other in
 * the module's memory; build/sluice-messages.h names messages and words.
 *
 * Made by `npm run message-codecs` from the declarations in packages/protocol; a test compares the two.
 */
import * as common from "../../packages/core/src/messages/common"
import * as mining from "../../packages/core/src/messages/mining"
import * as jobDeclaration from "../../packages/core/src/messages/job-declaration"
import * as templateDistribution from "../../packages/core/src/messages/template-distribution"
import * as extensionsNegotiation from "../../packages/core/src/messages/extensions-negotiation"

const commonSetupConnection = new common.SetupConnection()
const commonSetupConnectionSuccess = new common.SetupConnectionSuccess()
const commonSetupConnectionError = new common.SetupConnectionError()
const commonChannelEndpointChanged = new common.ChannelEndpointChanged()
const commonReconnect = new common.Reconnect()
const miningOpenStandardMiningChannel = new mining.OpenStandardMiningChannel()
const miningOpenStandardMiningChannelSuccess = new mining.OpenStandardMiningChannelSuccess()
const miningOpenMiningChannelError = new mining.OpenMiningChannelError()
const miningOpenExtendedMiningChannel = new mining.OpenExtendedMiningChannel()
const miningOpenExtendedMiningChannelSuccess = new mining.OpenExtendedMiningChannelSuccess()
const miningNewMiningJob = new mining.NewMiningJob()
const miningUpdateChannel = new mining.UpdateChannel()
const miningUpdateChannelError = new mining.UpdateChannelError()
const miningCloseChannel = new mining.CloseChannel()
const miningSetExtranoncePrefix = new mining.SetExtranoncePrefix()
const miningSubmitSharesStandard = new mining.SubmitSharesStandard()
const miningSubmitSharesExtended = new mining.SubmitSharesExtended()
const miningSubmitSharesSuccess = new mining.SubmitSharesSuccess()
const miningSubmitSharesError = new mining.SubmitSharesError()
const miningNewExtendedMiningJob = new mining.NewExtendedMiningJob()
const miningSetNewPrevHash = new mining.SetNewPrevHash()
const miningSetTarget = new mining.SetTarget()
const miningSetCustomMiningJob = new mining.SetCustomMiningJob()
const miningSetCustomMiningJobSuccess = new mining.SetCustomMiningJobSuccess()
const miningSetCustomMiningJobError = new mining.SetCustomMiningJobError()
const miningSetGroupChannel = new mining.SetGroupChannel()
const jobDeclarationAllocateMiningJobToken = new jobDeclaration.AllocateMiningJobToken()
const jobDeclarationAllocateMiningJobTokenSuccess = new jobDeclaration.AllocateMiningJobTokenSuccess()
const jobDeclarationProvideMissingTransactions = new jobDeclaration.ProvideMissingTransactions()
const jobDeclarationProvideMissingTransactionsSuccess = new jobDeclaration.ProvideMissingTransactionsSuccess()
const jobDeclarationDeclareMiningJob = new jobDeclaration.DeclareMiningJob()
const jobDeclarationDeclareMiningJobSuccess = new jobDeclaration.DeclareMiningJobSuccess()
const jobDeclarationDeclareMiningJobError = new jobDeclaration.DeclareMiningJobError()
const jobDeclarationPushSolution = new jobDeclaration.PushSolution()
const templateDistributionCoinbaseOutputConstraints = new templateDistribution.CoinbaseOutputConstraints()
const templateDistributionNewTemplate = new templateDistribution.NewTemplate()
const templateDistributionSetNewPrevHash = new templateDistribution.SetNewPrevHash()
const templateDistributionRequestTransactionData = new templateDistribution.RequestTransactionData()
const templateDistributionRequestTransactionDataSuccess = new templateDistribution.RequestTransactionDataSuccess()
const templateDistributionRequestTransactionDataError = new templateDistribution.RequestTransactionDataError()
const templateDistributionSubmitSolution = new templateDistribution.SubmitSolution()
const extensionsNegotiationRequestExtensions = new extensionsNegotiation.RequestExtensions()
const extensionsNegotiationRequestExtensionsSuccess = new extensionsNegotiation.RequestExtensionsSuccess()
const extensionsNegotiationRequestExtensionsError = new extensionsNegotiation.RequestExtensionsError()

/** Where the words of a message are, 0 for none. */
export function wordsOf(message: i32): usize {
  switch (message) {
    case 0:
      return changetype<usize>(commonSetupConnection)
    case 1:
      return changetype<usize>(commonSetupConnectionSuccess)
    case 2:
      return changetype<usize>(commonSetupConnectionError)
    case 3:
      return changetype<usize>(commonChannelEndpointChanged)
    case 4:
      return changetype<usize>(commonReconnect)
    case 5:
      return changetype<usize>(miningOpenStandardMiningChannel)
    case 6:
      return changetype<usize>(miningOpenStandardMiningChannelSuccess)
    case 7:
      return changetype<usize>(miningOpenMiningChannelError)
    case 8:
      return changetype<usize>(miningOpenExtendedMiningChannel)
    case 9:
      return changetype<usize>(miningOpenExtendedMiningChannelSuccess)
    case 10:
      return changetype<usize>(miningNewMiningJob)
    case 11:
      return changetype<usize>(miningUpdateChannel)
    case 12:
      return changetype<usize>(miningUpdateChannelError)
    case 13:
      return changetype<usize>(miningCloseChannel)
    case 14:
      return changetype<usize>(miningSetExtranoncePrefix)
    case 15:
      return changetype<usize>(miningSubmitSharesStandard)
    case 16:
      return changetype<usize>(miningSubmitSharesExtended)
    case 17:
      return changetype<usize>(miningSubmitSharesSuccess)
    case 18:
      return changetype<usize>(miningSubmitSharesError)
    case 19:
      return changetype<usize>(miningNewExtendedMiningJob)
    case 20:
      return changetype<usize>(miningSetNewPrevHash)
    case 21:
      return changetype<usize>(miningSetTarget)
    case 22:
      return changetype<usize>(miningSetCustomMiningJob)
    case 23:
      return changetype<usize>(miningSetCustomMiningJobSuccess)
    case 24:
      return changetype<usize>(miningSetCustomMiningJobError)
    case 25:
      return changetype<usize>(miningSetGroupChannel)
    case 26:
      return changetype<usize>(jobDeclarationAllocateMiningJobToken)
    case 27:
      return changetype<usize>(jobDeclarationAllocateMiningJobTokenSuccess)
    case 28:
      return changetype<usize>(jobDeclarationProvideMissingTransactions)
    case 29:
      return changetype<usize>(jobDeclarationProvideMissingTransactionsSuccess)
    case 30:
      return changetype<usize>(jobDeclarationDeclareMiningJob)
    case 31:
      return changetype<usize>(jobDeclarationDeclareMiningJobSuccess)
    case 32:
      return changetype<usize>(jobDeclarationDeclareMiningJobError)
    case 33:
      return changetype<usize>(jobDeclarationPushSolution)
    case 34:
      return changetype<usize>(templateDistributionCoinbaseOutputConstraints)
    case 35:
      return changetype<usize>(templateDistributionNewTemplate)
    case 36:
      return changetype<usize>(templateDistributionSetNewPrevHash)
    case 37:
      return changetype<usize>(templateDistributionRequestTransactionData)
    case 38:
      return changetype<usize>(templateDistributionRequestTransactionDataSuccess)
    case 39:
      return changetype<usize>(templateDistributionRequestTransactionDataError)
    case 40:
      return changetype<usize>(templateDistributionSubmitSolution)
    case 41:
      return changetype<usize>(extensionsNegotiationRequestExtensions)
    case 42:
      return changetype<usize>(extensionsNegotiationRequestExtensionsSuccess)
    case 43:
      return changetype<usize>(extensionsNegotiationRequestExtensionsError)
    default:
      return 0
  }
}

/** How many words the message has. */
export function wordCountOf(message: i32): i32 {
  switch (message) {
    case 0:
      return 15
    case 1:
      return 2
    case 2:
      return 3
    case 3:
      return 1
    case 4:
      return 3
    case 5:
      return 5
    case 6:
      return 6
    case 7:
      return 3
    case 8:
      return 6
    case 9:
      return 7
    case 10:
      return 6
    case 11:
      return 3
    case 12:
      return 3
    case 13:
      return 3
    case 14:
      return 3
    case 15:
      return 6
    case 16:
      return 8
    case 17:
      return 5
    case 18:
      return 4
    case 19:
      return 12
    case 20:
      return 5
    case 21:
      return 2
    case 22:
      return 17
    case 23:
      return 3
    case 24:
      return 4
    case 25:
      return 3
    case 26:
      return 3
    case 27:
      return 5
    case 28:
      return 3
    case 29:
      return 4
    case 30:
      return 12
    case 31:
      return 3
    case 32:
      return 5
    case 33:
      return 7
    case 34:
      return 2
    case 35:
      return 16
    case 36:
      return 6
    case 37:
      return 2
    case 38:
      return 7
    case 39:
      return 4
    case 40:
      return 7
    case 41:
      return 3
    case 42:
      return 3
    case 43:
      return 5
    default:
      return 0
  }
}

/** The codec's `decode`, or -5 for no message. */
export function decodeOf(message: i32, b: Uint8Array, from: i32, end: i32): i32 {
  switch (message) {
    case 0:
      return commonSetupConnection.decode(b, from, end)
    case 1:
      return commonSetupConnectionSuccess.decode(b, from, end)
    case 2:
      return commonSetupConnectionError.decode(b, from, end)
    case 3:
      return commonChannelEndpointChanged.decode(b, from, end)
    case 4:
      return commonReconnect.decode(b, from, end)
    case 5:
      return miningOpenStandardMiningChannel.decode(b, from, end)
    case 6:
      return miningOpenStandardMiningChannelSuccess.decode(b, from, end)
    case 7:
      return miningOpenMiningChannelError.decode(b, from, end)
    case 8:
      return miningOpenExtendedMiningChannel.decode(b, from, end)
    case 9:
      return miningOpenExtendedMiningChannelSuccess.decode(b, from, end)
    case 10:
      return miningNewMiningJob.decode(b, from, end)
    case 11:
      return miningUpdateChannel.decode(b, from, end)
    case 12:
      return miningUpdateChannelError.decode(b, from, end)
    case 13:
      return miningCloseChannel.decode(b, from, end)
    case 14:
      return miningSetExtranoncePrefix.decode(b, from, end)
    case 15:
      return miningSubmitSharesStandard.decode(b, from, end)
    case 16:
      return miningSubmitSharesExtended.decode(b, from, end)
    case 17:
      return miningSubmitSharesSuccess.decode(b, from, end)
    case 18:
      return miningSubmitSharesError.decode(b, from, end)
    case 19:
      return miningNewExtendedMiningJob.decode(b, from, end)
    case 20:
      return miningSetNewPrevHash.decode(b, from, end)
    case 21:
      return miningSetTarget.decode(b, from, end)
    case 22:
      return miningSetCustomMiningJob.decode(b, from, end)
    case 23:
      return miningSetCustomMiningJobSuccess.decode(b, from, end)
    case 24:
      return miningSetCustomMiningJobError.decode(b, from, end)
    case 25:
      return miningSetGroupChannel.decode(b, from, end)
    case 26:
      return jobDeclarationAllocateMiningJobToken.decode(b, from, end)
    case 27:
      return jobDeclarationAllocateMiningJobTokenSuccess.decode(b, from, end)
    case 28:
      return jobDeclarationProvideMissingTransactions.decode(b, from, end)
    case 29:
      return jobDeclarationProvideMissingTransactionsSuccess.decode(b, from, end)
    case 30:
      return jobDeclarationDeclareMiningJob.decode(b, from, end)
    case 31:
      return jobDeclarationDeclareMiningJobSuccess.decode(b, from, end)
    case 32:
      return jobDeclarationDeclareMiningJobError.decode(b, from, end)
    case 33:
      return jobDeclarationPushSolution.decode(b, from, end)
    case 34:
      return templateDistributionCoinbaseOutputConstraints.decode(b, from, end)
    case 35:
      return templateDistributionNewTemplate.decode(b, from, end)
    case 36:
      return templateDistributionSetNewPrevHash.decode(b, from, end)
    case 37:
      return templateDistributionRequestTransactionData.decode(b, from, end)
    case 38:
      return templateDistributionRequestTransactionDataSuccess.decode(b, from, end)
    case 39:
      return templateDistributionRequestTransactionDataError.decode(b, from, end)
    case 40:
      return templateDistributionSubmitSolution.decode(b, from, end)
    case 41:
      return extensionsNegotiationRequestExtensions.decode(b, from, end)
    case 42:
      return extensionsNegotiationRequestExtensionsSuccess.decode(b, from, end)
    case 43:
      return extensionsNegotiationRequestExtensionsError.decode(b, from, end)
    default:
      return -5
  }
}

/** The codec's `encode`, or -5 for no message. */
export function encodeOf(message: i32, source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
  switch (message) {
    case 0:
      return commonSetupConnection.encode(source, b, from, end)
    case 1:
      return commonSetupConnectionSuccess.encode(source, b, from, end)
    case 2:
      return commonSetupConnectionError.encode(source, b, from, end)
    case 3:
      return commonChannelEndpointChanged.encode(source, b, from, end)
    case 4:
      return commonReconnect.encode(source, b, from, end)
    case 5:
      return miningOpenStandardMiningChannel.encode(source, b, from, end)
    case 6:
      return miningOpenStandardMiningChannelSuccess.encode(source, b, from, end)
    case 7:
      return miningOpenMiningChannelError.encode(source, b, from, end)
    case 8:
      return miningOpenExtendedMiningChannel.encode(source, b, from, end)
    case 9:
      return miningOpenExtendedMiningChannelSuccess.encode(source, b, from, end)
    case 10:
      return miningNewMiningJob.encode(source, b, from, end)
    case 11:
      return miningUpdateChannel.encode(source, b, from, end)
    case 12:
      return miningUpdateChannelError.encode(source, b, from, end)
    case 13:
      return miningCloseChannel.encode(source, b, from, end)
    case 14:
      return miningSetExtranoncePrefix.encode(source, b, from, end)
    case 15:
      return miningSubmitSharesStandard.encode(source, b, from, end)
    case 16:
      return miningSubmitSharesExtended.encode(source, b, from, end)
    case 17:
      return miningSubmitSharesSuccess.encode(source, b, from, end)
    case 18:
      return miningSubmitSharesError.encode(source, b, from, end)
    case 19:
      return miningNewExtendedMiningJob.encode(source, b, from, end)
    case 20:
      return miningSetNewPrevHash.encode(source, b, from, end)
    case 21:
      return miningSetTarget.encode(source, b, from, end)
    case 22:
      return miningSetCustomMiningJob.encode(source, b, from, end)
    case 23:
      return miningSetCustomMiningJobSuccess.encode(source, b, from, end)
    case 24:
      return miningSetCustomMiningJobError.encode(source, b, from, end)
    case 25:
      return miningSetGroupChannel.encode(source, b, from, end)
    case 26:
      return jobDeclarationAllocateMiningJobToken.encode(source, b, from, end)
    case 27:
      return jobDeclarationAllocateMiningJobTokenSuccess.encode(source, b, from, end)
    case 28:
      return jobDeclarationProvideMissingTransactions.encode(source, b, from, end)
    case 29:
      return jobDeclarationProvideMissingTransactionsSuccess.encode(source, b, from, end)
    case 30:
      return jobDeclarationDeclareMiningJob.encode(source, b, from, end)
    case 31:
      return jobDeclarationDeclareMiningJobSuccess.encode(source, b, from, end)
    case 32:
      return jobDeclarationDeclareMiningJobError.encode(source, b, from, end)
    case 33:
      return jobDeclarationPushSolution.encode(source, b, from, end)
    case 34:
      return templateDistributionCoinbaseOutputConstraints.encode(source, b, from, end)
    case 35:
      return templateDistributionNewTemplate.encode(source, b, from, end)
    case 36:
      return templateDistributionSetNewPrevHash.encode(source, b, from, end)
    case 37:
      return templateDistributionRequestTransactionData.encode(source, b, from, end)
    case 38:
      return templateDistributionRequestTransactionDataSuccess.encode(source, b, from, end)
    case 39:
      return templateDistributionRequestTransactionDataError.encode(source, b, from, end)
    case 40:
      return templateDistributionSubmitSolution.encode(source, b, from, end)
    case 41:
      return extensionsNegotiationRequestExtensions.encode(source, b, from, end)
    case 42:
      return extensionsNegotiationRequestExtensionsSuccess.encode(source, b, from, end)
    case 43:
      return extensionsNegotiationRequestExtensionsError.encode(source, b, from, end)
    default:
      return -5
  }
}
