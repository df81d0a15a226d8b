export * as Conformance from "./conformance.ts"
