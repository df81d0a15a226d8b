/**
 * The device's two builds do the same with the same bytes, and what it makes of a server's messages is what the client of
 * packages/channels makes of them: random sessions of messages that fit together, and of such that break a rule.
 */
import { ChannelClient, type ClientEvent, type ClientOutbox, Outbox } from "@sluice/channels"
import { NobleCurve } from "@sluice/noise"
import { Common, Mining } from "@sluice/protocol"
import { MiningDevice } from "@sluice/core"
import { DEVICE_RULES, deviceModule } from "@sluice/embedded"
import { describe, expect, it } from "vitest"
import { build } from "../assembly/compile.ts"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import { authorityKey, DeviceServer, VALID_FROM } from "./device-server.ts"
import { Random } from "./random.ts"
import { javascriptDevice, type RawSettings, wasmDevice } from "@sluice/testing/raw-device"

const modules = {
  "header-only": new WebAssembly.Module(await deviceModule("header-only")),
  extended: new WebAssembly.Module(await deviceModule("extended"))
}
const curve = new NobleCurve()
const NOW = VALID_FROM + 60
const MAX_PAYLOAD = 1024

interface Kind {
  readonly profile: keyof typeof modules
  readonly extended: boolean
  readonly flags: number
}
const kinds: ReadonlyArray<Kind> = [
  { profile: "header-only", extended: false, flags: Mining.REQUIRES_STANDARD_JOBS },
  { profile: "extended", extended: false, flags: 0 },
  { profile: "extended", extended: true, flags: 0 }
]

/** A message that a server may send on a connection with this device, more often than not a right one. */
const anyMessage = (random: Random, extended: boolean): Mining.ToClient => {
  const channelId = [5, 5, 5, 9, 6][random.below(5)]!
  const jobId = random.below(12)
  const minNtime = random.below(3) === 0 ? NOW + random.below(10) : undefined
  const version = random.below(0x10000)
  switch (random.below(14)) {
    case 0:
    case 1:
    case 2:
      return extended || random.below(6) === 0
        ? Mining.NewExtendedMiningJob.make({
            channelId,
            jobId,
            minNtime,
            version,
            versionRollingAllowed: random.below(2) === 0,
            merklePath: Array.from({ length: random.below(4) }, () => random.bytes()),
            ...anyHalves(random, extended ? 16 : 8)
          })
        : Mining.NewMiningJob.make({ channelId, jobId, minNtime, version, merkleRoot: random.bytes() })
    case 3:
    case 4:
      return Mining.SetNewPrevHash.make({ channelId, jobId, prevHash: random.bytes(), minNtime: NOW, nbits: version })
    case 5:
      return Mining.SetTarget.make({ channelId, maximumTarget: random.bytes() })
    case 6:
    case 7:
      return Mining.SubmitSharesSuccess.make({
        channelId,
        lastSequenceNumber: random.below(30),
        newSubmitsAcceptedCount: random.below(6),
        newSharesSum: BigInt(random.below(1000))
      })
    case 8:
      return Mining.SubmitSharesError.make({ channelId, sequenceNumber: random.below(30), errorCode: "stale-share" })
    case 9:
      return Mining.SetExtranoncePrefix.make({ channelId: 5, extranoncePrefix: random.bytes().slice(0, 8) })
    case 10:
      return random.below(4) > 0
        ? Mining.UpdateChannelError.make({ channelId, errorCode: "x" })
        : Mining.SetGroupChannel.make({ groupChannelId: 9, channelIds: [5] })
    case 11:
      return random.below(6) > 0
        ? Common.Reconnect.make({ newHost: "h", newPort: 5 })
        : Mining.CloseChannel.make({ channelId, reasonCode: "x" })
    default:
      return Common.ChannelEndpointChanged.make({ channelId })
  }
}

/** A coinbase, or one with a wrong byte somewhere, or other bytes. */
const anyHalves = (random: Random, extranonceSize: number) => {
  const halves = coinbaseHalves(extranonceSize, {
    mark: random.below(256),
    prefixSize: 44 + random.below(50),
    suffixSize: 20 + random.below(300)
  })
  switch (random.below(8)) {
    case 0:
      halves.coinbaseTxPrefix[random.below(halves.coinbaseTxPrefix.length)] = random.below(256)
      return halves
    case 1:
      halves.coinbaseTxSuffix[random.below(halves.coinbaseTxSuffix.length)] = random.below(256)
      return halves
    case 2:
      return {
        coinbaseTxPrefix: random.bytes().slice(0, random.below(30)),
        coinbaseTxSuffix: random.bytes().slice(0, random.below(30))
      }
    default:
      return halves
  }
}

const openedOf = ({ extended }: Kind): Mining.ToClient => {
  const common = { requestId: 1, channelId: 5, target: new Uint8Array(32).fill(2), groupChannelId: 9 }
  const extranoncePrefix = new Uint8Array(8).fill(1)
  return extended
    ? Mining.OpenExtendedMiningChannelSuccess.make({ ...common, extranonceSize: 8, extranoncePrefix })
    : Mining.OpenStandardMiningChannelSuccess.make({ ...common, extranoncePrefix })
}

