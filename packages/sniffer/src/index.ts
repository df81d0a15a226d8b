export * from "./event.ts"
export type { Which } from "./history.ts"
export type { AnyMessage } from "./message.ts"
export { relay, type RelayOptions } from "./relay.ts"
export * from "./sniffer.ts"
export { relayLines, type RelayLinesOptions } from "./lines/relay-lines.ts"
export * as Verdict from "./verdict.ts"
export {
  readScripts,
  Recorded,
  RecordingError,
  recordLine,
  type Script,
  type ScriptOptions,
  type Step
} from "./recording.ts"
export { replay, replayDefaults, type ReplayEvent, replayLines, type ReplayOptions } from "./replay.ts"
