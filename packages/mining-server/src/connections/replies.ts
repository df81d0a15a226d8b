/** Kinds of messages to a client. */
import { NO_VERDICT, TOO_MANY_SHARES_PER_SECOND } from "@sluice/channels"
import { ErrorCode, type Mining } from "@sluice/protocol"

export const isAcknowledgement = ({ _tag }: Mining.ToClient): boolean => _tag === "SubmitShares.Success"

/** Whether the message answers one of the peer's. */
export const isAnswer = ({ _tag }: Mining.ToClient): boolean => _tag.endsWith(".Success") || _tag.endsWith(".Error")

/** Stale shares and too many shares are no mistakes: honest peers send them. */
const NO_MISTAKES: ReadonlySet<string> = new Set([
  ErrorCode.submitShares.staleShare,
  TOO_MANY_SHARES_PER_SECOND,
  NO_VERDICT
])

/** Whether the message answers a mistake of the peer. */
export const isError = (message: Mining.ToClient): boolean => {
  switch (message._tag) {
    case "SubmitShares.Error":
      return !NO_MISTAKES.has(message.errorCode)
    case "SetCustomMiningJob.Error":
      // The client may have had the message on its way when the new block came.
      return message.errorCode !== ErrorCode.setCustomMiningJob.staleChainTip
    case "OpenMiningChannel.Error":
    case "UpdateChannel.Error":
      return true
    default:
      return false
  }
}
