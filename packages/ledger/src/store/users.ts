/** The ids of users in the database. */
import { Effect } from "effect"
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

  committed(): void {
    for (const [name, id] of this.#given) this.#ids.set(name, id)
    this.#given.clear()
  }

  /** Adds those names that are new, inside a transaction. `idOf` knows them then. */
  add(names: Iterable<string>): Effect.Effect<void, SqlError.SqlError> {
    const unknown = new Set<string>()
    for (const name of names) if (!this.#ids.has(name) && !this.#given.has(name)) unknown.add(name)
    if (unknown.size === 0) return Effect.void
    return Effect.forEach(
      unknown,
      (name) =>
        Effect.gen({ self: this }, function* () {
          const sql = this.#sql
          yield* sql`INSERT INTO users (name) VALUES (${name}) ON CONFLICT (name) DO NOTHING`
          const [row] = yield* sql<{ id: number }>`SELECT id FROM users WHERE name = ${name}`
          this.#given.set(name, row!.id)
        }),
      { discard: true }
    )
  }

  /** The id of a name that was added. */
  idOf(name: string): number {
    return this.#ids.get(name) ?? this.#given.get(name)!
  }
}
