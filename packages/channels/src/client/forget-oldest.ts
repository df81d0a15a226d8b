/** Removes the oldest entry if there are more than `limit`, so that a server cannot fill the memory. */
export const forgetOldest = (entries: Map<number, unknown> | Set<number>, limit: number): void => {
  if (entries.size <= limit) return
  for (const oldest of entries.keys()) {
    entries.delete(oldest)
    return
  }
}
