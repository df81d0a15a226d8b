/** Requests to the server that this page is from. */
import type { EventData } from "../../src/api/journal.ts"

const KEY = "sluice-token"
/** For this tab only: it is gone when the tab is closed. */
let token = sessionStorage.getItem(KEY)

export const hasToken = (): boolean => token !== null

export const setToken = (value: string): void => {
  token = value
  sessionStorage.setItem(KEY, value)
}

/** An answer that is not what was asked for. */
export class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const request = async (path: string, init: RequestInit = {}, by = token): Promise<Response> => {
  const headers = new Headers(init.headers)
  if (by !== null) headers.set("authorization", `Bearer ${by}`)
  const response = await fetch(`/api${path}`, { ...init, headers })
  if (response.ok) return response
  const problem: { readonly detail?: string } = await response.json().catch(() => ({}))
  throw new Refused(response.status, problem.detail ?? response.statusText)
}

export const get = async <A>(
  path: string,
  query: Readonly<Record<string, string | number | undefined>> = {}
): Promise<A> => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "")
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]))
  return (await request(search.size === 0 ? path : `${path}?${search}`)).json() as Promise<A>
}

/** What a path has, if it has something. */
export const find = <A>(path: string): Promise<{ readonly found?: A }> =>
  get<A>(path).then(
    (found) => ({ found }),
    (error: unknown) => {
      if (error instanceof Refused && error.status === 404) return {}
      throw error
    }
  )

/** Changes something, with a token that is kept if the server takes it. */
export const post = async (path: string, body: unknown, newToken: string | undefined): Promise<void> => {
  const headers = { "content-type": "application/json" }
  await request(path, { method: "POST", headers, body: JSON.stringify(body) }, newToken ?? token)
  if (newToken !== undefined) setToken(newToken)
}

/**
 * Gives each event to `onEvent` until the signal is aborted. Connects again after a while, from the last event on. EventSource would
 * do so too, but cannot send a token.
 */
export const follow = async (
  onEvent: (event: EventData) => void,
  onState: (isConnected: boolean) => void,
  signal: AbortSignal
): Promise<void> => {
  let lastId = ""
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const headers: Record<string, string> = lastId === "" ? {} : { "last-event-id": lastId }
      const { body } = await request("/events", { headers, signal })
      onState(true)
      failures = 0
      let rest = ""
      for await (const part of body!.pipeThrough(new TextDecoderStream())) {
        const blocks = (rest + part).split("\n\n")
        rest = blocks.pop()!
        for (const block of blocks) {
          for (const line of block.split("\n")) {
            if (line.startsWith("id: ")) lastId = line.slice(4)
            else if (line.startsWith("data: ")) onEvent(JSON.parse(line.slice(6)))
          }
        }
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof Refused && error.status === 401) throw error
    }
    onState(false)
    await new Promise((resolve) => setTimeout(resolve, Math.min(10_000, 500 * 2 ** failures)))
  }
}
