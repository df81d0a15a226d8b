/** The device module as its firmware sees it: sessions with a scripted server, with and without Noise. */
import { Common, Mining } from "@sluice/protocol"
import { describe, expect, it } from "vitest"
import { sha256 } from "@noble/hashes/sha2.js"
import { CoinbaseBytes, FrameLayout, Handshake, Version } from "@sluice/core"
import { deviceModule, DeviceModule, type DeviceModuleEvent, type DeviceModuleSettings } from "@sluice/embedded"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import { authorityKey, DeviceServer, VALID_FROM, VALID_UNTIL, type ToClient, type ToServer } from "./device-server.ts"

const modules = { "header-only": await deviceModule("header-only"), extended: await deviceModule("extended") }
const NOW = VALID_FROM + 60
const fill = (byte: number, size = 32): Uint8Array => new Uint8Array(size).fill(byte)
const RANDOM = fill(7, 64)
const CHANNEL = 5

interface Options extends Partial<DeviceModuleSettings> {
  readonly profile?: keyof typeof modules
  readonly plain?: boolean
  readonly maxPayload?: number
}

/** A device and its server, connected, with time in hand. */
class Session {
  readonly device: DeviceModule
  readonly server: DeviceServer
  now = 4_294_967_000
  sent: ReadonlyArray<ToServer> = []

  constructor({ maxPayload = 2048, plain = true, profile = "header-only", ...settings }: Options = {}) {
    this.device = new DeviceModule(modules[profile], { maxPayload })
    this.server = new DeviceServer(plain)
    this.device.configure({
      user: "farm.rig",
      vendor: "vendor",
      nominalHashRate: 2 ** 40,
      authorityKey: plain ? undefined : authorityKey,
      ...settings
    })
    expect(this.device.connect(RANDOM, NOW, this.now)).toBe(true)
    this.#exchange()
  }

  /** The device gets what the server has sent; what the device says to it is in `sent`. */
  turn(...messages: ReadonlyArray<ToClient>): ReadonlyArray<DeviceModuleEvent> {
    this.server.send(...messages)
    const events = this.device.receive(this.server.take(), this.now)
    this.#exchange()
    return events
  }

  #exchange(): void {
    this.sent = this.server.receive(this.device.take())
  }
}

const frame = (extensionType: number, messageType: number, payload: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(6 + payload.length)
  FrameLayout.writeFrameHeader(bytes, 0, extensionType, messageType, payload.length)
  bytes.set(payload, 6)
  return bytes
}

const accepted = (flags = 0) => Common.SetupConnectionSuccess.make({ usedVersion: 2, flags })
const opened = (fields: Partial<Mining.OpenStandardMiningChannelSuccess> = {}) =>
  Mining.OpenStandardMiningChannelSuccess.make({
    requestId: 1,
    channelId: CHANNEL,
    target: fill(0x20),
    extranoncePrefix: fill(1, 8),
    groupChannelId: 9,
    ...fields
  })
const openedExtended = (fields: Partial<Mining.OpenExtendedMiningChannelSuccess> = {}) =>
  Mining.OpenExtendedMiningChannelSuccess.make({ ...opened(), extranonceSize: 6, ...fields })
const job = (jobId: number, fields: Partial<Mining.NewMiningJob> = {}) =>
  Mining.NewMiningJob.make({
    channelId: CHANNEL,
    jobId,
    minNtime: undefined,
    version: 0x2000_0000,
    merkleRoot: fill(jobId),
    ...fields
  })
const extendedJob = (jobId: number, fields: Partial<Mining.NewExtendedMiningJob> = {}) =>
  Mining.NewExtendedMiningJob.make({
    channelId: CHANNEL,
    jobId,
    minNtime: undefined,
    version: 0x2000_0000,
    versionRollingAllowed: true,
    merklePath: [fill(2), fill(3)],
    ...halvesOf(jobId),
    ...fields
  })
/** The coinbase of a job, around prefix and extranonce of an extended channel here, or those of a standard one. */
const halvesOf = (jobId: number, extranonceSize = 14) =>
  coinbaseHalves(extranonceSize, { mark: jobId, prefixSize: 70, suffixSize: 100 })
