/**
 * What `npm run fuzz` throws at the device: a server's bytes behind SetupConnection, without Noise, which would let nothing
 * through. Both of its builds get them, cut in different ways, and must agree in all events and in what they answer; the
 * WebAssembly traps where a place outside an array is touched.
 */
import { deviceModule } from "@sluice/embedded"
import { NobleCurve } from "@sluice/noise"
import { Common, Mining } from "@sluice/protocol"
import { isDeepStrictEqual } from "node:util"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import { javascriptDevice, wasmDevice } from "@sluice/testing/raw-device"
import type { FuzzTarget } from "./target.ts"

const MAX_PAYLOAD = 1024
const NTIME = 1_800_000_000
const random = new Uint8Array(64).fill(7)

const kinds = [
  { profile: "header-only", extended: false, flags: Mining.REQUIRES_STANDARD_JOBS },
  { profile: "extended", extended: false, flags: 0 },
  { profile: "extended", extended: true, flags: 0 }
] as const

const devices = await Promise.all(
  kinds.map(async ({ extended, flags, profile }) => {
    const settings = { plain: true, authorityKey: new Uint8Array(32), flags, extended, minExtranonceSize: 4 }
    const module = new WebAssembly.Module(await deviceModule(profile))
    const headerOnly = profile === "header-only"
    return [
      wasmDevice(module, settings, MAX_PAYLOAD),
      javascriptDevice(new NobleCurve(), settings, MAX_PAYLOAD, headerOnly)
    ] as const
  })
)

const setup = Common.SetupConnectionSuccess.codec.encode({
  _tag: "SetupConnection.Success",
  usedVersion: 2,
  flags: 0
})

/** The first byte says which device it is and how the bytes are cut. */
const run = (input: Uint8Array): void => {
  const first = input[0] ?? 0
  const [wasm, javascript] = devices[first % devices.length]!
  const stream = input.subarray(1)
  const step = (first >> 2) + 1
  for (const device of [wasm, javascript]) {
    device.connect(random, NTIME, 0)
    device.feed(setup, 0)
  }
  const whole = wasm.feed(stream, 1000)
  const pieces: Array<ReadonlyArray<number | string>> = []
  for (let at = 0; at < stream.length; at += step) {
    pieces.push(...javascript.feed(stream.subarray(at, at + step), 1000))
  }
  if (!isDeepStrictEqual(whole, pieces)) throw new Error("the builds of the device tell different events")
  for (const jobId of [1, 2]) {
    const codes = [wasm, javascript].map((device) => device.submit(jobId, 5, NTIME, 0x2000_0000, random))
    if (codes[0] !== codes[1]) throw new Error("the builds of the device submit different shares")
  }
  if (!isDeepStrictEqual(wasm.look(), javascript.look())) throw new Error("the builds of the device differ")
}

/** A session of each kind, of one job after the other. */
const seeds = (): ReadonlyArray<Uint8Array> =>
  kinds.map(({ extended }, kind) => {
    const opened = { requestId: 1, channelId: 5, target: new Uint8Array(32).fill(9), groupChannelId: 7 }
    const extranoncePrefix = new Uint8Array(8)
    const job = (jobId: number, minNtime?: number) => ({ channelId: 5, jobId, minNtime, version: 0x2000_0000 })
    const messages: ReadonlyArray<Mining.ToClient> = [
      extended
        ? Mining.OpenExtendedMiningChannelSuccess.make({ ...opened, extranonceSize: 8, extranoncePrefix })
        : Mining.OpenStandardMiningChannelSuccess.make({ ...opened, extranoncePrefix }),
      ...[job(1), job(2)].map((fields) =>
        extended
          ? Mining.NewExtendedMiningJob.make({
              ...fields,
              versionRollingAllowed: true,
              merklePath: [new Uint8Array(32).fill(3)],
              ...coinbaseHalves(16)
            })
          : Mining.NewMiningJob.make({ ...fields, merkleRoot: new Uint8Array(32).fill(4) })
      ),
      Mining.SetNewPrevHash.make({
        channelId: 5,
        jobId: 1,
        prevHash: new Uint8Array(32).fill(5),
        minNtime: NTIME,
        nbits: 0x1d00ffff
      }),
      Mining.SetTarget.make({ channelId: 7, maximumTarget: new Uint8Array(32).fill(6) }),
      Mining.SetExtranoncePrefix.make({ channelId: 5, extranoncePrefix }),
      Mining.SubmitSharesError.make({ channelId: 5, sequenceNumber: 1, errorCode: "stale-share" }),
      Common.Reconnect.make({ newHost: "pool", newPort: 3333 }),
      Mining.CloseChannel.make({ channelId: 5, reasonCode: "end" })
    ]
    const frames = messages.map((message) => Mining.protocol.toClient.encode(message))
    return new Uint8Array(Buffer.concat([Uint8Array.of(kind + 3 * 20), ...frames]))
  })

export const deviceTarget: FuzzTarget = { name: "device", run, seeds }
