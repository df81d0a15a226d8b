/** The numbers of section 8, typed in from the specification. */
import {
  Common,
  ExtensionsNegotiation,
  JobDeclaration,
  type Message,
  Mining,
  TemplateDistribution
} from "@sluice/protocol"
import { describe, expect, test } from "vitest"

type Line = readonly [type: number, channelBit: 0 | 1, name: string, to: Message["to"], constant: Message]

const setup: ReadonlyArray<Line> = [
  [0x00, 0, "SetupConnection", "server", Common.SetupConnection],
  [0x01, 0, "SetupConnection.Success", "client", Common.SetupConnectionSuccess],
  [0x02, 0, "SetupConnection.Error", "client", Common.SetupConnectionError]
]

const common: ReadonlyArray<Line> = [
  [0x03, 1, "ChannelEndpointChanged", "client", Common.ChannelEndpointChanged],
  [0x04, 0, "Reconnect", "client", Common.Reconnect]
]

const mining: ReadonlyArray<Line> = [
  [0x10, 0, "OpenStandardMiningChannel", "server", Mining.OpenStandardMiningChannel],
  [0x11, 0, "OpenStandardMiningChannel.Success", "client", Mining.OpenStandardMiningChannelSuccess],
  [0x12, 0, "OpenMiningChannel.Error", "client", Mining.OpenMiningChannelError],
  [0x13, 0, "OpenExtendedMiningChannel", "server", Mining.OpenExtendedMiningChannel],
  [0x14, 0, "OpenExtendedMiningChannel.Success", "client", Mining.OpenExtendedMiningChannelSuccess],
  [0x15, 1, "NewMiningJob", "client", Mining.NewMiningJob],
  [0x16, 1, "UpdateChannel", "server", Mining.UpdateChannel],
  [0x17, 1, "UpdateChannel.Error", "client", Mining.UpdateChannelError],
  [0x18, 1, "CloseChannel", "both", Mining.CloseChannel],
  [0x19, 1, "SetExtranoncePrefix", "client", Mining.SetExtranoncePrefix],
  [0x1a, 1, "SubmitSharesStandard", "server", Mining.SubmitSharesStandard],
  [0x1b, 1, "SubmitSharesExtended", "server", Mining.SubmitSharesExtended],
  [0x1c, 1, "SubmitShares.Success", "client", Mining.SubmitSharesSuccess],
  [0x1d, 1, "SubmitShares.Error", "client", Mining.SubmitSharesError],
  [0x1f, 1, "NewExtendedMiningJob", "client", Mining.NewExtendedMiningJob],
  [0x20, 1, "SetNewPrevHash", "client", Mining.SetNewPrevHash],
  [0x21, 1, "SetTarget", "client", Mining.SetTarget],
  [0x22, 1, "SetCustomMiningJob", "server", Mining.SetCustomMiningJob],
  [0x23, 1, "SetCustomMiningJob.Success", "client", Mining.SetCustomMiningJobSuccess],
  [0x24, 1, "SetCustomMiningJob.Error", "client", Mining.SetCustomMiningJobError],
  [0x25, 0, "SetGroupChannel", "client", Mining.SetGroupChannel]
]

const jobDeclaration: ReadonlyArray<Line> = [
  [0x50, 0, "AllocateMiningJobToken", "server", JobDeclaration.AllocateMiningJobToken],
  [0x51, 0, "AllocateMiningJobToken.Success", "client", JobDeclaration.AllocateMiningJobTokenSuccess],
  [0x55, 0, "ProvideMissingTransactions", "client", JobDeclaration.ProvideMissingTransactions],
  [0x56, 0, "ProvideMissingTransactions.Success", "server", JobDeclaration.ProvideMissingTransactionsSuccess],
  [0x57, 0, "DeclareMiningJob", "server", JobDeclaration.DeclareMiningJob],
  [0x58, 0, "DeclareMiningJob.Success", "client", JobDeclaration.DeclareMiningJobSuccess],
  [0x59, 0, "DeclareMiningJob.Error", "client", JobDeclaration.DeclareMiningJobError],
  [0x60, 0, "PushSolution", "server", JobDeclaration.PushSolution]
]