const prevHash = (jobId: number, fields: Partial<Mining.SetNewPrevHash> = {}) =>
  Mining.SetNewPrevHash.make({
    channelId: CHANNEL,
    jobId,
    prevHash: fill(0x99),
    minNtime: NOW,
    nbits: 0x1d00ffff,
    ...fields
  })

const opening = (options: Options = {}, flags = 0): Session => {
  const session = new Session(options)
  session.turn()
  expect(session.turn(accepted(flags))).toEqual([{ _tag: "Connected", flags, version: 2 }])
  return session
}

const mining = (options: Options = {}, flags = 0): Session => {
  const session = opening(options, flags)
  const events =
    options.extended === undefined
      ? session.turn(opened(), job(1), prevHash(1))
      : session.turn(openedExtended(), extendedJob(1), prevHash(1))
  expect(events.map(({ _tag }) => _tag)).toEqual(["ChannelOpen", "JobQueued", "NewWork"])
  return session
}

const share = (fields: object = {}) => ({ jobId: 1, nonce: 77, ntime: NOW, version: 0x2000_0000, ...fields })

const failure = (events: ReadonlyArray<DeviceModuleEvent>) => {
  const last = events.at(-1)
  return last?._tag === "Failed" ? { rule: last.ruleName, message: last.messageType, detail: last.detail } : last
}

