/** The workers that may submit shares on one connection. */
export class Workers {
  readonly names = new Set<string>()
  /** Of the share before: comparing one name is faster than hashing it. */
  #last: string | undefined

  has(name: string): boolean {
    if (name === this.#last) return true
    if (!this.names.has(name)) return false
    this.#last = name
    return true
  }
}
