/** What pools send. */
import { Bool, bytes, Difficulty, Hash, HexU32, ignorable, integer, list, PrevHash, Target, Text } from "./field.ts"
import { Method } from "./method.ts"
import { Extranonce, ExtranonceSize } from "./subscription.ts"

/** A V2 job's coinbase has two parts of at most 65,535 bytes each (5.3.16). */
const CoinbasePart = bytes(0xffff)

/** Some pools put more parameters before the last one, and some leave it out; the last one is `clean` where there are 9. */
export const Notify = Method.make("mining.notify", {
  to: "client",
  params: {
    jobId: Text,
    prevHash: PrevHash,
    coinbasePrefix: CoinbasePart,
    coinbaseSuffix: CoinbasePart,
    merklePath: list(Hash, 255),
    version: HexU32,
    nbits: HexU32,
    ntime: HexU32,
    clean: Bool
  },
  arrange: (params) =>
    params.length === 8 ? [...params, false] : params.length > 9 ? [...params.slice(0, 8), params.at(-1)] : params,
  purpose: "A job. With `clean`, shares of earlier jobs are not accepted any more."
})
export type Notify = typeof Notify.Type

export const SetDifficulty = Method.make("mining.set_difficulty", {
  to: "client",
  params: { difficulty: Difficulty },
  purpose: "The difficulty of shares from the next notify on."
})
export type SetDifficulty = typeof SetDifficulty.Type

export const SetTarget = Method.make("mining.set_target", {
  to: "client",
  params: { target: Target },
  purpose: "The same as a target; of old pools."
})
export type SetTarget = typeof SetTarget.Type

export const SetExtranonce = Method.make("mining.set_extranonce", {
  to: "client",
  params: { extranonce1: Extranonce, extranonce2Size: ExtranonceSize },
  purpose: "Another extranonce1 from the next notify on, for miners that subscribed to it."
})
export type SetExtranonce = typeof SetExtranonce.Type

export const SetVersionMask = Method.make("mining.set_version_mask", {
  to: "client",
  params: { mask: HexU32 },
  purpose: "Another mask for version rolling (BIP310)."
})
export type SetVersionMask = typeof SetVersionMask.Type

export const Reconnect = Method.make("client.reconnect", {
  to: "client",
  params: { host: ignorable(Text), port: ignorable(integer(0xffff)), waitSeconds: ignorable(integer(0xffffffff)) },
  purpose: "Asks the miner to connect again, elsewhere where a host is given."
})
export type Reconnect = typeof Reconnect.Type

export const ShowMessage = Method.make("client.show_message", {
  to: "client",
  params: { text: Text },
  purpose: "A message for the miner's operator."
})
export type ShowMessage = typeof ShowMessage.Type

export const GetVersion = Method.make("client.get_version", {
  to: "client",
  params: {},
  result: Text,
  purpose: "Asks for the name and version of the miner's software."
})
export type GetVersion = typeof GetVersion.Type

export const PoolPing = Method.make("mining.ping", {
  to: "client",
  params: {},
  result: Text,
  aliases: ["client.ping", "ping"],
  purpose: 'Asks for the answer "pong".'
})
export type PoolPing = typeof PoolPing.Type

export const toClient = [
  Notify,
  SetDifficulty,
  SetTarget,
  SetExtranonce,
  SetVersionMask,
  Reconnect,
  ShowMessage,
  GetVersion,
  PoolPing
] as const
export type ToClient = (typeof toClient)[number]["Type"]
