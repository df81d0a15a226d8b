/** Secrets that other users of the machine can read: in files, or among the arguments of a process. */
import { statSync } from "node:fs"

/** Whether users who neither own the file nor are of its group can read or write it; never on Windows, which has no such modes. */
const isOpenToOthers = (path: string): boolean => {
  if (process.platform === "win32") return false
  try {
    return (statSync(path).mode & OTHERS) !== 0
  } catch {
    // Why it cannot be read is for its reader to say.
    return false
  }
}

const OTHERS = 0o006

/** A warning where others can read a file with a secret in it. */
export const exposedFile = (where: string, path: string): ReadonlyArray<string> =>
  isOpenToOthers(path) ? [`${where}: every user of this machine can read or write ${path}; chmod 600 ${path}`] : []

/** The warning for a secret on the command line. */
export const exposedArgument = (where: string, otherwise: string): string =>
  `${where}: every user of this machine can see the arguments of a program; give ${otherwise} instead`
