/** The files that the answers lead to: a configuration for each program, and the secrets that they name. */
import { AuthorityKey } from "@sluice/noise"
import { formatServerAddress, parseEndpoint } from "@sluice/transport"
import { Redacted, Result } from "effect"
import { join } from "node:path"
import type { ProgramConfig } from "../config/load.ts"
import { PoolConfig } from "../pool/config.ts"
import { ProxyConfig } from "../proxy/config.ts"
import { TemplateProviderConfig } from "../template-provider/config.ts"
import type { StartedName } from "../start/run-program.ts"
import { type Answers, serverOf } from "./answers.ts"
import type { FoundNode } from "./find-node.ts"

/** A program to start, with its configuration file. */
export interface ProgramFile {
  readonly program: StartedName
  /** An absolute path. */
  readonly path: string
  readonly config: ProgramConfig<unknown>
  /** By the names in the file. */
  readonly values: ReadonlyMap<string, string | number | ReadonlyArray<string>>
}

/** The files, in the order in which the programs start. */
export interface Files {
  readonly folder: string
  readonly programs: ReadonlyArray<ProgramFile>
  /** By path, for the owner alone. */
  readonly secrets: ReadonlyMap<string, Redacted.Redacted>
}

/** The programs of a role that need a key, in the order in which they start. */
export const programsOf = ({ role, source }: Pick<Answers, "role" | "source">): ReadonlyArray<StartedName> =>
  source?._tag === "Node" ? ["template-provider", serverOf(role)] : [serverOf(role)]

/** The path of a program's authority key. */
export const keyFile = (folder: string, program: StartedName): string => join(folder, `${program}.key`)

/** The authority keys of the programs, in the order in which they start. */
export type Keys = ReadonlyMap<StartedName, AuthorityKey.KeyPair>

export const filesOf = (answers: Answers, keys: Keys): Files => {
  const { folder, source } = answers
  const secrets = new Map<string, Redacted.Redacted>()
  for (const [program, { secretKey }] of keys) {
    secrets.set(keyFile(folder, program), Redacted.make(AuthorityKey.formatSecretKey(secretKey)))
  }
  const node = source?._tag === "Node" ? source.node : undefined
  if (node?.credentials._tag === "Password") secrets.set(join(folder, PASSWORD_FILE), node.credentials.password)
  const provider = keys.get("template-provider")
  const templates =
    source?._tag === "Node" && provider !== undefined
      ? [urlOf(source.templateListen, provider)]
      : source?._tag === "Provider"
        ? source.urls
        : undefined
  const programs = [...keys.keys()].map((program): ProgramFile => {
    const own: Values =
      program === "template-provider"
        ? providerValues(source as Extract<Answers["source"], { readonly _tag: "Node" }>)
        : { ...serverValues(answers), ...(program === "pool" ? poolValues(answers, node) : proxyValues(answers)) }
    const all = { ...own, "authority-secret-key-file": `${program}.key` }
    const withTemplates = program === "template-provider" ? all : { ...all, "template-provider": templates }
    const values = new Map(
      Object.entries(withTemplates).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
    )
    return { program, path: join(folder, `${program}.toml`), config: configs[program], values }
  })
  return { folder, programs, secrets }
}

type Values = Readonly<Record<string, string | number | ReadonlyArray<string> | undefined>>

const configs: Readonly<Record<StartedName, ProgramConfig<unknown>>> = {
  "template-provider": TemplateProviderConfig,
  pool: PoolConfig,
  proxy: ProxyConfig
}

const PASSWORD_FILE = "node.password"

const urlOf = (listen: string, { publicKey }: AuthorityKey.KeyPair): string =>
  formatServerAddress({
    ...Result.getOrThrow(parseEndpoint(listen)),
    security: { _tag: "noise", authorityKey: publicKey }
  })

const providerValues = ({ node, templateListen }: Extract<Answers["source"], { readonly _tag: "Node" }>): Values => ({
  listen: templateListen,
  ...nodeValues(node, "rpc"),
  zmq: node.zmq.length === 0 ? undefined : node.zmq.join(","),
  chain: knownChain(node),
  "blocks-directory": "blocks"
})

const knownChain = ({ chain }: FoundNode): string | undefined =>
  ["main", "test", "testnet4", "signet", "regtest"].includes(chain) ? chain : undefined

/** The address and login of the node, under keys that begin with the prefix. */
const nodeValues = ({ credentials, url }: FoundNode, prefix: "rpc" | "node-rpc"): Values => ({
  [`${prefix}-url`]: url,
  ...(credentials._tag === "Cookie"
    ? { [`${prefix}-cookie`]: credentials.path }
    : { [`${prefix}-user`]: credentials.user, [`${prefix}-password-file`]: PASSWORD_FILE })
})

const serverValues = ({ httpListen, listen, v1Listen }: Answers): Values => ({
  listen,
  "v1-listen": v1Listen,
  "http-listen": httpListen,
  "history-file": httpListen === undefined ? undefined : "history.sqlite"
})

const poolValues = (answers: Answers, node: FoundNode | undefined): Values => {
  const { folder, payoutAddress, payoutFee, payoutScheme } = answers
  const hasLedger = payoutScheme !== "none" && payoutScheme !== "solo"
  return {
    "coinbase-address": payoutAddress,
    chain: node === undefined ? undefined : knownChain(node),
    "state-file": "pool.state",
    ...(payoutScheme === "none" ? {} : { "payout-scheme": payoutScheme, "payout-fee": payoutFee }),
    // A ledger's path is relative to the working directory, not to the file.
    ...(hasLedger ? { ledger: `sqlite:${join(folder, "pool.ledger")}` } : {}),
    // The ledger follows its blocks on the node's chain.
    ...(hasLedger && node !== undefined ? nodeValues(node, "node-rpc") : {})
  }
}

const proxyValues = ({ jobDeclarator, payoutAddress, role, upstream, userIdentity }: Answers): Values => ({
  upstream,
  "user-identity": userIdentity,
  "state-file": "proxy.state",
  ...(role === "declaration" ? { "job-declarator": jobDeclarator, "solo-address": payoutAddress } : {})
})
