/**
 * Cuts long work into parts of some milliseconds. The event loop reads from sockets between the parts, so the server answers shares
 * while it announces a job to ten thousand connections.
 */

/** The cost of a part: as much as one shared message to each of 64 connections. */
const COST_OF_PART = 64

/** Cuts `all` into parts, in order; an item that costs more than a part makes a part alone. `costOf` returns 1 or more. */
export const inParts = <A>(all: Iterable<A>, costOf: (one: A) => number): ReadonlyArray<ReadonlyArray<A>> => {
  const parts: Array<Array<A>> = []
  let left = 0
  for (const one of all) {
    const cost = costOf(one)
    if (cost > left) {
      parts.push([])
      left = COST_OF_PART
    }
    parts.at(-1)!.push(one)
    left -= cost
  }
  return parts
}
