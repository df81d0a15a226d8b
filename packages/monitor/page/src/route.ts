/** The view that the address names, after the `#`: the server needs to know one page only. */
import { createSignal } from "solid-js"

const read = (): ReadonlyArray<string> =>
  location.hash
    .replace(/^#\/?/, "")
    .split("/")
    .map((part) => {
      try {
        return decodeURIComponent(part)
      } catch {
        return part
      }
    })

export const [route, setRoute] = createSignal(read())

addEventListener("hashchange", () => {
  setRoute(read())
  document.querySelector<HTMLElement>("main")?.focus()
})

/** The address of a view. */
export const to = (...parts: ReadonlyArray<string>): string => `#/${parts.map(encodeURIComponent).join("/")}`
