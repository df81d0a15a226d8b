/**
 * What `npm run fuzz` throws at the client's end of a mining connection (specification, section 5): whatever a server may
 * send behind the setup. What it may not is a violation by name, and nothing else is thrown.
 */
import { ChannelClient, type ClientOutbox, Outbox, ProtocolViolation, SERVER_RULES } from "@sluice/channels"
import { Target } from "@sluice/core"
import { Common, DecodeError, Frame, Mining } from "@sluice/protocol"
import { deepStrictEqual, ok } from "node:assert/strict"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import type { FuzzTarget } from "./target.ts"

const NOW = 1_800_000_000_000
const NTIME = 1_800_000_000
const MAX_FUTURE_JOBS = 4
const MAX_PENDING = 8
const maxTarget = new Uint8Array(32).fill(0x7f)
const request = { userIdentity: "fuzz", nominalHashRate: 1.5, maxTarget }

/** What lasts of a client: channels, their work and their prefixes. */
const look = (client: ChannelClient) =>
  [...client.channels.values()].map(({ channelId, extranoncePrefix, groupChannelId, prevHash, target, work }) =>
    structuredClone({ channelId, extranoncePrefix, groupChannelId, prevHash, target, work })
  )

/** Everything that holds for a client at all times, whatever the server says. */
const check = (client: ChannelClient, standardJobs: boolean): void => {
  ok(client.channels.size <= 4, "more channels than were asked for")
  for (const [id, channel] of client.channels) {
    ok(channel.channelId === id, "a channel has another id")
    // Who has standard jobs only has no groups, and the group that a server names then may be any number.
    ok(standardJobs || !client.channels.has(channel.groupChannelId!), "a group has the id of a channel")
    ok(channel.fullExtranonceSize <= 32, "an extranonce is too long")
    ok(Target.compareU256(channel.target, 0, maxTarget, 0) <= 0, "a target is too easy")
    ok(channel.kind === "standard" || channel.extranonceSize >= 4, "an extranonce is too short")
    const { work } = channel
    if (work === undefined) continue
    ok((work._tag === "StandardWork") === (channel.kind === "standard"), "a channel has work of the other kind")
    ok(work.channelId === id && channel.isValidJob(work.jobId), "the work is of another channel or job")
  }
}

/** The first byte is the flags of both ends; behind it come frames, and a share goes whenever there is new work. */
const run = (input: Uint8Array): void => {
  const flags = input[0] ?? 0
  const stream = input.slice(1)
  const client = new ChannelClient({
    requiresStandardJobs: (flags & 1) !== 0,
    requiresVersionRolling: (flags & 2) !== 0,
    fixedVersion: (flags & 4) !== 0,
    maxFutureJobs: MAX_FUTURE_JOBS,
    maxPendingShares: MAX_PENDING
  })
  const out: ClientOutbox = new Outbox()
  client.openExtendedChannel({ ...request, minExtranonceSize: 4 }, out)
  client.openStandardChannel(request, out)
  client.openExtendedChannel({ ...request, minExtranonceSize: 4 }, out)
  client.openStandardChannel(request, out)
  out.takeMessages()
  let violated = false
  let at = 0
  for (let frame = Frame.read(stream, at); frame !== undefined; frame = Frame.read(stream, at)) {
    at += Frame.headerSize + frame.payload.length
    let message: Mining.ToClient | undefined
    try {
      message = Mining.protocol.toClient.decode(frame)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      break
    }
    if (message === undefined) continue
    const before = look(client)
    client.receive([message], NOW + at, out)
    const events = out.takeEvents()
    const after = look(client)
    if (violated) ok(events.length === 0, "it goes on after a violation")
    for (const [index, event] of events.entries()) {
      if (event._tag === "ProtocolViolation") {
        ok(event instanceof ProtocolViolation && event.rule in SERVER_RULES, "a violation without a name")
        ok(index === events.length - 1, "a violation is not the last word")
        violated = true
      }
      if (event._tag === "SharesAccepted") ok(event.shares.length <= MAX_PENDING, "more shares than are remembered")
    }
    if (violated) deepStrictEqual(after, before, "a message that may not come is applied")
    else check(client, (flags & 1) !== 0)
    // The bytes are the transport's again.
    frame.payload.fill(0xa5)
    deepStrictEqual(look(client), after, "the client keeps a view on the bytes of a message")
    for (const event of events) {
      if (event._tag !== "WorkChanged") continue
      const { channelId, work } = event
      const extranonce = new Uint8Array(work._tag === "ExtendedWork" ? work.extranonceSize : 0)
      const mined = { jobId: work.jobId, nonce: 1, ntime: work.minNtime, version: work.version, extranonce }
      client.submit(channelId, mined, NOW, out)
      const [share] = out.takeMessages()
      if (share === undefined) continue
      const encoded = Frame.read(Mining.protocol.toServer.encode(share))!
      deepStrictEqual(Mining.protocol.toServer.decode(encoded), share, "it says what nobody can read")
    }
  }
}

