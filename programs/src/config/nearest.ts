/** The known word that is most like this one, if any is: `listen` for `lisen`. */
export const nearest = (word: string, known: ReadonlyArray<string>): string | undefined => {
  const plain = (name: string): string => name.toLowerCase().replaceAll("_", "-")
  let best: string | undefined
  let bestDistance = Math.floor(word.length / 3) + 1
  for (const candidate of known) {
    const distance = editDistance(plain(word), plain(candidate))
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** The Levenshtein distance, computed row by row. */
const editDistance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < to.length; j++) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (from[i] === to[j] ? 0 : 1)))
    }
    row = next
  }
  return row[to.length]!
}
