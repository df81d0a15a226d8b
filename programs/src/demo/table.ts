/** The state of the demo as lines of text. */
import type { MinerStats } from "@sluice/miner"
import type { MiningServerStats } from "@sluice/mining-server"
import type { TemplateProviderStats } from "@sluice/template-provider"
import { columns } from "../output/columns.ts"
import type { MinerName } from "./event.ts"
import type { Line } from "./screen.ts"
import type { Tally } from "./tally.ts"

export interface Snapshot {
  readonly elapsedMs: number
  readonly height: number
  readonly mempoolSize: number
  readonly provider: TemplateProviderStats
  readonly pool: MiningServerStats
  readonly miners: Readonly<Record<MinerName, MinerStats>>
  readonly tally: Pick<Tally, "blocks" | "lastBlock" | "templateToJobMs">
}

export const table = (snapshot: Snapshot): ReadonlyArray<Line> => {
  const { height, mempoolSize, miners, pool, provider, tally } = snapshot
  const roles = columns([
    [
      "node",
      `height ${height}`,
      `${count(tally.blocks, "block")} accepted`,
      `${count(mempoolSize, "transaction")} waiting`
    ],
    ["template provider", count(templatesOf(provider), "template"), count(provider.clients, "client")],
    ["pool", count(pool.templates, "job"), count(pool.connections, "miner"), `${count(pool.blocks, "block")} found`]
  ])
  const [head = "", ...rows] = columns(
    [
      ["miner", "hash rate", "shares accepted", "refused", "blocks", "template to job"],
      ...names.map((name) => [
        `${name} channel`,
        hashRate(miners[name].hashesPerSecond),
        String(miners[name].accepted),
        String(refusedOf(miners[name])),
        String(miners[name].blocks),
        milliseconds(tally.templateToJobMs[name])
      ])
    ],
    "right"
  )
  return [
    { text: `Sluice demo, ${seconds(snapshot.elapsedMs)}. Ctrl-C stops it.`, style: "bold" },
    { text: "" },
    ...roles.map((text) => ({ text })),
    { text: "" },
    { text: head, style: "dim" },
    ...rows.map((text) => ({ text })),
    { text: "" },
    { text: tally.lastBlock === undefined ? "No block yet." : describeBlock(tally.lastBlock), style: "dim" }
  ]
}

/** One line for each block, for output that is not a terminal. */
export const blockLine = (snapshot: Snapshot): string => {
  const { miners, provider, tally } = snapshot
  const sum = (of: (stats: MinerStats) => number): number => names.reduce((total, name) => total + of(miners[name]), 0)
  return [
    `${seconds(snapshot.elapsedMs)}: ${tally.lastBlock === undefined ? "no block yet" : describeBlock(tally.lastBlock)}`,
    count(templatesOf(provider), "template"),
    `${count(
      sum((miner) => miner.accepted),
      "share"
    )} accepted, ${sum(refusedOf)} refused`,
    hashRate(sum((miner) => miner.hashesPerSecond)),
    `template to job ${names.map((name) => milliseconds(tally.templateToJobMs[name])).join(" and ")}`
  ].join("; ")
}

export const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

const names: ReadonlyArray<MinerName> = ["standard", "extended"]

const describeBlock = ({ hash, height, transactions, user }: NonNullable<Tally["lastBlock"]>): string =>
  `block ${height} found by ${user}, ${count(transactions, "transaction")}, ${hash}`

const templatesOf = ({ feeUpdates, tipChanges }: TemplateProviderStats): number => tipChanges + feeUpdates
const refusedOf = ({ refused }: MinerStats): number => Object.values(refused).reduce((sum, count) => sum + count, 0)
const milliseconds = (ms: number | undefined): string => (ms === undefined ? "-" : `${ms.toFixed(1)} ms`)
const hashRate = (hashesPerSecond: number): string => `${(hashesPerSecond / 1e6).toFixed(2)} MH/s`
