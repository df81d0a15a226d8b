/**
 * Runs a service of a compose file on this machine as a container would: with the service's own command, environment and volumes, a file
 * system that it cannot write to, and a user without privileges. bubblewrap does that. All services share one network.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { Readable } from "node:stream"
import type { Service } from "./compose.ts"

const repository = join(import.meta.dirname, "../..")

export interface Place {
  /** A directory for logs and named volumes. */
  readonly directory: string
  /** A hosts file that knows the services. */
  readonly hosts: string
}

/** The command that stands for an image's: our sources for the image of Sluice, a program of `BITCOIN_BIN` for Bitcoin Core. */
const programOf = ({ image }: Pick<Service, "image">, [first = "", ...rest]: ReadonlyArray<string>): Array<string> => {
  if (!image.startsWith("bitcoin/")) {
    const args = first === "sluice" ? rest : [first, ...rest]
    return process.env.SLUICE_BINARY === undefined
      ? [process.execPath, join(repository, "programs/src/main.ts"), ...args]
      : [process.env.SLUICE_BINARY, ...args]
  }
  const bin = process.env.BITCOIN_BIN ?? ""
  return first.startsWith("-") ? [join(bin, "bitcoind"), "-datadir=/tmp", first, ...rest] : [join(bin, first), ...rest]
}

const sandbox = (name: string, service: Service, { directory, hosts }: Place): Array<string> => {
  const system = ["/usr", "/lib", "/lib64", "/bin", repository, process.env.SLUICE_BINARY, process.env.BITCOIN_BIN]
  const mounts = (service.volumes ?? []).flatMap((volume) => {
    const [source = "", target = "", mode] = volume.split(":")
    const named = join(directory, "volumes", source)
    if (!source.startsWith("/")) mkdirSync(named, { recursive: true })
    return [mode === "ro" ? "--ro-bind" : "--bind", source.startsWith("/") ? source : named, target]
  })
  return [
    ..."--unshare-user --uid 65532 --gid 65532 --unshare-uts --die-with-parent --clearenv --hostname".split(" "),
    name,
    ..."--proc /proc --dev /dev --tmpfs /tmp --setenv HOME /tmp --setenv PATH /usr/bin:/bin".split(" "),
    // After /tmp, in which the repository may be.
    ...system.flatMap((path) => (path === undefined ? [] : ["--ro-bind-try", path, path])),
    "--ro-bind",
    hosts,
    "/etc/hosts",
    ...mounts,
    ...Object.entries(service.environment ?? {}).flatMap(([key, value]) => ["--setenv", key, String(value)])
  ]
}

/** A running service. */
export class Container {
  readonly name: string
  readonly service: Service
  readonly log: string
  /** The exit status, once it has ended. */
  readonly ended: Promise<number | null>
  status: number | null | undefined = undefined
  readonly #place: Place
  readonly #process: ChildProcess
  #inner = 0

  constructor(name: string, service: Service, place: Place, command = service.command) {
    this.name = name
    this.service = service
    this.#place = place
    this.log = join(place.directory, `${name}.log`)
    const log = openSync(this.log, "w")
    this.#process = spawn(
      "bwrap",
      ["--info-fd", "3", ...sandbox(name, service, place), "--", ...programOf(service, command)],
      { stdio: ["ignore", log, log, "pipe"] }
    )
    closeSync(log)
    ;(this.#process.stdio[3] as Readable).on("data", (chunk) => {
      this.#inner = Number(/"child-pid": (\d+)/.exec(String(chunk))?.[1] ?? this.#inner)
    })
    this.ended = new Promise((resolve) => {
      this.#process.on("error", () => resolve((this.status = null)))
      this.#process.on("close", (status) => resolve((this.status = status)))
    })
  }

  /** Runs the service's health check until it succeeds, as often as the compose file says. */
  async healthy(): Promise<void> {
    const { interval = "30s", retries = 3, test = [] } = this.service.healthcheck ?? {}
    for (let tries = 0; tries < retries; tries++) {
      if (this.status !== undefined) throw new Error(`${this.name} ended with status ${this.status}`)
      const command = programOf(this.service, test.slice(1))
      const check = spawn("bwrap", [...sandbox(this.name, this.service, this.#place), "--", ...command], {
        stdio: "ignore"
      })
      if ((await new Promise((resolve) => check.on("close", resolve))) === 0) return
      await new Promise((resolve) => setTimeout(resolve, parseFloat(interval) * 1000))
    }
    throw new Error(`${this.name} is not healthy after ${retries} checks`)
  }

  /** Ends it with SIGTERM, as `docker compose stop` does, and gives its status. */
  async stop(): Promise<number | null> {
    if (this.status === undefined && this.#inner > 0) process.kill(this.#inner, "SIGTERM")
    const kill = setTimeout(() => this.#process.kill("SIGKILL"), 10_000)
    const status = await this.ended
    clearTimeout(kill)
    return status
  }

  /** The end of its log. */
  get lastLines(): string {
    return existsSync(this.log) ? readFileSync(this.log, "utf8").trimEnd().split("\n").slice(-12).join("\n") : ""
  }
}
