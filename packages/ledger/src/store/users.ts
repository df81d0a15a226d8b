/** The ids of users in the database. */
import { Array as Arr, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { POOL } from "../scheme/divide.ts"

export class Users {
  readonly #sql: SqlClient.SqlClient
  readonly #ids = new Map<string, number>([[POOL, 0]])
  /** Ids of the transaction that is not committed yet. */
  readonly #given = new Map<string, number>()

  constructor(sql: SqlClient.SqlClient) {
    this.#sql = sql
  }

  /** Forgets the ids of a transaction that was not committed. Call it at the beginning of each. */
  begin(): void {
    this.#given.clear()
  }

  /** How many ids the transaction has given. */
  get given(): number {
    return this.#given.size
  }

  /** Forgets all but so many ids of the transaction: the others were rolled back. */
  keepGiven(count: number): void {
    for (const name of [...this.#given.keys()].slice(count)) this.#given.delete(name)
  }

  committed(): void {
    for (const [name, id] of this.#given) this.#ids.set(name, id)
    this.#given.clear()
  }

  /** Adds those names that are new, inside a transaction. `idOf` knows them then. */
  add(names: Iterable<string>): Effect.Effect<void, SqlError.SqlError> {
    const unknown = new Set<string>()
    for (const name of names) if (!this.#ids.has(name) && !this.#given.has(name)) unknown.add(name)
    if (unknown.size === 0) return Effect.void
    return Effect.forEach(chunksOf([...unknown]), (some) => this.#addSome(some), { discard: true })
  }

  #addSome(names: ReadonlyArray<string>): Effect.Effect<void, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      const sql = this.#sql
      const known = yield* sql<UserRow>`SELECT id, name FROM users WHERE ${sql.in("name", names)}`
      for (const { id, name } of known) this.#given.set(name, id)
      const others = names.filter((name) => !this.#given.has(name)).map((name) => ({ name }))
      if (!Arr.isArrayNonEmpty(others)) return
      const added = yield* sql<UserRow>`INSERT INTO users ${sql.insert(others).returning("id, name")}`
      for (const { id, name } of added) this.#given.set(name, id)
    })
  }

  /** Whether the ids of all these users are known and committed. */
  hasAll(shares: ReadonlyArray<{ readonly user: string }>): boolean {
    for (const { user } of shares) if (!this.#ids.has(user)) return false
    return true
  }

  /** The id of a name that was added. */
  idOf(name: string): number {
    return this.#ids.get(name) ?? this.#given.get(name)!
  }
}

interface UserRow {
  readonly id: number
  readonly name: string
}

/** Names in one statement. */
const CHUNK = 500

const chunksOf = (names: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> =>
  Array.from({ length: Math.ceil(names.length / CHUNK) }, (_, index) => names.slice(index * CHUNK, (index + 1) * CHUNK))
