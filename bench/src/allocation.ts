/** How much memory a piece of work takes, from V8's own statistics. */
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

const taken = (): number => {
  const { external_memory, used_heap_size } = getHeapStatistics()
  return used_heap_size + external_memory
}

/** Times of one sample: enough that the statistics' own bytes do not count, and few enough that nothing is collected. */
const TIMES = 500
const SAMPLES = 9

/** Bytes on the heap and behind array buffers that one run takes: the median of some samples. */
export const bytesAllocated = (run: () => void): number => {
  for (let i = 0; i < 2000; i++) run()
  const samples: Array<number> = []
  while (samples.length < SAMPLES) {
    collectGarbage()
    // The second waits until array buffers that the first has found are counted out.
    collectGarbage()
    const before = taken()
    for (let i = 0; i < TIMES; i++) run()
    // A sample in which something was collected after all comes out too small: the median leaves it out.
    samples.push((taken() - before) / TIMES)
  }
  return samples.toSorted((a, b) => a - b)[SAMPLES >> 1]!
}
