/** What `sluice template-provider` can be told. */
import { templateProviderDefaults } from "@sluice/template-provider"
import { Duration, Schema } from "effect"
import { distinctAddresses } from "../config/addresses.ts"
import { defaulted, optional, required } from "../config/key.ts"
import { oneSecurity, securityKeys } from "../config/security.ts"
import { directoryToWrite, fileOfAnother } from "../config/path.ts"
import {
  choice,
  hostPort,
  httpUrl,
  httpUrls,
  logins,
  password,
  secretFilePaths,
  string,
  toggle,
  whole,
  zmqEndpoints
} from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"
import { metricsKeys } from "../server/metrics.ts"

export const TemplateProviderConfig = {
  program: "template-provider",
  schema: Schema.Struct({
    listen: defaulted(hostPort, { description: "Where pools and proxies connect.", default: "127.0.0.1:18447" }),
    rpcUrl: required(httpUrl, { description: "The node's JSON-RPC.", example: "http://127.0.0.1:18443" }),
    rpcUser: optional(string({ metavar: "USER", expected: "a user name" }), {
      description: "The node's rpcuser; or give rpc-cookie.",
      example: "sluice",
      usual: true
    }),
    rpcPassword: optional(password, { description: "The node's rpcpassword.", usual: true }),
    rpcCookie: optional(fileOfAnother("the path of the node's .cookie file", { holdsSecret: true }), {
      description: "The file in which the node writes a user and password of its own at each start.",
      example: "/home/bitcoin/.bitcoin/.cookie"
    }),
    zmq: optional(zmqEndpoints, {
      description:
        "Where the node publishes hashblock, rawblock and sequence (zmqpubhashblock, ...), one or several; without it the node is asked.",
      example: "tcp://127.0.0.1:28332",
      usual: true
    }),
    spareRpcUrls: optional(httpUrls, {
      description:
        "More nodes to fall back on, the preferred one first. They know rpc-user and rpc-password unless told. Blocks go to all.",
      example: "http://192.0.2.7:8332,http://192.0.2.8:8332"
    }),
    spareRpcLogins: optional(logins, {
      description: "User and password of each node in spare-rpc-urls, in that order, where they have their own."
    }),
    spareRpcCookies: optional(secretFilePaths, {
      description: "The cookie file of each node in spare-rpc-urls, in that order, where they write one.",
      example: "/home/second/.bitcoin/.cookie"
    }),
    chain: optional(choice(["main", "test", "testnet4", "signet", "regtest"]), {
      description: "The chain that the node has to be on; any unless told.",
      example: "main"
    }),
    feeDelta: defaulted(whole("SATOSHIS", 0, 2_100_000_000_000_000), {
      description: "Fees that a block has to gain before a new template goes out for the same tip.",
      default: Number(templateProviderDefaults.feeDelta)
    }),
    interval: defaulted(whole("SECONDS", 1, 3_600), {
      description: "How often the node is asked for better fees, and the least time between two templates of a tip.",
      default: Duration.toSeconds(templateProviderDefaults.interval)
    }),
    noEmptyTemplates: defaulted(toggle, {
      description:
        "Do not let clients work on a block without transactions from its announcement until the node's template is there.",
      default: false
    }),
    maxTemplateAge: defaulted(whole("SECONDS", 60, 86_400), {
      description: "How long the node may give no template before clients are sent away to other providers.",
      default: Duration.toSeconds(templateProviderDefaults.maxTemplateAge)
    }),
    blocksDirectory: optional(directoryToWrite("the path of a directory"), {
      description: "Where found blocks are kept while no node is there to take them; without it only in memory.",
      option: "blockDirectory",
      example: "blocks"
    }),
    ...metricsKeys(),
    ...securityKeys,
    ...loggingKeys
  }).check(
    oneSecurity,
    distinctAddresses("listen", "metricsListen"),
    Schema.makeFilter(({ spareRpcUrls, spareRpcLogins, spareRpcCookies, rpcCookie }) => {
      if (spareRpcLogins !== undefined && spareRpcCookies !== undefined) {
        return "give spare-rpc-logins or spare-rpc-cookies, not both"
      }
      const own = spareRpcLogins ?? spareRpcCookies
      const nodes = spareRpcUrls?.length ?? 0
      if (own === undefined) {
        return nodes > 0 && rpcCookie !== undefined
          ? "spare-rpc-urls needs spare-rpc-cookies or spare-rpc-logins beside rpc-cookie: each node has a cookie of its own"
          : undefined
      }
      const key = spareRpcLogins === undefined ? "spare-rpc-cookies" : "spare-rpc-logins"
      return own.length === nodes
        ? undefined
        : `${key} names ${own.length}, and spare-rpc-urls ${nodes}: one for each node`
    }),
    Schema.makeFilter(({ rpcUser, rpcPassword, rpcCookie }) => {
      if (rpcCookie !== undefined) {
        return rpcUser === undefined && rpcPassword === undefined
          ? undefined
          : "give rpc-cookie, or rpc-user and rpc-password, not both"
      }
      if (rpcUser !== undefined && rpcPassword !== undefined) return undefined
      return "--rpc-user with --rpc-password (or --rpc-password-file), or --rpc-cookie is missing: the node wants to know us"
    })
  )
}
