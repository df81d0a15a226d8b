/** Warnings about secrets that other users of the machine can read, in files or among the arguments of a process. */
import { statSync } from "node:fs"

/** Whether users outside of the file's group can read or write it. Always false on Windows, which has no such modes. */
const isOpenToOthers = (path: string): boolean => {
  if (process.platform === "win32") return false
  try {
    return (statSync(path).mode & OTHERS) !== 0
  } catch {
    // The code that reads the file reports why it cannot be read.
    return false
  }
}

const OTHERS = 0o006

/** A warning if other users can read or write a file that holds a secret. */
export const exposedFile = (where: string, path: string): ReadonlyArray<string> =>
  isOpenToOthers(path) ? [`${where}: every user of this machine can read or write ${path}; chmod 600 ${path}`] : []

/** The warning for a secret on the command line. `otherwise` is a better way to give it. */
export const exposedArgument = (where: string, otherwise: string): string =>
  `${where}: every user of this machine can see the arguments of a program; give ${otherwise} instead`
