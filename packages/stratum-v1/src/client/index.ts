export { ClientConnection as Connection, type ClientOptions as Options, type FoundShare } from "./connection.ts"
export * from "./event.ts"
export { type ClientJob as Job } from "./job.ts"
export * from "./redirect.ts"
