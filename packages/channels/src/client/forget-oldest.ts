/** Drops the entry that was put in first, where there are more than `limit`: what a server sends is kept within bounds. */
export const forgetOldest = (entries: Map<number, unknown> | Set<number>, limit: number): void => {
  if (entries.size <= limit) return
  for (const oldest of entries.keys()) {
    entries.delete(oldest)
    return
  }
}
