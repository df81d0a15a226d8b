/** Numbers and times for people. */
import { text } from "./text.ts"

const PREFIXES = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"]

const scaled = (value: number): readonly [number: string, prefix: string] => {
  let index = 0
  let rest = Math.abs(value)
  while (rest >= 999.5 && index < PREFIXES.length - 1) {
    rest /= 1000
    index++
  }
  const digits = rest >= 100 || index === 0 ? 0 : rest >= 10 ? 1 : 2
  return [`${value < 0 ? "-" : ""}${rest.toFixed(digits)}`, PREFIXES[index]!]
}

/** `1.23 TH/s`. */
export const hashes = (perSecond: number): string => {
  const [number, prefix] = scaled(perSecond)
  return `${number} ${prefix}H/s`
}

/** `1.23 M`, and small numbers with three digits. */
export const short = (value: number): string => {
  if (value !== 0 && Math.abs(value) < 10) return String(Number(value.toPrecision(3)))
  const [number, prefix] = scaled(value)
  return prefix === "" ? number : `${number} ${prefix}`
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })
export const count = (value: number): string => whole.format(value)

export const percent = (part: number): string => {
  const value = part * 100
  return `${value === 0 ? "0" : value < 1 ? value.toPrecision(2) : value.toFixed(value < 10 ? 1 : 0)} %`
}

export const milliseconds = (ms: number): string =>
  ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`

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
  if (first < 0) return "0 s"
  const [size, unit] = units[first]!
  const next = units[first + 1]
  const rest = next === undefined ? 0 : Math.floor((seconds % size) / next[0])
  return `${Math.floor(seconds / size)} ${unit}${rest > 0 ? ` ${rest} ${next![1]}` : ""}`
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
