/** Profile full: extended, and the codecs of all messages and both ends of Noise. */
export * from "./device-extended"
export * from "./device/full-exports"
