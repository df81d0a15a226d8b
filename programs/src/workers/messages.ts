/**
 * The messages between the primary process and its workers. They are structured clones: bytes, bigints and maps arrive as they
 * are.
 */
import type { ChannelAddress, ChannelStats, ControlError, Page, PresentJob, UserStats } from "@sluice/mining-server"
import type { CustomBlock } from "@sluice/job-declaration"
import type { CoinbaseConstraints, TemplateMessage, TemplateSourceState } from "@sluice/template-provider"
import type { TemplateDistribution } from "@sluice/protocol"
import type { NoPlace } from "@sluice/transport"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { LedgerPlan } from "@sluice/monitor"
import type { Told } from "./told.ts"

/** Where a worker begins. No other worker, nor an earlier one with the same number, has the same ids. */
export interface Start {
  readonly _tag: "Start"
  /** From 1 on; a worker that replaces another one has its number. */
  readonly number: number
  readonly workers: number
  /** The values of the configuration that are given, before they are decoded. The primary has read the files. */
  readonly given: ReadonlyArray<readonly [name: string, raw: unknown]>
  readonly firstJobId: number
  readonly firstConnectionId: number
  /** Whether it logs where miners connect: only one of the workers does. */
  readonly announces: boolean
  /** Whether the primary serves the operators' page, and wants to be told of events and log lines. */
  readonly isFollowed: boolean
}

export type ToWorker =
  | Start
  /** Comes with a socket. `listener` is the address that accepted it. */
  | { readonly _tag: "Connection"; readonly id: number; readonly listener: string }
  /** The connection gives its place to another one. */
  | { readonly _tag: "GiveWay"; readonly id: number }
  /** Answers `Moved`: why there is no place for the client, if there is none. */
  | { readonly _tag: "MovedTo"; readonly id: number; readonly noPlace: NoPlace | undefined }
  | { readonly _tag: "Templates"; readonly messages: NonEmptyReadonlyArray<TemplateMessage> }
  | { readonly _tag: "TemplateState"; readonly state: TemplateSourceState }
  /** Answers `DeclaredBlock`: whether the declarator has the block's transactions. */
  | { readonly _tag: "DeclaredBlockKnown"; readonly id: number; readonly isKnown: boolean }
  | { readonly _tag: "Ask"; readonly id: number; readonly question: Question }
  | { readonly _tag: "Stop" }

export type ToPrimary =
  /** It serves miners from now on. */
  | { readonly _tag: "Ready" }
  /** It cannot serve. */
  | { readonly _tag: "Failed"; readonly message: string }
  /** It has the socket. */
  | { readonly _tag: "Taken"; readonly id: number }
  /** The connection has an accepted share. */
  | { readonly _tag: "Worked"; readonly id: number }
  /** The connection is one of a load balancer, for a client at this host. */
  | { readonly _tag: "Moved"; readonly id: number; readonly host: string }
  | { readonly _tag: "Ended"; readonly id: number }
  | { readonly _tag: "Constrain"; readonly constraints: CoinbaseConstraints }
  | { readonly _tag: "Solution"; readonly solution: TemplateDistribution.SubmitSolution }
  | { readonly _tag: "DeclaredBlock"; readonly id: number; readonly block: CustomBlock }
  /** For the operators' page. */
  | Told
  /** Its counts, without being asked. */
  | { readonly _tag: "Reported"; readonly report: Report }
  | { readonly _tag: "Answer"; readonly id: number; readonly answer: unknown }

/** What the primary asks a worker. */
export type Question =
  | { readonly _tag: "Report" }
  | { readonly _tag: "UserRates" }
  | { readonly _tag: "Users"; readonly names: ReadonlyArray<string> }
  | { readonly _tag: "Channels"; readonly page: Page }
  | { readonly _tag: "Control"; readonly request: ControlRequest }
  /** Whom a block with this reward would pay by the ledger. */
  | { readonly _tag: "Plan"; readonly reward: bigint }

export type ControlRequest =
  | {
      readonly _tag: "setGroup"
      readonly connectionId: number
      readonly channelIds: ReadonlyArray<number>
      readonly groupId: number | undefined
    }
  | { readonly _tag: "changeExtranoncePrefix"; readonly channel: ChannelAddress }
  | { readonly _tag: "closeChannel"; readonly channel: ChannelAddress; readonly reasonCode: string }
  | {
      readonly _tag: "reconnect"
      readonly connectionId: number
      readonly to: { readonly host: string; readonly port: number } | undefined
    }

/** The answers, by question. */
export interface Answers {
  readonly Report: Report
  readonly UserRates: ReadonlyMap<string, number>
  readonly Users: ReadonlyArray<UserStats>
  readonly Channels: ReadonlyArray<ChannelStats>
  readonly Plan: LedgerPlan | undefined
  readonly Control:
    | { readonly value: number | undefined }
    | { readonly refused: Pick<ControlError, "connectionId" | "reason" | "message"> }
}

export interface Report {
  readonly job: PresentJob | undefined
  /** Those of the server of miners, and of the role. */
  readonly stats: unknown
  /** In the text format of Prometheus. */
  readonly metrics: string
}

/** Connections that one worker may number. */
const CONNECTION_IDS = 1e10

/**
 * The first ids of a worker. `started` is how many were started before it, and `now` the milliseconds that job ids begin with. Job ids
 * follow the clock, each number of worker at another part of their 32 bits: an id that one worker gives is one that no other has given for
 * at least 18 hours.
 */
export const firstIds = (number: number, workers: number, started: number, now: number) => ({
  firstJobId: now + Math.floor((2 ** 32 / workers) * (number - 1)),
  firstConnectionId: started * CONNECTION_IDS + 1
})

/** The most workers: the part of an extranonce that has their number is a byte, and job ids of each last for 18 hours. */
export const MAX_WORKERS = 64

/** The first connection id of the worker that serves a connection. */
export const startOfConnection = (connectionId: number): number =>
  Math.floor((connectionId - 1) / CONNECTION_IDS) * CONNECTION_IDS + 1

/** The variable that tells a process its number as a worker. */
export const WORKER_VARIABLE = "SLUICE_WORKER"
