/** The two layers that make Stratum V1 look like Stratum V2, under one name: `Translator.listener`, `Translator.dialer`. */
export { dialer, type DialerOptions, eitherDialer } from "./dialer/dialer.ts"
export { firmwareBelow } from "./listener/firmware.ts"
export { listener } from "./listener/listener.ts"
export { ListenerOptionError, type ListenerOptions } from "./listener/options.ts"
