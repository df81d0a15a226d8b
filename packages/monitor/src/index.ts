export { DeliveryError, parseReceiver, type Receiver } from "./alerts/receiver.ts"
export * from "./api/access.ts"
export * from "./api/alerts.ts"
export { MonitorApi } from "./api/api.ts"
export * from "./api/certificates.ts"
export * from "./api/coinbase.ts"
export * from "./api/hash-rate.ts"
export * from "./api/history.ts"
export * from "./api/journal.ts"
export * from "./api/ledger.ts"
export * from "./api/luck.ts"
export * from "./api/miners.ts"
export * from "./api/overview.ts"
export * from "./api/problems.ts"
export { ShareCount, UpstreamView, JobView } from "./api/work.ts"
export * from "./client.ts"
export { LogTail } from "./follow/log-tail.ts"
export { DatabaseError } from "./history/database.ts"
export { Monitor, type MonitorCalls, type MonitorOptions } from "./monitor.ts"
export type {
  LedgerPlan,
  Monitored,
  MonitoredEvent,
  MonitoredLedger,
  MonitoredServer,
  Payment,
  Payout,
  Processes
} from "./monitored.ts"
export { type HttpOptions, layerHttp } from "./server/http.ts"
