/** How much memory the process holds. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

/** The bytes that this process holds on the heap and in array buffers: garbage does not count. */
export const heldBytes = (): number => {
  collectGarbage()
  // The second collection waits until the array buffers that the first one found are no longer counted.
  collectGarbage()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
