export * from "./pool.ts"