const firstJobs = ({ extended }: Kind): ReadonlyArray<Mining.ToClient> => {
  const common = { channelId: 5, jobId: 100, minNtime: undefined, version: 0x2000_0000 }
  const job = extended
    ? Mining.NewExtendedMiningJob.make({
        ...common,
        versionRollingAllowed: true,
        merklePath: [],
        ...coinbaseHalves(16)
      })
    : Mining.NewMiningJob.make({ ...common, merkleRoot: new Uint8Array(32).fill(7) })
  const prevHash = { channelId: 5, jobId: 100, prevHash: new Uint8Array(32).fill(3), minNtime: NOW, nbits: 0x1d00ffff }
  return [job, Mining.SetNewPrevHash.make(prevHash)]
}

describe.each(kinds)("$profile, extended channel: $extended", (kind) => {
  const settings = (plain: boolean): RawSettings => ({
    plain,
    authorityKey,
    flags: kind.flags,
    extended: kind.extended,
    minExtranonceSize: 4
  })
  const both = (plain: boolean) => [
    wasmDevice(modules[kind.profile], settings(plain), MAX_PAYLOAD),
    javascriptDevice(curve, settings(plain), MAX_PAYLOAD, kind.profile === "header-only")
  ]

  it.each([true, false])("as WebAssembly and as JavaScript are the same, plain: %s", (plain) => {
    for (let seed = 0; seed < (plain ? 60 : 4); seed++) {
      const random = new Random(seed)
      const devices = both(plain)
      const server = new DeviceServer(plain)
      const start = random.below(2) === 0 ? 2 ** 31 - 2000 : 2 ** 32 - 2000
      let now = start
      const agree = (bytes: Uint8Array): void => {
        const [events, others] = devices.map((device) => device.feed(bytes, now))
        expect(others).toEqual(events)
        const [seen, otherSeen] = devices.map((device) => device.look())
        expect(otherSeen).toEqual(seen)
        server.receive(new Uint8Array(Buffer.from(seen![0] as string, "hex")))
      }
      const key = random.bytes()
      const entropy = random.bytes()
      for (const device of devices) expect(device.connect(new Uint8Array([...key, ...entropy]), NOW, now)).toBe(true)
      agree(new Uint8Array(0))
      agree(server.take())
      server.send(Common.SetupConnectionSuccess.make({ usedVersion: 2, flags: random.below(8) === 0 ? 1 : 0 }))
      server.send(openedOf(kind), ...firstJobs(kind))
      for (let i = 0; i < 40; i++) {
        now = (now + random.below(900)) % 2 ** 32
        if (random.below(3) > 0) server.send(anyMessage(random, kind.extended))
        const bytes = server.take()
        // Now and then something that nobody should send.
        if (plain && random.below(12) === 0 && bytes.length > 0)
          bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
        const cut = random.below(bytes.length + 1)
        agree(bytes.subarray(0, cut))
        agree(bytes.subarray(cut))
        const share = [random.below(2) === 0 ? 100 : random.below(12), i, NOW + random.below(4), 0x2000_0000] as const
        const [code, otherCode] = devices.map((device) => device.submit(...share, entropy))
        expect(otherCode).toBe(code)
        if (random.below(30) === 0) expect(devices[1]!.closeChannel()).toBe(devices[0]!.closeChannel())
        if (random.below(4) === 0) expect(devices[1]!.openChannel()).toBe(devices[0]!.openChannel())
      }
    }
  })

  it("makes of a server's messages what the client of packages/channels makes of them", () => {
    let violations = 0
    let works = 0
    for (let seed = 0; seed < 120; seed++) {
      const random = new Random(seed)
      const device = wasmDevice(modules[kind.profile], settings(true), MAX_PAYLOAD)
      const client = new ChannelClient({ requiresStandardJobs: kind.profile === "header-only" })
      const out: ClientOutbox = new Outbox()
      const request = { userIdentity: "", nominalHashRate: 0, maxTarget: new Uint8Array(32).fill(255) }
      if (kind.extended) client.openExtendedChannel({ ...request, minExtranonceSize: 4 }, out)
      else client.openStandardChannel(request, out)
      const server = new DeviceServer(true)
      device.connect(new Uint8Array(64), NOW, 0)
      device.feed(server.send(Common.SetupConnectionSuccess.make({ usedVersion: 2, flags: 0 })).take(), 0)
      const messages = [openedOf(kind), ...firstJobs(kind)]
      for (let i = 0; i < 25; i++) {
        const message = messages[i] ?? anyMessage(random, kind.extended)
        // Only a device's only channel: both forget it with the connection.
        if (message._tag === "CloseChannel") break
        const events = device.feed(server.send(message).take(), i * 100)
        client.receive([message], i * 100, out)
        const expected = out.takeEvents()
        expect(events.map(nameOf)).toEqual(namesOf(expected))
        const work = client.channels.get(5)?.work
        if (expected.at(-1)?._tag === "ProtocolViolation") {
          violations++
          break
        }
        const [, there, header, target] = device.look()
        expect(there === 1).toBe(work !== undefined)
        if (work === undefined) continue
        works++
        const view = Buffer.from(header as string, "hex")
        expect(view.readUInt32LE(0)).toBe(work.version)
        expect(view.subarray(4, 36)).toEqual(Buffer.from(work.prevHash))
        if (work._tag === "StandardWork") expect(view.subarray(36, 68)).toEqual(Buffer.from(work.merkleRoot))
        expect(view.readUInt32LE(68)).toBe(work.minNtime)
        expect(target).toBe(Buffer.from(work.target).toString("hex"))
        for (const jobId of [work.jobId, random.below(12)]) {
          const share = { jobId, nonce: 1, ntime: work.minNtime, version: work.version, extranonce: new Uint8Array(8) }
          if (jobId !== work.jobId && client.channels.get(5)!.isValidJob(jobId)) continue
          const code = device.submit(jobId, 1, work.minNtime, work.version, share.extranonce)
          expect(code === 0).toBe(client.submit(5, share, i * 100, out) !== undefined)
        }
      }
    }
    expect(violations).toBeGreaterThan(10)
    expect(works).toBeGreaterThan(200)
  })
})

