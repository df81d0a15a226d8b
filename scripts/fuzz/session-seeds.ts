/** Sessions to begin with: those that go well, and those that end in each of the ways in which they may. */
import { Common, ExtensionsNegotiation, Mining, Protocol, WorkerIdentity } from "@sluice/protocol"

const withWorkers = Protocol.negotiated(Mining.protocol, [WorkerIdentity.extension])

export const seeds = (): ReadonlyArray<Uint8Array> => {
  const setup = (change: Partial<Common.SetupConnection>) =>
    Common.SetupConnection.codec.encode({
      _tag: "SetupConnection",
      protocol: 0,
      minVersion: 2,
      maxVersion: 2,
      flags: 1,
      endpointHost: "pool",
      endpointPort: 3333,
      vendor: "v",
      hardwareVersion: "h",
      firmware: "f",
      deviceId: "",
      ...change
    })
  const success = Common.SetupConnectionSuccess.codec.encode({
    _tag: "SetupConnection.Success",
    usedVersion: 2,
    flags: 1
  })
  const refused = Common.SetupConnectionError.codec.encode({
    _tag: "SetupConnection.Error",
    flags: 4,
    errorCode: "unsupported-feature-flags"
  })
  const { RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess } = ExtensionsNegotiation
  const ask = (...requestedExtensions: ReadonlyArray<number>) =>
    RequestExtensions.codec.encode(RequestExtensions.make({ requestId: 9, requestedExtensions }))
  const agree = (...supportedExtensions: ReadonlyArray<number>) =>
    RequestExtensionsSuccess.codec.encode(RequestExtensionsSuccess.make({ requestId: 1, supportedExtensions }))
  const disagree = RequestExtensionsError.codec.encode(
    RequestExtensionsError.make({ requestId: 1, unsupportedExtensions: [2], requiredExtensions: [] })
  )
  const up = withWorkers.toServer.encode(
    WorkerIdentity.UserIdentity.put(
      Mining.SubmitSharesExtended.make({
        channelId: 1,
        sequenceNumber: 2,
        jobId: 3,
        nonce: 4,
        ntime: 5,
        version: 6,
        extranonce: Uint8Array.of(7)
      }),
      { userIdentity: "Worker_001" }
    )
  )
  const down = Mining.protocol.toClient.encode(Mining.CloseChannel.make({ channelId: 1, reasonCode: "end" }))
  const script = (isServer: boolean, setting: number, ...frames: ReadonlyArray<Uint8Array>) =>
    new Uint8Array(Buffer.concat([Uint8Array.of((isServer ? 0 : 1) | (setting << 2), 6, 255), ...frames]))
  return [
    script(true, 0, setup({}), up),
    script(true, 0, setup({ flags: 4 })),
    script(true, 0, setup({ protocol: 2, maxVersion: 9 })),
    script(true, 1, setup({}), ask(2, 5), up, setup({}), up),
    script(true, 2, setup({}), ask(5), ask(2), up),
    script(true, 3, setup({}), ask(2), ask(0x4abc), up),
    script(false, 0, success, down, success, down),
    script(false, 0, refused),
    script(false, 1, success, down, agree(2), down),
    script(
      false,
      1,
      success,
      agree(2),
      agree(2),
      ...Array.from({ length: 70 }, () => Uint8Array.of(0, 0, 255, 0, 0, 0))
    ),
    script(false, 2, success, disagree, agree(2), down),
    script(false, 3, success, agree(0x4abc), down)
  ]
}
