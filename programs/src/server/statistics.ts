/**
 * Serves the statistics of a server of miners as JSON beside its metrics: `/stats`, `/users` and `/users/NAME`. Miners choose their names. In a
 * path, a name is the bytes that the miner sent, percent-encoded.
 */
import {
  type Page,
  type MiningServerStats,
  type Statistics,
  UserStats,
  UsersPage,
  UserWithChannels
} from "@sluice/mining-server"
import { printable, readText } from "@sluice/protocol"
import { Effect, Option, Result, Schema } from "effect"
import { HttpServerResponse, ProblemDetails } from "effect/http"
import type { Pages } from "./metrics.ts"

/** A role may add fields of its own to `/stats`. */
export const statisticsPages = <A extends MiningServerStats>(
  { user, users }: Pick<Statistics, "user" | "users">,
  stats: Effect.Effect<A>,
  schema: Schema.Codec<A, unknown>
): Pages => {
  const sendStats = json(schema)
  return {
    paths: ["/stats", "/users", "/users/NAME"],
    at: (path, query) => {
      if (path === "/stats") return Effect.flatMap(stats, sendStats)
      if (path === "/users") return withPage(query, (page) => Effect.flatMap(users(page), sendUsers))
      if (!path.startsWith(USERS)) return undefined
      const name = nameIn(path.slice(USERS.length))
      return withPage(query, (page) =>
        Effect.flatMap(
          user(name, page),
          Option.match({
            onSome: sendUser,
            onNone: () =>
              problem(404, `There is no user ${JSON.stringify(shortened(name))}: ${ABOUT_NAMES}. See /users.`)
          })
        )
      )
    }
  }
}

const USERS = "/users/"
/** The most users or channels in one answer, which then has some hundreds of kilobytes. */
const MAX_LIMIT = 1000
const DEFAULT_LIMIT = 100
const ABOUT_NAMES =
  "a name is the part of a miner's identity before the first dot, exactly and percent-encoded, and users who left are forgotten after a while"

/** Users in descending order of their hash rate of the last five minutes, each with the path of its own page. */
const Users = Schema.Struct({
  ...UsersPage.fields,
  users: Schema.Array(Schema.Struct({ ...UserStats.fields, path: Schema.String }))
})

const json = <A>(schema: Schema.Codec<A, unknown>) => {
  const send = HttpServerResponse.schemaJson(schema)
  return (body: A) => Effect.orDie(send(body))
}
const sendUser = json(UserWithChannels)
const sendUsers = ({ users, ...page }: UsersPage) =>
  sendUsersPage({ ...page, users: users.map((user) => ({ ...user, path: USERS + encodeURIComponent(user.user) })) })
const sendUsersPage = json(Users)

const problem = (status: 400 | 404, detail: string) =>
  Effect.succeed(
    ProblemDetails.toResponse({
      type: ProblemDetails.blankType,
      status,
      title: status === 400 ? "Bad Request" : "Not Found",
      detail
    })
  )

const withPage = <A, E, R>(query: string, answer: (page: Page) => Effect.Effect<A, E, R>) =>
  Result.match(pageOf(query), { onFailure: (detail) => problem(400, detail), onSuccess: answer })

/** Parses `limit` and `offset`; fails with the problem. */
const pageOf = (query: string): Result.Result<Page, string> => {
  const given = new URLSearchParams(query)
  for (const key of given.keys()) {
    if (key !== "limit" && key !== "offset") {
      return Result.fail(`Expected limit and offset, got ${JSON.stringify(shortened(key))}.`)
    }
  }
  return Result.all({
    limit: wholeNumber("limit", given.get("limit") ?? String(DEFAULT_LIMIT), 1, MAX_LIMIT),
    offset: wholeNumber("offset", given.get("offset") ?? "0", 0, Number.MAX_SAFE_INTEGER)
  })
}

const wholeNumber = (name: string, text: string, min: number, max: number): Result.Result<number, string> => {
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  return number >= min && number <= max
    ? Result.succeed(number)
    : Result.fail(`${name}: expected a whole number from ${min} to ${max}, got ${JSON.stringify(shortened(text))}.`)
}

/** Decodes the name in a path, also if the client did not encode all of it. */
const nameIn = (encoded: string): string => {
  const latin1 = encoded.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  const bytes = Buffer.from(latin1, "latin1")
  return readText(bytes, 0, bytes.length)
}

/** Shortens a client's text for an error. */
const shortened = (text: string): string => printable(text.length <= 64 ? text : `${text.slice(0, 64)}...`)