const templateDistribution: ReadonlyArray<Line> = [
  [0x70, 0, "CoinbaseOutputConstraints", "server", TemplateDistribution.CoinbaseOutputConstraints],
  [0x71, 0, "NewTemplate", "client", TemplateDistribution.NewTemplate],
  [0x72, 0, "SetNewPrevHash", "client", TemplateDistribution.SetNewPrevHash],
  [0x73, 0, "RequestTransactionData", "server", TemplateDistribution.RequestTransactionData],
  [0x74, 0, "RequestTransactionData.Success", "client", TemplateDistribution.RequestTransactionDataSuccess],
  [0x75, 0, "RequestTransactionData.Error", "client", TemplateDistribution.RequestTransactionDataError],
  [0x76, 0, "SubmitSolution", "server", TemplateDistribution.SubmitSolution]
]

describe.each([...setup, ...common, ...mining, ...jobDeclaration, ...templateDistribution])(
  "message 0x%s",
  (type, channelBit, name, to, message) => {
    test(`is ${name}`, () => {
      const { channel, extension } = message
      expect({ type: message.type, channel, name: message.name, to: message.to, extension }).toEqual({
        type,
        channel: channelBit === 1,
        name,
        to,
        extension: 0
      })
    })
  }
)

const noChannels = common.filter(([, channelBit]) => channelBit === 0)

test.each([
  ["Mining", Mining.protocol, 0, [...common, ...mining]],
  ["Job Declaration", JobDeclaration.protocol, 1, [...noChannels, ...jobDeclaration]],
  ["Template Distribution", TemplateDistribution.protocol, 2, [...noChannels, ...templateDistribution]]
] as const)("%s has these messages and no others, each in the right direction", (_, protocol, id, lines) => {
  expect(protocol.id).toBe(id)
  const namesTo = (side: "server" | "client") =>
    lines.flatMap(([, , name, to]) => (to === side || to === "both" ? [name] : [])).toSorted()
  expect(protocol.toServer.messages.map(({ name }) => name).toSorted()).toEqual(namesTo("server"))
  expect(protocol.toClient.messages.map(({ name }) => name).toSorted()).toEqual(namesTo("client"))
})

test("the setup has its three messages, which belong to no protocol", () => {
  expect(Common.setupMessages.map(({ name }) => name)).toEqual(setup.map(([, , name]) => name))
  expect(Common.setup.toServer.messages).toEqual([Common.SetupConnection])
  expect(Common.setup.toClient.messages).toEqual([Common.SetupConnectionSuccess, Common.SetupConnectionError])
})

test("extension 0x0001 has its three messages, none for a channel", () => {
  const lines = ExtensionsNegotiation.messages.map(({ type, channel, name, to, extension }) => [
    extension,
    type,
    channel,
    name,
    to
  ])
  expect(lines).toEqual([
    [0x0001, 0x00, false, "RequestExtensions", "server"],
    [0x0001, 0x01, false, "RequestExtensions.Success", "client"],
    [0x0001, 0x02, false, "RequestExtensions.Error", "client"]
  ])
})

test("the flag of job declaration is that of section 6.4.1", () => {
  expect(JobDeclaration.DECLARE_TX_DATA).toBe(1)
})

test("flags are those of section 5.3.1", () => {
  expect([
    Mining.REQUIRES_STANDARD_JOBS,
    Mining.REQUIRES_WORK_SELECTION,
    Mining.REQUIRES_VERSION_ROLLING,
    Mining.REQUIRES_FIXED_VERSION,
    Mining.REQUIRES_EXTENDED_CHANNELS
  ]).toEqual([1, 2, 4, 1, 2])
})
