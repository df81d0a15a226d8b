/** The state that the whole page shows: the overview, kept up to date by events, and the last events. */
import { batch, createSignal } from "solid-js"
import type { EventData } from "../../src/api/journal.ts"
import type { Overview } from "../../src/api/overview.ts"
import { follow, get, Refused } from "./api.ts"

const KEPT_EVENTS = 300

export const [overview, setOverview] = createSignal<Overview>()
export const [events, setEvents] = createSignal<ReadonlyArray<EventData>>([])
export const [isConnected, setConnected] = createSignal(true)
/** Whether the server wants a token that this page does not have, and whether one was tried. */
export const [needsToken, setNeedsToken] = createSignal(false)
/** Grows every ten seconds: views load again when it changes. */
export const [beat, setBeat] = createSignal(0)
/** The time of the server, for "ago". */
export const now = (): number => overview()?.now ?? Date.now()

setInterval(() => setBeat((before) => before + 1), 10_000)

let running: AbortController | undefined

/** Loads the overview and follows events. Called again with another token. */
export const start = async (): Promise<void> => {
  running?.abort()
  const { signal } = (running = new AbortController())
  try {
    setOverview(await get<Overview>("/overview"))
    setNeedsToken(false)
    await follow(onEvent, setConnected, signal)
  } catch (error) {
    if (signal.aborted) return
    if (error instanceof Refused && error.status === 401) return void setNeedsToken(true)
    setConnected(false)
    setTimeout(() => !signal.aborted && void start(), 3000)
  }
}

const onEvent = (event: EventData): void => {
  if (event.event === "Overview") return void setOverview(event.fields as unknown as Overview)
  batch(() => {
    setEvents((before) => [event, ...before].slice(0, KEPT_EVENTS))
    if (event.event === "BlockFound") setBeat((before) => before + 1)
  })
}
