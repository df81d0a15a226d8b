export * as HashInProcess from "./hash-in-process.ts"
export * as HashThreads from "./hash-threads.ts"
export * from "./hash-workers.ts"
export * from "./search.ts"
