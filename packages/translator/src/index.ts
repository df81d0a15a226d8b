export * as Translator from "./translator.ts"
export type { PoolEvent, PoolFailure, PoolOutbox } from "./dialer/pool-event.ts"
export { PoolMachine, type PoolMachineOptions } from "./dialer/pool-machine.ts"
