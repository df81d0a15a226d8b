/** What miners send. */
import { ConfigureOptions, ConfigureResult } from "./configuration.ts"
import { Bool, bytes, Difficulty, Hash, HexU32, ignorable, integer, list, optional, Target, Text } from "./field.ts"
import { Method } from "./method.ts"
import { SubscriptionField } from "./subscription.ts"

export const Configure = Method.make("mining.configure", {
  to: "server",
  params: { extensions: list(Text, 32), options: optional(ConfigureOptions) },
  result: ConfigureResult,
  purpose: "Negotiates extensions, above all version rolling (BIP310)."
})
export type Configure = typeof Configure.Type

/**
 * Nothing but the user agent is as declared everywhere: Braiins OS sends null for the session, NiceHash a time,
 * Whatsminer hex digits of an odd number.
 */
export const Subscribe = Method.make("mining.subscribe", {
  to: "server",
  params: { userAgent: ignorable(Text), session: ignorable(Text), host: ignorable(Text), port: ignorable(Text) },
  result: SubscriptionField,
  purpose: "Asks for work and an extranonce1; the session is the id of an earlier answer."
})
export type Subscribe = typeof Subscribe.Type

export const Authorize = Method.make("mining.authorize", {
  to: "server",
  params: { worker: Text, password: ignorable(Text) },
  result: Bool,
  purpose: "Names a worker that shares are submitted for; one connection may name several."
})
export type Authorize = typeof Authorize.Type

export const Submit = Method.make("mining.submit", {
  to: "server",
  params: {
    worker: Text,
    jobId: Text,
    extranonce2: bytes(32),
    ntime: HexU32,
    nonce: HexU32,
    versionBits: optional(HexU32)
  },
  result: Bool,
  purpose: "A share. The version bits are those of the mask that was negotiated (BIP310)."
})
export type Submit = typeof Submit.Type

export const SuggestDifficulty = Method.make("mining.suggest_difficulty", {
  to: "server",
  params: { difficulty: Difficulty },
  result: Bool,
  purpose: "The difficulty that the miner would like."
})
export type SuggestDifficulty = typeof SuggestDifficulty.Type

export const SuggestTarget = Method.make("mining.suggest_target", {
  to: "server",
  params: { target: Target },
  result: Bool,
  purpose: "The same as a target."
})
export type SuggestTarget = typeof SuggestTarget.Type

export const ExtranonceSubscribe = Method.make("mining.extranonce.subscribe", {
  to: "server",
  params: {},
  result: Bool,
  purpose: "Says that the miner understands mining.set_extranonce."
})
export type ExtranonceSubscribe = typeof ExtranonceSubscribe.Type

export const MultiVersion = Method.make("mining.multi_version", {
  to: "server",
  params: { versions: ignorable(integer(0xffffffff)) },
  result: Bool,
  purpose: "Antminer's older way to ask for version rolling, sent after authorize."
})
export type MultiVersion = typeof MultiVersion.Type

export const GetTransactions = Method.make("mining.get_transactions", {
  to: "server",
  params: { jobId: ignorable(Text) },
  result: list(Hash, 100_000),
  purpose: "Asks for the transactions of a job. Refused: a proxy does not know them."
})
export type GetTransactions = typeof GetTransactions.Type

export const MinerPing = Method.make("mining.ping", {
  to: "server",
  params: {},
  result: Text,
  aliases: ["ping", "client.ping"],
  purpose: 'Asks for the answer "pong".'
})
export type MinerPing = typeof MinerPing.Type

export const Pong = Method.make("pong", {
  to: "server",
  params: {},
  aliases: ["mining.pong"],
  purpose: "ESP-Miner's answer to a ping, a method with the id of the ping. Never answered."
})
export type Pong = typeof Pong.Type

export const toServer = [
  Configure,
  Subscribe,
  Authorize,
  Submit,
  SuggestDifficulty,
  SuggestTarget,
  ExtranonceSubscribe,
  MultiVersion,
  GetTransactions,
  MinerPing,
  Pong
] as const
export type ToServer = (typeof toServer)[number]["Type"]
