export * as Translator from "./translator.ts"
export {
  type PoolEvent,
  type PoolFailure,
  PoolMachine,
  type PoolMachineOptions,
  type PoolOutbox
} from "./dialer/pool-machine.ts"