/** An event in a form that both clients have. */
const nameOf = (event: ReadonlyArray<number | string>): string => {
  const [kind, rule] = event
  if (kind === MiningDevice.EVENT_FAILED) return `ProtocolViolation ${DEVICE_RULES.get(Number(rule))!.name}`
  if (kind === MiningDevice.EVENT_IGNORED) return "Ignored"
  if (kind === MiningDevice.EVENT_NEW_WORK) return `NewWork ${event[5]}`
  return String(kind)
}

const eventKinds: Readonly<Record<string, number>> = {
  ChannelOpened: 3,
  TargetChanged: 7,
  SharesAccepted: 8,
  ShareRefused: 9,
  ExtranoncePrefixChanged: 10,
  GroupChanged: 11,
  UpdateRefused: 12,
  Reconnect: 14
}

const namesOf = (events: ReadonlyArray<ClientEvent>): ReadonlyArray<string> =>
  events.flatMap((event) => {
    if (event._tag === "ProtocolViolation") return [`ProtocolViolation ${event.rule}`]
    if (event._tag === "Ignored") return ["Ignored"]
    if (event._tag === "WorkChanged") return [`NewWork ${event.work.jobId}`]
    // A job that is mined at once is one event of the device's.
    if (event._tag === "JobReceived") return event.future ? ["5"] : []
    return [String(eventKinds[event._tag])]
  })

it("allocates nothing after its creation, however long the session, and its memory does not grow", async () => {
  const harness = new WebAssembly.Module(await build("device-harness"))
  const settings = { plain: false, authorityKey, flags: 0, extended: true, minExtranonceSize: 4 }
  const kind = kinds[2]!
  const device = wasmDevice(harness, settings, 4096)
  const probe = () => Number(device.exports["probeHeap"]!())
  const [first, second] = [probe(), probe()]
  const size = device.exports.memory.buffer.byteLength
  for (let connection = 0; connection < 3; connection++) {
    const server = new DeviceServer()
    const random = new Random(connection)
    expect(device.connect(new Uint8Array(64).fill(connection + 1), NOW, 0)).toBe(true)
    const turn = (now: number) => {
      server.receive(new Uint8Array(Buffer.from(device.look()[0] as string, "hex")))
      return device.feed(server.take(), now)
    }
    turn(0)
    turn(0)
    server.send(Common.SetupConnectionSuccess.make({ usedVersion: 2, flags: 0 }), openedOf(kind), ...firstJobs(kind))
    turn(0)
    for (let i = 0; i < 200; i++) {
      const job = {
        channelId: 5,
        jobId: 200 + i,
        version: 1,
        versionRollingAllowed: true,
        merklePath: [random.bytes()]
      }
      const coinbase = coinbaseHalves(16, { prefixSize: 44 + (i % 80), suffixSize: 20 + 5 * i })
      server.send(
        Mining.NewExtendedMiningJob.make({ ...job, minNtime: undefined, ...coinbase }),
        Mining.SetNewPrevHash.make({ channelId: 5, jobId: 200 + i, prevHash: random.bytes(), minNtime: NOW, nbits: i }),
        Mining.SubmitSharesError.make({ channelId: 5, sequenceNumber: i, errorCode: "stale-share" })
      )
      expect(turn(i * 10).map(([kind]) => kind)).toEqual([5, 6, i === 0 ? 15 : 9])
      expect(device.submit(200 + i, i, NOW, 1, new Uint8Array(8))).toBe(0)
    }
  }
  expect(probe() - second).toBe(second - first)
  expect(device.exports.memory.buffer.byteLength).toBe(size)
})
