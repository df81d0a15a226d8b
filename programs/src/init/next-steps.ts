/** The last sentences of `sluice init`: what to type into the miners, and the commands that start the programs. */
import {
  type Endpoint,
  formatEndpoint,
  formatServerAddress,
  isLoopback,
  parseEndpoint,
  type ServerAddress
} from "@sluice/transport"
import { Result } from "effect"
import { networkInterfaces } from "node:os"
import { type Answers, serverOf } from "./answers.ts"
import type { Files, Keys } from "./files.ts"

/** The sentences, of the answers, the files and this machine. */
export const nextSteps = (
  answers: Answers,
  files: Files,
  keys: Keys,
  { command, lanAddress }: { readonly command: string; readonly lanAddress: string | undefined }
): string => {
  const { httpListen } = answers
  const [v2, v1] = serversAt(answers, keys, lanAddress)
  const user = userFor(answers)
  const lines = [
    "To start, type:",
    "",
    `    ${command} start ${quoted(files.folder)}`,
    "",
    "Type this into your miners. Those that speak Stratum V2:",
    "",
    `    URL       ${formatServerAddress(v2)}`,
    `    user      ${user}`,
    ""
  ]
  if (v1 !== undefined) {
    lines.push(
      "All others (Stratum V1):",
      "",
      `    URL       ${formatServerAddress(v1)}`,
      `    user      ${user}`,
      "    password  x",
      ""
    )
  }
  lines.push(explanation(answers), ...reach(answers, lanAddress))
  if (httpListen !== undefined) {
    lines.push(
      `A page shows how it goes, in a browser on this machine: http://${formatEndpoint(forMiners(httpListen, undefined))}`
    )
  }
  return lines.join("\n")
}

/** The addresses for miners on this machine. */
export const serversHere = (answers: Answers, keys: Keys): ReadonlyArray<ServerAddress> =>
  serversAt(answers, keys, undefined).filter((server) => server !== undefined)

const serversAt = ({ listen, role, v1Listen }: Answers, keys: Keys, lanAddress: string | undefined) => {
  const { publicKey } = keys.get(serverOf(role))!
  const v2: ServerAddress = {
    ...forMiners(listen, lanAddress),
    security: { _tag: "noise", authorityKey: publicKey }
  }
  const v1: ServerAddress | undefined =
    v1Listen === undefined ? undefined : { ...forMiners(v1Listen, lanAddress), security: { _tag: "v1", tls: false } }
  return [v2, v1] as const
}

/** The address that miners connect to: of an address that stands for all of this machine, that in the network. */
const forMiners = (listen: string, lanAddress: string | undefined): Endpoint => {
  const { host, port } = endpointOf(listen)
  return { host: isEveryAddress(host) ? (lanAddress ?? "127.0.0.1") : host, port }
}

const endpointOf = (listen: string): Endpoint => Result.getOrThrow(parseEndpoint(listen))
const isEveryAddress = (host: string): boolean => host === "0.0.0.0" || host === "::"

const paysMiners = ({ payoutScheme }: Answers): boolean => payoutScheme !== "none"

const userFor = (answers: Answers): string => (paysMiners(answers) ? "ADDRESS.rig1" : "rig1")

const explanation = (answers: Answers): string => {
  if (paysMiners(answers)) {
    return "ADDRESS is the Bitcoin address of the miner's owner, which is paid. rig1 is any name for the miner."
  }
  return answers.role === "solo" || answers.role === "pool"
    ? `rig1 is any name for the miner. A block pays ${answers.payoutAddress}.`
    : `rig1 is any name for the miner. The pool counts its work for the account ${answers.userIdentity}.`
}

const reach = ({ listen, v1Listen }: Answers, lanAddress: string | undefined): ReadonlyArray<string> => {
  const open = [listen, v1Listen].filter((each) => each !== undefined).map(endpointOf)
  const ports = open.filter(({ host }) => isEveryAddress(host)).map(({ port }) => port)
  if (ports.length > 0) {
    const firewall = `If a miner cannot connect, let it through the firewall of this machine (${ports.length === 1 ? "port" : "ports"} ${ports.join(" and ")}).`
    return lanAddress === undefined
      ? [
          "This machine has no address in a network now: on another machine, type its address instead of 127.0.0.1.",
          firewall
        ]
      : [firewall]
  }
  return open.every(({ host }) => isLoopback(host) || host === "localhost")
    ? ["Only miners on this machine can connect."]
    : []
}

const quoted = (path: string): string => (/^[\w./\\:@%+=-]+$/.test(path) ? path : JSON.stringify(path))

/** The address of this machine in its network: a private IPv4 address, not one of containers and tunnels, if there is one. */
export const lanAddressOf = (interfaces: ReturnType<typeof networkInterfaces>): string | undefined => {
  const addresses = Object.entries(interfaces).flatMap(([name, all = []]) =>
    all.filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => ({ name, address }))
  )
  const rank = ({ address, name }: (typeof addresses)[number]): number =>
    (VIRTUAL.test(name) ? 2 : 0) + (PRIVATE.test(address) ? 0 : 1)
  return addresses.toSorted((one, other) => rank(one) - rank(other))[0]?.address
}

const VIRTUAL = /^(docker|br-|veth|virbr|vmnet|vboxnet|lxc|lxd|podman|tun|tap|utun|wg|tailscale|zt)/
const PRIVATE = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/

/** How this program was called. */
export const commandOf = (environment: Readonly<Record<string, string | undefined>>): string => {
  switch (environment["npm_command"]) {
    case "exec":
      return "npx sluice"
    case "run":
    case "run-script":
      return "npm run sluice --"
    default:
      return "sluice"
  }
}