describe.each(["header-only", "extended"] as const)("profile %s", (profile) => {
  it.each([true, false])("goes through a session, plain: %s", (plain) => {
    const session = new Session({ profile, plain, host: "pool.example", port: 3333, deviceId: "id", flags: 1 })
    if (!plain) session.turn()
    expect(session.sent).toEqual([
      Common.SetupConnection.make({
        protocol: 0,
        minVersion: 2,
        maxVersion: 2,
        flags: 1,
        endpointHost: "pool.example",
        endpointPort: 3333,
        vendor: "vendor",
        hardwareVersion: "",
        firmware: "",
        deviceId: "id"
      })
    ])
    expect(session.turn(accepted())).toEqual([{ _tag: "Connected", flags: 0, version: 2 }])
    expect(session.sent).toEqual([
      Mining.OpenStandardMiningChannel.make({
        requestId: 1,
        userIdentity: "farm.rig",
        nominalHashRate: 2 ** 40,
        maxTarget: fill(0xff)
      })
    ])
    const header = new Uint8Array(80)
    const view = new DataView(header.buffer)
    view.setUint32(0, 0x2000_0000, true)
    header.fill(0x99, 4, 36).fill(1, 36, 68)
    view.setUint32(68, NOW, true)
    view.setUint32(72, 0x1d00ffff, true)
    const work = {
      jobId: 1,
      header,
      target: fill(0x20),
      version: 0x2000_0000,
      versionMask: Version.VERSION_MASK,
      minNtime: NOW,
      prevHashNtime: NOW,
      prevHashReceivedAtMs: session.now
    }
    expect(session.turn(opened(), job(1), prevHash(1))).toEqual([
      {
        _tag: "ChannelOpen",
        channelId: CHANNEL,
        groupChannelId: 9,
        target: fill(0x20),
        extranoncePrefix: fill(1, 8),
        extranonceSize: 0
      },
      { _tag: "JobQueued", channelId: CHANNEL, jobId: 1 },
      { _tag: "NewWork", channelId: CHANNEL, work, newPrevHash: true }
    ])
    expect(session.device.submit(share(), session.now)).toBe(1)
    expect(session.device.submit(share({ version: 0x3fff_ffe0 }), session.now)).toBe(2)
    expect(session.turn()).toEqual([])
    expect(session.sent).toEqual([
      Mining.SubmitSharesStandard.make({ channelId: CHANNEL, sequenceNumber: 1, ...share() }),
      Mining.SubmitSharesStandard.make({ channelId: CHANNEL, sequenceNumber: 2, ...share({ version: 0x3fff_ffe0 }) })
    ])
    expect(session.device.pending).toBe(2)
    const success = { channelId: CHANNEL, lastSequenceNumber: 1, newSubmitsAcceptedCount: 1, newSharesSum: 2n ** 40n }
    expect(
      session.turn(
        Mining.SubmitSharesSuccess.make(success),
        Mining.SubmitSharesError.make({ channelId: CHANNEL, sequenceNumber: 2, errorCode: "stale-share" }),
        Mining.SetTarget.make({ channelId: CHANNEL, maximumTarget: fill(0x10) }),
        job(2, { minNtime: NOW + 9 })
      )
    ).toEqual([
      {
        _tag: "SharesAccepted",
        channelId: CHANNEL,
        lastSequenceNumber: 1,
        count: 1,
        answered: 1,
        difficultySum: 2n ** 40n
      },
      { _tag: "ShareRefused", channelId: CHANNEL, sequenceNumber: 2, jobId: 1, errorCode: "stale-share" },
      { _tag: "NewTarget", channelId: CHANNEL, target: fill(0x10) },
      {
        _tag: "NewWork",
        channelId: CHANNEL,
        newPrevHash: false,
        work: { ...work, jobId: 2, minNtime: NOW + 9, target: fill(0x10), header: session.device.work!.header }
      }
    ])
    expect(session.device.pending).toBe(0)
    expect(session.turn(Common.Reconnect.make({ newHost: "other", newPort: 1 }))).toEqual([
      { _tag: "Reconnect", host: "other", port: 1 }
    ])
  })

  it("gives the same events whether bytes come at once or one by one", () => {
    const script = [
      opened(),
      job(1),
      prevHash(1),
      job(2),
      Mining.SetTarget.make({ channelId: CHANNEL, maximumTarget: fill(3) })
    ]
    const [whole, byByte] = [opening({ profile, plain: false }), opening({ profile, plain: false })]
    const expected = whole.turn(...script)
    const bytes = byByte.server.send(...script).take()
    const events = Array.from(bytes).flatMap((byte) => byByte.device.receive(Uint8Array.of(byte), byByte.now))
    expect(events).toEqual(expected)
  })

  it("connects again with other keys after a disconnect", () => {
    const session = mining({ profile, plain: false })
    const act1 = (random: Uint8Array) => {
      session.device.disconnect()
      expect(session.device.work).toBeUndefined()
      expect(session.device.connect(random, NOW, session.now)).toBe(true)
      return session.device.take()
    }
    const first = act1(fill(7, 64))
    expect(first.length).toBe(64)
    expect(act1(fill(8, 64))).not.toEqual(first)
    const server = new DeviceServer()
    server.receive(act1(fill(9, 64)))
    expect(session.device.receive(server.take(), session.now)).toEqual([])
    expect(server.receive(session.device.take()).map(({ _tag }) => _tag)).toEqual(["SetupConnection"])
  })

  it("refuses random bytes that make no key", () => {
    const device = new DeviceModule(modules[profile])
    device.configure({ user: "", vendor: "", authorityKey, nominalHashRate: 0 })
    expect(device.connect(new Uint8Array(64), NOW, 0)).toBe(false)
    expect(device.take().length).toBe(0)
  })

  it("closes its channel, opens another, and tells of a new hashrate", () => {
    const session = mining({ profile })
    expect(session.device.updateChannel(1024, fill(0x30))).toBe(true)
    expect(session.device.closeChannel("night")).toBe(true)
    expect(session.device.closeChannel("night")).toBe(false)
    expect(session.device.work).toBeUndefined()
    expect(session.device.submit(share(), session.now)).toBe("no-channel")
    expect(session.device.openChannel()).toBe(true)
    session.turn()
    expect(session.sent).toEqual([
      Mining.UpdateChannel.make({ channelId: CHANNEL, nominalHashRate: 1024, maximumTarget: fill(0x30) }),
      Mining.CloseChannel.make({ channelId: CHANNEL, reasonCode: "night" }),
      Mining.OpenStandardMiningChannel.make({
        requestId: 2,
        userIdentity: "farm.rig",
        nominalHashRate: 1024,
        maxTarget: fill(0x30)
      })
    ])
    expect(session.turn(opened({ requestId: 2, channelId: 8 })).map(({ _tag }) => _tag)).toEqual(["ChannelOpen"])
  })

  it("submits no share that the server would have to refuse", () => {
    const session = mining({ profile })
    const submit = (fields: object) => session.device.submit(share(fields), session.now)
    expect(submit({ jobId: 2 })).toBe("stale")
    expect(submit({ version: 0x2000_0001 })).toBe("version")
    expect(submit({ ntime: NOW - 1 })).toBe("ntime")
    expect(submit({ ntime: NOW + 1 })).toBe("ntime")
    session.now += 999
    expect(submit({ ntime: NOW + 1 })).toBe("ntime")
    session.now += 1
    expect(submit({ ntime: NOW + 1 })).toBe(1)
    session.turn(job(2), prevHash(2, { minNtime: NOW + 30 }))
    expect(submit({})).toBe("stale")
    expect(submit({ jobId: 2, ntime: NOW + 30 })).toBe(2)
  })

  it("rolls no version where the server fixes it", () => {
    const session = mining({ profile }, Mining.REQUIRES_FIXED_VERSION)
    expect(session.device.work?.versionMask).toBe(0)
    expect(session.device.submit(share({ version: 0x2000_0020 }), session.now)).toBe("version")
  })

  it("takes no more shares than its output holds, and goes on when that is sent", () => {
    const session = mining({ profile })
    const submit = () => session.device.submit(share(), session.now)
    let count = 0
    while (typeof submit() === "number") count++
    expect(submit()).toBe("no-room")
    expect(count).toBeGreaterThan(100)
    session.turn()
    expect(session.sent.length).toBe(count)
    expect(submit()).toBe(count + 1)
    expect(session.device.pending).toBe(count + 1)
  })

  it("tells when the server refuses or closes, and asks again when told to", () => {
    const session = opening({ profile })
    const refusal = Mining.OpenMiningChannelError.make({ requestId: 1, errorCode: "unknown-user" })
    expect(session.turn(refusal)).toEqual([{ _tag: "OpenRefused", errorCode: "unknown-user" }])
    expect(session.device.openChannel()).toBe(true)
    session.turn(opened({ requestId: 2 }), job(1), prevHash(1))
    const close = Mining.CloseChannel.make({ channelId: CHANNEL, reasonCode: "bye" })
    expect(session.turn(close)).toEqual([{ _tag: "ChannelClosed", channelId: CHANNEL, reasonCode: "bye" }])
    expect(session.device.work).toBeUndefined()
    const refused = new Session({ profile })
    const error = Common.SetupConnectionError.make({ flags: 1, errorCode: "unsupported-feature-flags" })
    expect(refused.turn(error)).toEqual([{ _tag: "SetupFailed", flags: 1, errorCode: "unsupported-feature-flags" }])
    expect(refused.turn(accepted())).toEqual([])
  })

  it("takes a group's previous hash, target and end for its own", () => {
    const session = mining({ profile, flags: Mining.REQUIRES_STANDARD_JOBS })
    const events = session.turn(
      job(2),
      prevHash(2, { channelId: 9 }),
      Mining.SetTarget.make({ channelId: 9, maximumTarget: fill(0x10) }),
      Mining.CloseChannel.make({ channelId: 9, reasonCode: "" })
    )
    expect(events.map(({ _tag }) => _tag)).toEqual(["JobQueued", "NewWork", "NewTarget", "ChannelClosed"])
  })

  it("ignores what is not for it, and says so", () => {
    const session = mining({ profile })
    const ignored = (messageType: number, reason: string) => ({ _tag: "Ignored", messageType, reason })
    session.server.sendFrame(frame(0x0100, 0x15, fill(1, 40)))
    session.server.sendFrame(frame(0, 0x77, fill(1, 40)))
    // Longer than there is room for, but it means nothing.
    session.server.sendFrame(frame(0, 0x78, fill(1, 100_000)))
    expect(
      session.turn(
        job(9, { channelId: 6 }),
        Mining.SubmitSharesSuccess.make({
          channelId: CHANNEL,
          lastSequenceNumber: 4,
          newSubmitsAcceptedCount: 4,
          newSharesSum: 1n
        }),
        Common.ChannelEndpointChanged.make({ channelId: CHANNEL })
      )
    ).toEqual([
      ignored(0x15, "unexpected-message"),
      ignored(0x77, "unexpected-message"),
      ignored(0x78, "unexpected-message"),
      ignored(0x15, "unknown-channel"),
      ignored(0x1c, "unknown-share")
    ])
  })

  it("skips a message without room under Noise, too", () => {
    const session = mining({ profile, plain: false })
    session.server.sendFrame(frame(0, 0x78, fill(1, 200_000)))
    expect(session.turn(job(2)).map(({ _tag }) => _tag)).toEqual(["Ignored", "JobQueued"])
  })

  it("gives the connection up when an answer does not come in time", () => {
    const session = opening({ profile, timeoutMs: 5000 })
    session.now = (session.now + 4999) % 2 ** 32
    expect(session.turn()).toEqual([])
    session.now += 1
    expect(failure(session.turn())).toEqual({ rule: "timely-answer", message: undefined, detail: 4 })
    const working = mining({ profile, timeoutMs: 5000 })
    working.now = 3_600_000
    expect(working.turn()).toEqual([])
  })

  it.each([
    ["a wrong authority key", { authorityKey: fill(3) }, NOW, Handshake.HANDSHAKE_BAD_SIGNATURE],
    ["a certificate that is over", {}, VALID_UNTIL + 11, Handshake.HANDSHAKE_EXPIRED],
    ["a certificate that begins later", {}, VALID_FROM - 11, Handshake.HANDSHAKE_NOT_YET_VALID]
  ])("refuses %s", (_what, settings, now, detail) => {
    const device = new DeviceModule(modules[profile])
    device.configure({ user: "", vendor: "", authorityKey, nominalHashRate: 0, ...settings })
    const server = new DeviceServer()
    device.connect(RANDOM, now, 0)
    server.receive(device.take())
    expect(failure(device.receive(server.take(), 0))).toEqual({ rule: "noise-handshake", message: undefined, detail })
    expect(device.take().length).toBe(0)
  })

  it("takes a certificate of any date where it has no clock", () => {
    const device = new DeviceModule(modules[profile])
    device.configure({ user: "", vendor: "", authorityKey, nominalHashRate: 0 })
    const server = new DeviceServer()
    device.connect(RANDOM, 0, 0)
    server.receive(device.take())
    expect(device.receive(server.take(), 0)).toEqual([])
    expect(server.receive(device.take()).map(({ _tag }) => _tag)).toEqual(["SetupConnection"])
  })

  it("is over with the first byte that is not authentic", () => {
    const session = mining({ profile, plain: false })
    const bytes = session.server.send(job(2)).take()
    bytes[30]! ^= 1
    const events = session.device.receive(bytes, session.now)
    expect(failure(events)).toEqual({ rule: "authentic-frame", message: undefined, detail: 0 })
    expect(session.turn(job(3))).toEqual([])
    expect(session.device.submit(share(), session.now)).toBe("no-channel")
  })

  const broken: ReadonlyArray<readonly [rule: string, messages: ReadonlyArray<Mining.ToClient>]> = [
    ["unique-job-id", [job(1)]],
    ["unique-job-id", [job(2), job(2)]],
    ["prev-hash-names-future-job", [prevHash(2)]],
    ["prev-hash-names-future-job", [job(2), job(3), prevHash(2), prevHash(3)]],
    ["prev-hash-names-future-job", [job(2, { minNtime: NOW }), prevHash(2)]],
    ["known-request-id", [opened()]],
    ["known-request-id", [openedExtended()]],
    ["known-request-id", [Mining.OpenMiningChannelError.make({ requestId: 1, errorCode: "" })]],
    ["no-extended-jobs-with-standard-jobs-only", [extendedJob(2)]],
    ["standard-job-for-standard-channel", [job(2, { channelId: 9 })]],
    [
      "extranonce-prefix-for-channel",
      [Mining.SetExtranoncePrefix.make({ channelId: 9, extranoncePrefix: fill(1, 2) })]
    ],
    ["no-groups-with-standard-jobs-only", [Mining.SetGroupChannel.make({ groupChannelId: 3, channelIds: [CHANNEL] })]]
  ]
  it.each(broken)("holds the server to %s", (rule, messages) => {
    const session = mining({ profile, flags: Mining.REQUIRES_STANDARD_JOBS })
    const last = messages.at(-1)!
    const found = failure(session.turn(...messages, job(50)))
    expect(found).toMatchObject({
      rule,
      message: Mining.protocol.toClient.messages.find((m) => m.name === last._tag)!.type
    })
    expect(session.device.work).toBeUndefined()
    expect(session.turn(job(51))).toEqual([])
  })

  it.each([
    ["setup-answer-first", [job(1)], 0],
    ["used-version", [Common.SetupConnectionSuccess.make({ usedVersion: 3, flags: 0 })], 0],
    ["version-rolling-agreed", [accepted(Mining.REQUIRES_FIXED_VERSION)], Mining.REQUIRES_VERSION_ROLLING],
    ["standard-channels", [accepted(Mining.REQUIRES_EXTENDED_CHANNELS)], 0],
    ["target-within-maximum", [accepted(), opened({ target: fill(0xff) })], 0],
    ["first-job-is-future", [accepted(), opened(), job(1, { minNtime: NOW })], 0]
  ] as const)("holds the server to %s from the beginning", (rule, messages, flags) => {
    const session = new Session({ profile, flags, maxTarget: fill(0x7f) })
    expect(failure(session.turn(...messages))).toMatchObject({ rule })
  })

  it("refuses a message of its own that has no room, or ends too early", () => {
    const large = mining({ profile, maxPayload: 512 })
    large.server.sendFrame(frame(0x8000, 0x15, fill(1, 513)))
    expect(failure(large.turn())).toEqual({ rule: "frame-size", message: 0x15, detail: 513 })
    const whole = [job(2), prevHash(1), Mining.SetTarget.make({ channelId: CHANNEL, maximumTarget: fill(3) })]
    for (const message of whole) {
      const bytes = Mining.protocol.toClient.encode(message)
      for (let length = 0; length < bytes.length - 6; length += 7) {
        const session = mining({ profile })
        session.server.sendFrame(frame(0x8000, bytes[2]!, bytes.slice(6, 6 + length)))
        expect(failure(session.turn())).toMatchObject({ rule: "well-formed-message", message: bytes[2] })
      }
    }
  })
})

