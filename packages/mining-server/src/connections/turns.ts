/**
 * Work for many, cut into parts of some milliseconds, between which the event loop reads from others: shares are answered
 * while ten thousand connections are told of a job, and while one of them has a thousand of its messages answered.
 */

/** Cost of a part: as much as 64 connections, each with one message that is the same for all. */
const COST_OF_PART = 64

/** Cuts `all` into parts, in their order; one that costs more than a part is one alone. `costOf` gives 1 or more. */
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
