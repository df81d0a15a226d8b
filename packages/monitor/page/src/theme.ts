/** Light or dark, as the system has it or as somebody chose here. */
import { createSignal } from "solid-js"

export type Theme = "auto" | "light" | "dark"

const KEY = "sluice-theme"
const stored = localStorage.getItem(KEY)
const [chosen, setChosen] = createSignal<Theme>(stored === "light" || stored === "dark" ? stored : "auto")
const system = matchMedia("(prefers-color-scheme: dark)")
const [isDark, setDark] = createSignal(system.matches)
system.addEventListener("change", ({ matches }) => setDark(matches))

export { chosen }

/** The theme in force. */
export const theme = (): "light" | "dark" => {
  const now = chosen()
  const shown = now === "auto" ? (isDark() ? "dark" : "light") : now
  document.documentElement.dataset["theme"] = shown
  return shown
}

export const choose = (value: Theme): void => {
  localStorage.setItem(KEY, value)
  setChosen(value)
}
