/** Opens a page in the browser of the person who started the program, if there is a screen for one. */
import { spawn } from "node:child_process"

/** Does nothing in a pipe, over SSH and without a desktop. A browser that cannot be opened is no fault: the address is printed. */
export const openInBrowser = (url: string): void => {
  const command = opener()
  if (command === undefined) return
  const [name, ...args] = command
  const child = spawn(name, [...args, url], { stdio: "ignore", detached: true })
  child.on("error", () => {})
  child.unref()
}

const opener = (): readonly [string, ...ReadonlyArray<string>] | undefined => {
  const { env, platform, stdout } = process
  if (!stdout.isTTY || env["SSH_CONNECTION"] !== undefined || env["CI"] !== undefined) return undefined
  if (platform === "darwin") return ["open"]
  if (platform === "win32") return ["cmd", "/c", "start", ""]
  return env["DISPLAY"] !== undefined || env["WAYLAND_DISPLAY"] !== undefined ? ["xdg-open"] : undefined
}
