/** The two layers that make Stratum V1 look like Stratum V2, under one name: `Translator.listener`, `Translator.dialer`. */
export { dialer, type DialerOptions, eitherDialer } from "./dialer/dialer.ts"
export { firmwareBelow } from "./listener/firmware.ts"
export { listener } from "./listener/listener.ts"
export { Miner as V1Miner, type MinerContext, minerContext, type MinerOutbox } from "./listener/miner.ts"
export {
  ListenerOptionError,
  type ListenerOptions,
  type ListenerRules,
  rulesOf as listenerRules
} from "./listener/options.ts"
