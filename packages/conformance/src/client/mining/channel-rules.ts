/** Rules for a mining client, a device or a proxy: channels, groups, extranonce prefixes, redirection (3.6.5, 5.3.2 to 5.3.10, 5.3.22). */
import { Common, Mining } from "@sluice/protocol"
import { Clock, Effect } from "effect"
import { type ClientKit, type ClientRule, clientRule, type Visitor } from "../kit.ts"
import {
  setUpMiner,
  workingMiner,
  channelOf,
  mineGroup,
  newJob,
  nextOpenRequest,
  sharesOf,
  sendNow,
  withExtendedJobs,
  withGroups
} from "./mining-visit.ts"
import { observedIn } from "../observed.ts"
import { answer, receiveSetup, expectNoTrust, setupSuccess } from "../reception.ts"
import { RuleBroken, RuleSkipped } from "../../verdict.ts"

const rule = clientRule("mining")
const observed = observedIn("mining")

const NO_CHANNEL = "the client requested no channel"
const NO_EXTENDED = "the client requested no extended channel"
const NO_UPDATE = "no UpdateChannel came"
const NO_CLOSE = "no CloseChannel came"
const SEVERAL = 5

export const clientChannelRules: ReadonlyArray<ClientRule> = [
  rule("client-open.channel", "5.3.2", "After SetupConnection.Success the client opens a channel", (kit) =>
    Effect.gen(function* () {
      if (kit.state.miner !== undefined) return
      yield* nextOpenRequest(yield* setUpMiner(kit))
    })
  ),
  observed("client-open.request-id", "5.3.2", "Each request to open a channel has an id of its own", NO_CHANNEL),
  observed("client-open.hash-rate", "5.3.2", "nominal_hash_rate is a number of at least 0", NO_CHANNEL),
  observed("client-open.max-target", "5.3.2", "max_target is a target that a hash can meet", NO_CHANNEL),
  observed("client-open.extranonce-size", "5.3.4", "min_extranonce_size is at most 32", NO_EXTENDED),
  observed(
    "client-open.kind",
    "5.3.1",
    "A client with REQUIRES_STANDARD_JOBS requests no extended channel",
    NO_EXTENDED
  ),
  rule(
    "client-channels.endpoint-changed",
    "3.6.4",
    "The client continues to mine after ChannelEndpointChanged",
    (kit) =>
      Effect.gen(function* () {
        const miner = yield* workingMiner(kit)
        const first = yield* channelOf(miner)
        const { ChannelEndpointChanged } = Common
        yield* miner.peer.send(
          ChannelEndpointChanged.codec.encode(ChannelEndpointChanged.make({ channelId: first.id }))
        )
        const { channel, jobId } = yield* newJob(miner)
        yield* sharesOf(kit, miner, channel.id, jobId)
      })
  ),
  rule("client-prefix.later-jobs", "5.3.10", "SetExtranoncePrefix applies to the jobs after it", (kit) =>
    Effect.gen(function* () {
      const { address, miner } = yield* withExtendedJobs(kit)
      const { books } = miner
      const channel = yield* channelOf(miner)
      let jobId = 0
      yield* sendNow(miner, (now) => {
        const prefix = books.setPrefix(channel)
        const job = books.job(address, {}, now)
        jobId = job.jobId
        return [prefix, job.frame]
      })
      yield* sharesOf(kit, miner, channel.id, jobId, SEVERAL)
    })
  ),
  rule("client-prefix.earlier-jobs", "5.3.10", "SetExtranoncePrefix does not apply to the jobs before it", (kit) =>
    Effect.gen(function* () {
      const { address, miner } = yield* withExtendedJobs(kit)
      const { books } = miner
      const channel = yield* channelOf(miner)
      let jobId = 0
      yield* sendNow(miner, (now) => {
        const job = books.job(address, { future: true }, now)
        jobId = job.jobId
        return [job.frame, books.setPrefix(channel), books.newPrevHash(address, jobId, now)]
      })
      yield* sharesOf(kit, miner, channel.id, jobId, SEVERAL)
    })
  ),
  rule("client-groups.changed", "5.3.22", "After SetGroupChannel the client mines the jobs of the new group", (kit) =>
    Effect.gen(function* () {
      const miner = yield* withGroups(kit)
      const group = (yield* channelOf(miner)).groupId + 1
      yield* miner.peer.send(miner.books.setGroup(group))
      yield* mineGroup(kit, miner, group)
    })
  ),
  observed("client-update.hash-rate", "5.3.7", "UpdateChannel has a hash rate of at least 0", NO_UPDATE),
  observed("client-update.channel", "5.3.7", "UpdateChannel is for channels that are open", NO_UPDATE),
  observed("client-close.channel", "5.3.9", "CloseChannel is for channels and groups that are open", NO_CLOSE),
  observed("client-close.reason", "5.3.9", "The reason_code has no control characters", NO_CLOSE),
  rule(
    "client-close.stops",
    "5.3.9",
    "After CloseChannel from the server the client stops submitting shares for the channel",
    (kit) =>
      Effect.gen(function* () {
        const miner = yield* workingMiner(kit)
        const { books, peer } = miner
        const { id } = yield* channelOf(miner)
        const closed = books.open.map((channel) => ({ channelId: channel.id, frame: books.close(channel) }))
        const [first, ...rest] = closed.map(({ frame }) => frame)
        yield* peer.send(first!, ...rest)
        const until = (yield* Clock.currentTimeMillis) + kit.answerMs
        // Some shares may be on their way. The client may open other channels, or disconnect.
        while ((yield* Clock.currentTimeMillis) < until) {
          const share = yield* peer.maybe(Mining.SubmitSharesStandard, Mining.SubmitSharesExtended)
          if (share === undefined || closed.every(({ channelId }) => channelId !== share.channelId)) {
            return yield* kit.end
          }
        }
        const expected = `no more shares of channel ${id} after ${kit.answerMs / 1000} s`
        return yield* new RuleBroken({ expected, came: "more shares" })
      })
  ),
  rule(
    "client-open.error",
    "5.3.6",
    "After OpenMiningChannel.Error, whatever its code, the client submits nothing",
    (kit) =>
      Effect.gen(function* () {
        const visitor = yield* receiveSetup(kit)
        yield* refuseToOpen(visitor)
        yield* visitor.peer.expect(Mining.OpenStandardMiningChannel, Mining.OpenExtendedMiningChannel)
        yield* visitor.peer.expectNone(Mining.SubmitSharesStandard, Mining.SubmitSharesExtended)
      })
  ),
  rule(
    "client-setup.extended-only",
    "5.3.1",
    "If the server sets REQUIRES_EXTENDED_CHANNELS, the client requests no standard channel",
    (kit) =>
      Effect.gen(function* () {
        const visitor = yield* receiveSetup(kit)
        yield* answer(visitor, setupSuccess(Mining.REQUIRES_EXTENDED_CHANNELS))
        yield* visitor.peer.expectNone(Mining.OpenStandardMiningChannel)
      })
  ),
  rule(
    "client-reconnect.same",
    "3.6.5",
    "On Reconnect without host and port the client connects to the same server again",
    (kit) =>
      Effect.gen(function* () {
        const { peer } = yield* workingMiner(kit)
        yield* peer.send(reconnect("", 0))
        yield* expectReconnect(kit, "here")
        yield* peer.expectEnd
      })
  ),
  rule(
    "client-reconnect.elsewhere",
    "3.6.5",
    "On Reconnect the client connects to the host and port that it names",
    (kit) =>
      Effect.gen(function* () {
        yield* sendElsewhere(kit)
        const { peer } = yield* kit.accept({ at: "elsewhere" })
        yield* peer.expect(Common.SetupConnection)
      })
  ),
  rule(
    "client-reconnect.authority",
    "3.6.5",
    "The client does not trust a server named by Reconnect with a certificate of another authority",
    (kit) =>
      Effect.gen(function* () {
        if (!kit.encrypted) return yield* new RuleSkipped({ why: "the client is served without Noise" })
        yield* sendElsewhere(kit)
        yield* expectNoTrust(kit, { at: "elsewhere", forgery: "authority" })
      })
  )
]