describe("profile extended", () => {
  const extended = { minExtranonceSize: 4 }
  const options: Options = { profile: "extended", extended }
  const root = (
    { coinbaseTxPrefix, coinbaseTxSuffix }: ReturnType<typeof coinbaseHalves>,
    extranonce: ReadonlyArray<Uint8Array>,
    path: ReadonlyArray<Uint8Array> = [fill(2), fill(3)]
  ) => path.reduce((left, right) => twice(left, right), twice(coinbaseTxPrefix, ...extranonce, coinbaseTxSuffix))
  const zeros = [fill(1, 8), fill(0, 6)]
  const twice = (...parts: ReadonlyArray<Uint8Array>) => sha256(sha256(new Uint8Array(Buffer.concat(parts))))
  const rootOf = (session: Session) => session.device.work!.header.slice(36, 68)

  it("makes merkle roots of any extranonce and submits it", () => {
    const session = mining(options)
    expect(rootOf(session)).toEqual(root(halvesOf(1), zeros))
    expect(session.device.rollExtranonce(fill(9, 6))).toBe(true)
    expect(rootOf(session)).toEqual(root(halvesOf(1), [fill(1, 8), fill(9, 6)]))
    expect(session.device.submit(share(), session.now)).toBe("extranonce")
    expect(session.device.submit(share({ extranonce: fill(9, 6) }), session.now)).toBe(1)
    session.turn()
    expect(session.sent).toEqual([
      Mining.SubmitSharesExtended.make({ channelId: CHANNEL, sequenceNumber: 1, ...share(), extranonce: fill(9, 6) })
    ])
  })

  it("asks for an extended channel, also where the server takes no others", () => {
    const session = opening(options, Mining.REQUIRES_EXTENDED_CHANNELS)
    expect(session.sent).toEqual([
      Mining.OpenExtendedMiningChannel.make({
        requestId: 1,
        userIdentity: "farm.rig",
        nominalHashRate: 2 ** 40,
        maxTarget: fill(0xff),
        minExtranonceSize: 4
      })
    ])
  })

  it("hashes coinbases of all sizes alike, at once or from the store of future jobs", () => {
    for (const i of [44, 45, 49, 50, 51, 55, 63, 64, 65, 100, 113, 114, 115, 127, 128, 400, 447, 448, 449]) {
      const session = mining({ ...options, maxPayload: 16_384 })
      const halves = coinbaseHalves(14, { mark: i & 0xff, prefixSize: i, suffixSize: i < 400 ? 3 * i : i })
      const job = (jobId: number, fields = {}) => extendedJob(jobId, { ...halves, merklePath: [fill(i)], ...fields })
      const expected = root(halves, zeros, [fill(i)])
      session.turn(job(2, { minNtime: NOW }))
      expect(rootOf(session)).toEqual(expected)
      session.turn(job(3), extendedJob(4, { minNtime: NOW }), prevHash(3))
      expect(rootOf(session)).toEqual(expected)
    }
  })

  it("takes the largest job that there can be, under Noise", () => {
    const session = mining({ ...options, plain: false, maxPayload: 139_255 })
    const merklePath = Array.from({ length: 255 }, (_, i) => fill(i))
    const large = coinbaseHalves(14, { prefixSize: 65_535, suffixSize: 65_535 })
    const messages = [extendedJob(2, { ...large, merklePath }), extendedJob(3), prevHash(2)]
    expect(session.turn(...messages).map(({ _tag }) => _tag)).toEqual(["JobQueued", "JobQueued", "NewWork"])
    expect(rootOf(session)).toEqual(root(large, zeros, merklePath))
  })

  it("forgets the oldest future jobs when many large ones come", () => {
    const session = mining({ ...options, maxPayload: 4096 })
    const large = coinbaseHalves(14, { prefixSize: 70, suffixSize: 1500 })
    session.turn(...[2, 3, 4, 5, 6, 7].map((jobId) => extendedJob(jobId, large)))
    expect(session.turn(prevHash(6))).toMatchObject([{ _tag: "NewWork" }])
    expect(rootOf(session)).toEqual(root(large, zeros))
    const other = mining({ ...options, maxPayload: 4096 })
    other.turn(...[2, 3, 4, 5, 6, 7, 8, 9, 10].map((jobId) => extendedJob(jobId, large)))
    expect(failure(other.turn(prevHash(2)))).toMatchObject({ rule: "prev-hash-names-future-job" })
  })

  it("strips the witness that some pools leave in the coinbase", () => {
    const session = mining(options)
    const whole = withWitness(1)
    session.turn(extendedJob(2, { ...whole, minNtime: NOW }))
    expect(rootOf(session)).toEqual(root(halvesOf(2), zeros))
    const wrong = extendedJob(3, { ...whole, coinbaseTxSuffix: fill(9, 60), minNtime: NOW })
    expect(failure(session.turn(wrong))).toMatchObject({ rule: "strippable-coinbase" })
  })

  const withWitness = (flag: number) => {
    const { coinbaseTxPrefix, coinbaseTxSuffix } = halvesOf(2)
    return {
      coinbaseTxPrefix: Uint8Array.of(...coinbaseTxPrefix.subarray(0, 4), 0, flag, ...coinbaseTxPrefix.subarray(4)),
      coinbaseTxSuffix: Uint8Array.of(
        ...coinbaseTxSuffix.subarray(0, -4),
        1,
        32,
        ...fill(0),
        ...coinbaseTxSuffix.subarray(-4)
      )
    }
  }

  it.each([
    ["marker 00 and flag 02", withWitness(2), CoinbaseBytes.COINBASE_INPUT_COUNT],
    ["two inputs", { coinbaseTxPrefix: halvesOf(2).coinbaseTxPrefix.with(4, 2) }, CoinbaseBytes.COINBASE_INPUT_COUNT],
    [
      "another outpoint",
      { coinbaseTxPrefix: halvesOf(2).coinbaseTxPrefix.with(5, 2) },
      CoinbaseBytes.COINBASE_OUTPOINT
    ],
    [
      "a byte too many",
      { coinbaseTxSuffix: Uint8Array.of(...halvesOf(2).coinbaseTxSuffix, 0) },
      CoinbaseBytes.COINBASE_TRAILING
    ],
    ["a script that ends inside the extranonce", halvesOf(2, 13), CoinbaseBytes.COINBASE_CUT_OFF]
  ])("refuses a job whose coinbase has %s, before it is mined", (_, fields, detail) => {
    for (const minNtime of [NOW, undefined]) {
      const session = mining(options)
      const failed = failure(session.turn(extendedJob(2, { ...fields, minNtime })))
      expect(failed).toEqual({ rule: "coinbase-transaction", message: 0x1f, detail })
    }
  })

  it("takes a group's jobs, as an extended channel and as a standard one", () => {
    const session = mining(options)
    session.turn(Mining.SetGroupChannel.make({ groupChannelId: 70, channelIds: [1, CHANNEL] }))
    const jobs = [extendedJob(2, { channelId: 70 }), prevHash(2, { channelId: 70 })]
    expect(session.turn(...jobs).map(({ _tag }) => _tag)).toEqual(["JobQueued", "NewWork"])
    const standard = opening({ profile: "extended" })
    const first = extendedJob(2, { channelId: 9, ...halvesOf(2, 8) })
    expect(standard.turn(opened(), first, prevHash(2, { channelId: 9 }))).toMatchObject([
      { _tag: "ChannelOpen" },
      { _tag: "JobQueued" },
      { _tag: "NewWork" }
    ])
    expect(rootOf(standard)).toEqual(root(halvesOf(2, 8), [fill(1, 8)]))
    const prefix = Mining.SetExtranoncePrefix.make({ channelId: CHANNEL, extranoncePrefix: fill(8, 8) })
    standard.turn(prefix, extendedJob(3, { channelId: 9, minNtime: NOW, ...halvesOf(3, 8) }))
    expect(rootOf(standard)).toEqual(root(halvesOf(3, 8), [fill(8, 8)]))
    expect(standard.device.submit(share({ jobId: 3 }), standard.now)).toBe(1)
  })

  const group = (groupChannelId: number) => Mining.SetGroupChannel.make({ groupChannelId, channelIds: [CHANNEL] })
  it.each([
    ["minimum-extranonce-size", [openedExtended({ extranonceSize: 3 })], 0],
    ["full-extranonce-size", [openedExtended({ extranonceSize: 25 })], 0],
    ["known-request-id", [opened()], 0],
    ["unique-group-channel-id", [openedExtended({ groupChannelId: CHANNEL })], 0],
    ["unique-group-channel-id", [openedExtended(), group(CHANNEL)], 0],
    ["standard-job-for-standard-channel", [openedExtended(), job(1)], 0],
    ["version-rolling-was-required", [openedExtended(), extendedJob(1, { versionRollingAllowed: false })], 4],
    [
      "full-extranonce-size",
      [openedExtended(), Mining.SetExtranoncePrefix.make({ channelId: CHANNEL, extranoncePrefix: fill(1, 27) })],
      0
    ],
    [
      "extranonce-prefix-for-channel",
      [openedExtended(), Mining.SetExtranoncePrefix.make({ channelId: 9, extranoncePrefix: fill(1, 2) })],
      0
    ]
  ] as const)("holds the server to %s", (rule, messages, flags) => {
    const session = opening({ ...options, flags })
    expect(failure(session.turn(...messages))).toMatchObject({ rule })
  })

  it("holds the server to version-is-fixed and to the kind of its channel", () => {
    const fixed = opening(options, Mining.REQUIRES_FIXED_VERSION)
    expect(failure(fixed.turn(openedExtended(), extendedJob(1)))).toMatchObject({ rule: "version-is-fixed" })
    const standard = opening({ profile: "extended" })
    expect(failure(standard.turn(opened(), extendedJob(1)))).toMatchObject({
      rule: "extended-job-for-extended-or-group-channel"
    })
  })
})
