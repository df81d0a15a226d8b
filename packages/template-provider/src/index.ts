export * from "./template-source.ts"
