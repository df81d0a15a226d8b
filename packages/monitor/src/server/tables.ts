/** The columns that lists can be sorted by. */
import type { ChannelView, ConnectionView, UserView, WorkerView } from "../api/miners.ts"
import type { AccountView } from "../api/ledger.ts"
import type { Table } from "../follow/select.ts"

export const connectionTable: Table<
  ConnectionView,
  "connectionId" | "openedAt" | "channels" | "hashesPerSecond" | "vendor"
> = {
  name: ({ remote, vendor }) => `${remote ?? ""} ${vendor ?? ""}`,
  column: (connection, column) => connection[column],
  by: "connectionId",
  order: "asc"
}

export const channelTable: Table<
  ChannelView,
  "worker" | "hashRate" | "accepted" | "refused" | "difficulty" | "openedAt"
> = {
  name: ({ worker }) => worker,
  column: (channel, column) => (column === "hashRate" ? channel.hashRate.hashesPerSecond : channel[column]),
  by: "hashRate",
  order: "desc"
}

export const userTable: Table<UserView, "user" | "hashRate" | "accepted" | "refused" | "channels" | "lastShareAt"> = {
  name: ({ user }) => user,
  column: (user, column) => (column === "hashRate" ? user.hashRate.hashesPerSecond : user[column]),
  by: "hashRate",
  order: "desc"
}

export const workerTable: Table<
  WorkerView,
  "worker" | "hashRate" | "accepted" | "refused" | "difficulty" | "connectedSince"
> = {
  name: ({ worker }) => worker,
  column: (worker, column) => (column === "hashRate" ? worker.hashRate.hashesPerSecond : worker[column]),
  by: "hashRate",
  order: "desc"
}

export const accountTable: Table<AccountView, "user" | "earned" | "paid" | "adjusted" | "balance"> = {
  name: ({ user }) => user ?? "",
  column: (account, column) => account[column],
  by: "balance",
  order: "desc"
}
