/** Numbers and times for people. A number and its unit have a space between them that no line breaks at. */
import { text } from "./text.ts"

const PREFIXES = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"]
const GAP = "\u00a0"

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })

/** A number with the prefix that suits it, or the prefix that suits `scale`: the labels of an axis have one unit. */
const scaled = (value: number, scale = value): readonly [number: string, prefix: string] => {
  let index = 0
  let [rest, size] = [Math.abs(value), Math.abs(scale)]
  while (size >= 999.5 && index < PREFIXES.length - 1) {
    rest /= 1000
    size /= 1000
    index++
  }
  const digits = size >= 100 || index === 0 ? 0 : size >= 10 ? 1 : 2
  return [`${value < 0 ? "−" : ""}${rest.toFixed(digits)}`, PREFIXES[index]!]
}

/** Shows a number; with `scale` in the unit of that. */
export type Show = (value: number, scale?: number) => string

/** `1.23 TH/s`. */
export const hashes: Show = (perSecond, scale) => {
  const [number, prefix] = scaled(perSecond, scale)
  return `${number}${GAP}${prefix}H/s`
}

/** `1.23 M`, and small numbers with three digits. */
export const short: Show = (value, scale = value) => {
  if (value !== 0 && Math.abs(scale) < 10) return String(Number(value.toPrecision(3)))
  const [number, prefix] = scaled(value, scale)
  return prefix === "" ? number : `${number}${GAP}${prefix}`
}

/** `2.39–2.42 EH/s`: two values in the unit of the larger one. */
export const range = (show: Show, low: number, high: number): string => {
  const [from = "", to] = [show(low, high), show(high)]
  const unit = to.indexOf(GAP)
  return `${unit > 0 && from.endsWith(to.slice(unit)) ? from.slice(0, from.indexOf(GAP)) : from}–${to}`
}

export const count: Show = (value) => whole.format(value)

/** `3.1254 BTC`, and small amounts in satoshis. */
export const bitcoins: Show = (satoshis, scale = satoshis) => {
  const size = Math.abs(scale)
  if (size < 100_000) return `${whole.format(satoshis)}${GAP}sat`
  return `${(satoshis / 1e8).toFixed(size >= 1e8 ? 4 : 5)}${GAP}BTC`
}

/** An amount to the last satoshi, for columns of them. */
export const exactly = (satoshis: number): string => (satoshis / 1e8).toFixed(8)

export const percent: Show = (part, scale = part) => {
  const [value, size] = [part * 100, Math.abs(scale * 100)]
  return `${value === 0 ? "0" : size < 1 ? value.toPrecision(2) : value.toFixed(size < 10 ? 1 : 0)}${GAP}%`
}

export const milliseconds: Show = (ms, scale = ms) =>
  scale >= 1000 ? `${(ms / 1000).toFixed(1)}${GAP}s` : `${ms.toFixed(scale < 10 ? 1 : 0)}${GAP}ms`

/** The two largest units of a time. */
export const duration = (ms: number): string => {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const units: ReadonlyArray<readonly [number, string]> = [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"]
  ]
  const first = units.findIndex(([size]) => seconds >= size)
  if (first < 0) return `0${GAP}s`
  const [size, unit] = units[first]!
  const next = units[first + 1]
  const rest = next === undefined ? 0 : Math.floor((seconds % size) / next[0])
  return `${Math.floor(seconds / size)}${GAP}${unit}${rest > 0 ? ` ${rest}${GAP}${next![1]}` : ""}`
}

/** How long ago a moment was. 0 and null are moments that there were not. */
export const ago = (at: number | null, now: number): string => (at ? text.ago(duration(now - at)) : text.never)

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })
const date = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" })

/** The time of day, with the date if it is not of the last day. */
export const time = (at: number): string => (Date.now() - at < 86_400_000 ? clock : date).format(at)

const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" })
const day = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short" })

/** A moment on the axis of a chart whose ticks are so many seconds apart. Midnight is the date. */
export const tick = (at: number, stepSeconds: number): string => {
  const moment = new Date(at)
  const isMidnight = moment.getHours() === 0 && moment.getMinutes() === 0
  return stepSeconds >= 86_400 || isMidnight ? day.format(at) : (stepSeconds < 60 ? clock : minute).format(at)
}

/** The most characters of a name in a table. */
const NAME = 28

/** A name with its two ends: users of pools are often addresses, and the worker stands behind the address. */
export const brief = (name: string): string =>
  name.length <= NAME ? name : `${name.slice(0, 10)}…${name.slice(11 - NAME)}`
