export { ServerConnection as Connection, type ServerOptions as Options } from "./connection.ts"
export * from "./event.ts"
export * from "./job.ts"
export { Request } from "./request.ts"
