/**
 * A PostgreSQL server in a temporary folder, with a user and a database of its own. It needs an installed PostgreSQL, and runs as an
 * unprivileged user if this process is root, because PostgreSQL refuses root.
 */
import { Effect, type Scope } from "effect"
import { execFile, execFileSync } from "node:child_process"
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { freePorts } from "./ports.ts"

export interface PostgresServer {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** `postgres://USER:PASSWORD@HOST:PORT/NAME`. */
  readonly url: string
  /** Ends the server at once, as a power cut would but for what the operating system has; `start` recovers it. */
  readonly stop: Effect.Effect<void>
  readonly start: Effect.Effect<void>
}

/** The password has characters that a URL must escape. */
const LOGIN = { user: "sluice", password: "pass/word:@1", database: "pool" }
const DEBIAN = "/usr/lib/postgresql"

/** The folder of the programs of a server; undefined if PostgreSQL is not installed. */
export const postgresPrograms = (): string | undefined => {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).toSorted((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...(process.env["PATH"] ?? "").split(":"),
    ...versions.map((version) => join(DEBIAN, version, "bin"))
  ]
  return folders.find((folder) => ["initdb", "pg_ctl", "createdb"].every((name) => existsSync(join(folder, name))))
}

/** Runs a server until the Scope closes. */
export const startPostgres: Effect.Effect<PostgresServer, never, Scope.Scope> = Effect.gen(function* () {
  const programs = postgresPrograms()
  if (programs === undefined) return yield* Effect.die(new Error("PostgreSQL is not installed: apt install postgresql"))
  const ids = process.getuid?.() === 0 ? unprivileged() : undefined
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-postgres-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )
  const run = (name: string, parameters: ReadonlyArray<string>) =>
    Effect.promise(() => promisify(execFile)(join(programs, name), [...parameters], { ...ids, cwd: directory }))
  const [port = 0] = yield* Effect.promise(() => freePorts(1))
  const data = join(directory, "data")
  const passwordFile = join(directory, "password")
  writeFileSync(passwordFile, LOGIN.password, { mode: 0o600 })
  if (ids !== undefined) for (const path of [directory, passwordFile]) chownSync(path, ids.uid, ids.gid)
  yield* run("initdb", [
    `--pgdata=${data}`,
    `--username=${LOGIN.user}`,
    `--pwfile=${passwordFile}`,
    "--auth-host=scram-sha-256",
    "--auth-local=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync"
  ])
  // Each commit waits for the disk, as in operation.
  const settings = `-c listen_addresses=127.0.0.1 -c unix_socket_directories='${directory}' -p ${port} -c max_connections=60`
  const pgCtl = (action: string, ...more: ReadonlyArray<string>) =>
    Effect.asVoid(run("pg_ctl", [action, "--pgdata", data, "--wait", ...more]))
  const start = pgCtl("start", "--log", join(directory, "log"), "--options", settings)
  const stop = pgCtl("stop", "--mode", "immediate")
  yield* Effect.acquireRelease(start, () => Effect.ignoreCause(stop))
  const { database, password, user } = LOGIN
  yield* run("createdb", ["--host", directory, "--port", String(port), "--username", user, database])
  const url = `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`
  return { host: "127.0.0.1", port, ...LOGIN, url, start, stop }
})

/** The user that Debian's package makes, or else the one that owns nothing. */
const unprivileged = (): { readonly uid: number; readonly gid: number } => {
  const idOf = (option: string) => {
    for (const name of ["postgres", "nobody"]) {
      try {
        return Number(execFileSync("id", [option, name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }))
      } catch {
        // There is no such user.
      }
    }
    throw new Error("there is no user postgres or nobody to run PostgreSQL as")
  }
  return { uid: idOf("-u"), gid: idOf("-g") }
}
