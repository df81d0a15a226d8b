/** Measures how much memory a function allocates, with V8's own statistics. */
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

const taken = (): number => {
  const { external_memory, used_heap_size } = getHeapStatistics()
  return used_heap_size + external_memory
}

/** Runs in a sample: enough to make the bytes of the statistics themselves negligible, and few enough to avoid a garbage collection. */
const TIMES = 500
const SAMPLES = 9

/** Bytes that one run allocates on the heap and in array buffers: the median of several samples. */
export const bytesAllocated = (run: () => void): number => {
  for (let i = 0; i < 2000; i++) run()
  const samples: Array<number> = []
  while (samples.length < SAMPLES) {
    collectGarbage()
    // The second collection waits until the array buffers that the first one found are no longer counted.
    collectGarbage()
    const before = taken()
    for (let i = 0; i < TIMES; i++) run()
    // A garbage collection during a sample makes it too small: the median ignores such samples.
    samples.push((taken() - before) / TIMES)
  }
  return samples.toSorted((a, b) => a - b)[SAMPLES >> 1]!
}
