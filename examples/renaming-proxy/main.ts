/**
 * A proxy on the floor of messages: it passes everything on between miners and a pool, puts the account's name in front of every user,
 * and gives one user no channel. Each miner has a connection of its own to the pool, dialled with what that miner asked for in its setup.
 *
 *     node examples/renaming-proxy/main.ts stratum2+tcp+plain://127.0.0.1:3333 account 3335 mallory
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { type Common, ErrorCode, type ForeignMessage, Mining, Protocol, WorkerIdentity } from "@sluice/protocol"
import {
  type Connection,
  type ConnectionDialer,
  type ConnectionListener,
  formatServerAddress,
  parseServerAddress,
  Plain,
  Security,
  Setup,
  SetupRefusal,
  Tcp
} from "@sluice/transport"
import { Console, Context, Effect, Layer, Stream } from "effect"

const [pool = "", account = "", listen = "3335", refused] = process.argv.slice(2)

// Mining with the messages of extensions that the proxy does not know: it passes them on too (3.4.1).
const protocol = Protocol.forwarding(Mining.protocol)
type ToServer = Mining.ToServer | ForeignMessage
type ToClient = Mining.ToClient | ForeignMessage
class ProxyListener extends Context.Service<ProxyListener, ConnectionListener<ToServer, ToClient>>()(
  "example/ProxyListener"
) {
  static readonly protocol = protocol
}
class ProxyDialer extends Context.Service<ProxyDialer, ConnectionDialer<ToClient, ToServer>>()("example/ProxyDialer") {
  static readonly protocol = protocol
}

/** Extensions that the proxy and a pool may both support. Its fields on messages pass through. */
const extensions = [WorkerIdentity.extension]

type OpenRequest = Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel

const isOpen = (message: ToServer): message is OpenRequest =>
  message._tag === "OpenStandardMiningChannel" || message._tag === "OpenExtendedMiningChannel"

/** `rig` becomes `account.rig`. */
const toPool = (message: ToServer): ToServer =>
  isOpen(message) ? { ...message, userIdentity: `${account}.${message.userIdentity}` } : message

const isRefused = (message: ToServer): message is OpenRequest => isOpen(message) && message.userIdentity === refused

const refusalOf = ({ requestId }: OpenRequest): ToClient => ({
  _tag: "OpenMiningChannel.Error",
  requestId,
  errorCode: ErrorCode.openChannel.unknownUser
})

/** A pool that sends miners elsewhere would send them past the proxy: they are told to connect to the proxy again. */
const toMiner = (message: ToClient): ToClient =>
  message._tag === "Reconnect" ? { ...message, newHost: "", newPort: 0 } : message

const program = Effect.gen(function* () {
  const server = yield* Effect.fromResult(parseServerAddress(pool))
  const { address, run } = yield* ProxyListener
  const { dial } = yield* ProxyDialer

  /** Dials the pool as the miner dialled the proxy, and answers the miner as the pool answered. */
  const accept = Effect.fnUntraced(function* (miner: Common.SetupConnection) {
    const { deviceId, firmware, flags, hardwareVersion, vendor } = miner
    const upstream = yield* dial(server, { flags, extensions, device: { deviceId, firmware, hardwareVersion, vendor } })
    const agreed = extensions.filter(({ id }) => upstream.setup.extensions.includes(id))
    return { flags: upstream.setup.flags, extensions: agreed, with: upstream }
  }, Effect.mapError(SetupRefusal.passOn))

  const relay = (miner: Connection<ToServer, ToClient>, upstream: Connection<ToClient, ToServer>) =>
    Effect.raceFirst(
      Stream.runForEachArray(miner.receive, (messages) => {
        const refusals = messages.filter(isRefused).map(refusalOf)
        const passed = messages.filter((message) => !isRefused(message)).map(toPool)
        return Effect.andThen(miner.send(refusals), upstream.send(passed))
      }),
      Stream.runForEachArray(upstream.receive, (messages) => miner.send(messages.map(toMiner)))
    )

  yield* Console.log(`miners connect to ${formatServerAddress({ ...address, security: { _tag: "plain" } })}`)
  // All flags: the pool decides which of them it supports.
  yield* run(relay, { supportedFlags: 0xffffffff, accept })
})

const listener = Setup.server(ProxyListener).pipe(
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: Number(listen) }))
)
const dialer = Setup.client(ProxyDialer).pipe(Layer.provide(Security.dialer()), Layer.provide(Tcp.dialer))

NodeRuntime.runMain(Effect.provide(program, Layer.merge(listener, dialer)))