const seeds = (): ReadonlyArray<Uint8Array> => {
  const target = new Uint8Array(32).fill(9)
  const opened = { target, groupChannelId: 7, extranoncePrefix: new Uint8Array(8).fill(1) }
  const extended = (channelId: number, requestId: number) =>
    Mining.OpenExtendedMiningChannelSuccess.make({ ...opened, requestId, channelId, extranonceSize: 8 })
  const standard = (channelId: number, requestId: number) =>
    Mining.OpenStandardMiningChannelSuccess.make({
      ...opened,
      requestId,
      channelId,
      groupChannelId: 8,
      extranoncePrefix: new Uint8Array(16).fill(2)
    })
  const standardJob = (channelId: number, jobId: number, minNtime?: number) =>
    Mining.NewMiningJob.make({
      channelId,
      jobId,
      minNtime,
      version: 0x2000_0000,
      merkleRoot: new Uint8Array(32).fill(4)
    })
  const extendedJob = (channelId: number, jobId: number, minNtime?: number, versionRollingAllowed = true) =>
    Mining.NewExtendedMiningJob.make({
      channelId,
      jobId,
      minNtime,
      version: 0x2000_0000,
      versionRollingAllowed,
      merklePath: [new Uint8Array(32).fill(3)],
      ...coinbaseHalves(16)
    })
  const prevHash = (channelId: number, jobId: number) =>
    Mining.SetNewPrevHash.make({
      channelId,
      jobId,
      prevHash: new Uint8Array(32).fill(5),
      minNtime: NTIME,
      nbits: 0x1d00ffff
    })
  const accepted = Mining.SubmitSharesSuccess.make({
    channelId: 1,
    lastSequenceNumber: 1,
    newSubmitsAcceptedCount: 1,
    newSharesSum: 5n
  })
  const session = (flags: number, ...messages: ReadonlyArray<Mining.ToClient>) =>
    new Uint8Array(
      Buffer.concat([Uint8Array.of(flags), ...messages.map((message) => Mining.protocol.toClient.encode(message))])
    )
  return [
    session(
      0,
      extended(1, 1),
      extendedJob(1, 1),
      prevHash(1, 1),
      accepted,
      extendedJob(1, 2, NTIME),
      Mining.SubmitSharesError.make({ channelId: 1, sequenceNumber: 2, errorCode: "stale-share" }),
      Mining.SetTarget.make({ channelId: 1, maximumTarget: target }),
      Mining.SetExtranoncePrefix.make({ channelId: 1, extranoncePrefix: new Uint8Array(8).fill(6) }),
      Mining.CloseChannel.make({ channelId: 1, reasonCode: "end" })
    ),
    session(
      0,
      extended(1, 1),
      extended(2, 3),
      standard(3, 2),
      extendedJob(7, 1),
      extendedJob(8, 1),
      prevHash(7, 1),
      prevHash(8, 1),
      Mining.SetGroupChannel.make({ groupChannelId: 9, channelIds: [1, 3] }),
      extendedJob(9, 2, NTIME),
      Mining.SetTarget.make({ channelId: 9, maximumTarget: target }),
      Mining.CloseChannel.make({ channelId: 9, reasonCode: "end" })
    ),
    session(
      1,
      standard(3, 2),
      standard(4, 4),
      standardJob(3, 1),
      prevHash(3, 1),
      standardJob(3, 2, NTIME),
      Mining.OpenMiningChannelError.make({ requestId: 1, errorCode: "unknown-user" }),
      Mining.UpdateChannelError.make({ channelId: 3, errorCode: "max-target-out-of-range" }),
      Common.Reconnect.make({ newHost: "pool", newPort: 3333 })
    ),
    session(4, extended(1, 1), extendedJob(1, 1, undefined, false), prevHash(1, 1), extendedJob(1, 2, NTIME)),
    session(2, extended(1, 1), extendedJob(1, 1), prevHash(1, 1), extendedJob(1, 2, NTIME, false))
  ]
}

export const clientTarget: FuzzTarget = { name: "client", run, seeds }