/** Completes the setup and refuses every request to open a channel. */
const refuseToOpen = (visitor: Visitor) => {
  visitor.host = (message) =>
    message._tag === "OpenStandardMiningChannel" || message._tag === "OpenExtendedMiningChannel"
      ? [openError(message.requestId)]
      : []
  return answer(visitor, setupSuccess(0))
}

const openError = (requestId: number): Uint8Array =>
  Mining.OpenMiningChannelError.codec.encode(
    Mining.OpenMiningChannelError.make({ requestId, errorCode: "conformance-test-refusal" })
  )

const reconnect = (newHost: string, newPort: number): Uint8Array =>
  Common.Reconnect.codec.encode(Common.Reconnect.make({ newHost, newPort }))

const expectReconnect = (kit: ClientKit, at: "here" | "elsewhere"): Effect.Effect<void, RuleBroken> =>
  Effect.flatMap(kit.comes(at), (comes) =>
    comes ? Effect.void : Effect.fail(new RuleBroken({ expected: "another connection", came: "none in time" }))
  )

/** Sends a working client to the kit's second address, under the host name that the client used. */
const sendElsewhere = Effect.fnUntraced(function* (kit: ClientKit) {
  const { elsewhere } = kit
  if (elsewhere === undefined)
    return yield* new RuleSkipped({ why: "there is no second address to send the client to" })
  const { peer, setup } = yield* workingMiner(kit)
  yield* peer.send(reconnect(setup.endpointHost, elsewhere.port))
  yield* expectReconnect(kit, "elsewhere")
})
