/** The TypeScript types of messages, checked by the compiler. */
import { Common, Mining, TemplateDistribution } from "@sluice/protocol"
import { expect, expectTypeOf, test } from "vitest"

test("a message's type is its name and its fields", () => {
  expectTypeOf<Mining.SubmitSharesExtended>().toEqualTypeOf<{
    readonly _tag: "SubmitSharesExtended"
    readonly channelId: number
    readonly sequenceNumber: number
    readonly jobId: number
    readonly nonce: number
    readonly ntime: number
    readonly version: number
    readonly extranonce: Uint8Array
  }>()
  expectTypeOf<Mining.NewExtendedMiningJob["minNtime"]>().toEqualTypeOf<number | undefined>()
  expectTypeOf<Mining.NewExtendedMiningJob["merklePath"]>().toEqualTypeOf<ReadonlyArray<Uint8Array>>()
  expectTypeOf<Mining.SubmitSharesSuccess["newSharesSum"]>().toEqualTypeOf<bigint>()
  expectTypeOf<Common.SetupConnectionError["errorCode"]>().toEqualTypeOf<string>()
  expectTypeOf<TemplateDistribution.NewTemplate["futureTemplate"]>().toEqualTypeOf<boolean>()
})

test("the unions are discriminated by _tag", () => {
  const targetOf = (message: Mining.ToClient): Uint8Array | undefined => {
    switch (message._tag) {
      case "SetTarget":
        return message.maximumTarget
      case "OpenStandardMiningChannel.Success":
      case "OpenExtendedMiningChannel.Success":
        return message.target
      default:
        // @ts-expect-error: what is left has no such field in common
        return message.maximumTarget
    }
  }
  const maximumTarget = new Uint8Array(32)
  expect(targetOf({ _tag: "SetTarget", channelId: 1, maximumTarget })).toBe(maximumTarget)
})

test("each direction has its own messages", () => {
  expectTypeOf<Mining.ToServer["_tag"]>().toEqualTypeOf<
    | "OpenStandardMiningChannel"
    | "OpenExtendedMiningChannel"
    | "UpdateChannel"
    | "CloseChannel"
    | "SubmitSharesStandard"
    | "SubmitSharesExtended"
    | "SetCustomMiningJob"
  >()
  expectTypeOf<TemplateDistribution.ToServer["_tag"]>().toEqualTypeOf<
    "CoinbaseOutputConstraints" | "RequestTransactionData" | "SubmitSolution"
  >()
  expectTypeOf<Extract<Mining.ToClient, { _tag: "CloseChannel" }>>().toEqualTypeOf<Mining.CloseChannel>()
  expectTypeOf<Extract<Mining.ToClient, { _tag: "SubmitSharesStandard" }>>().toEqualTypeOf<never>()
  expectTypeOf(Mining.protocol.toServer.encode).parameter(0).toEqualTypeOf<Mining.ToServer>()
})

test("a message that lacks a field, or has a wrong one, does not compile", () => {
  // @ts-expect-error: nonce and others are missing
  Mining.SubmitSharesStandard.make({ channelId: 1 })
  // @ts-expect-error: a bigint is needed
  TemplateDistribution.RequestTransactionData.make({ templateId: 1 })
  expect(Mining.SetTarget.make({ channelId: 1, maximumTarget: new Uint8Array(32) })._tag).toBe("SetTarget")
})
