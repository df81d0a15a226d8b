/** Profile full: extended, and besides the codecs of all messages and both ends of Noise. */
export * from "./device-extended"
export * from "./device/full-exports"
