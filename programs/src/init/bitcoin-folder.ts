/** Where Bitcoin Core keeps its data on each platform, and what its bitcoin.conf says about RPC. */
import { join } from "node:path"

/** The machine, as far as it decides where Bitcoin Core is. */
export interface Machine {
  readonly platform: NodeJS.Platform
  readonly home: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Bitcoin Core's data folders: the default one, then those of packages. */
export const dataFolders = ({ environment, home, platform }: Machine): ReadonlyArray<string> => {
  if (platform === "darwin") return [join(home, "Library", "Application Support", "Bitcoin")]
  if (platform === "win32") {
    // Bitcoin Core 28 and later begin in LOCALAPPDATA, older ones in APPDATA.
    const roots = [environment["LOCALAPPDATA"], environment["APPDATA"]]
    return roots.flatMap((root) => (root === undefined ? [] : [join(root, "Bitcoin")]))
  }
  return [join(home, ".bitcoin"), "/var/lib/bitcoind", join(home, "snap", "bitcoin-core", "common", ".bitcoin")]
}

/** A chain, the folder of its data in the data folder, and its RPC port. */
export interface ChainPlace {
  readonly chain: "main" | "test" | "testnet4" | "signet" | "regtest"
  readonly folder: string
  readonly rpcPort: number
}

/** Bitcoin Core's chainparamsbase.cpp. */
export const chainPlaces: ReadonlyArray<ChainPlace> = [
  { chain: "main", folder: "", rpcPort: 8332 },
  { chain: "test", folder: "testnet3", rpcPort: 18332 },
  { chain: "testnet4", folder: "testnet4", rpcPort: 48332 },
  { chain: "signet", folder: "signet", rpcPort: 38332 },
  { chain: "regtest", folder: "regtest", rpcPort: 18443 }
]

/** The settings of a bitcoin.conf, by section; those before the first section are in "". */
export type BitcoinConf = ReadonlyMap<string, ReadonlyMap<string, string>>

/** Reads a bitcoin.conf. Of a setting that stands several times Bitcoin Core takes the first. */
export const parseBitcoinConf = (text: string): BitcoinConf => {
  const sections = new Map<string, Map<string, string>>()
  let section = ""
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.replace(/#.*$/, "").trim()
    const [, name] = /^\[(.+)\]$/.exec(line) ?? []
    if (name !== undefined) {
      section = name
      continue
    }
    const equals = line.indexOf("=")
    if (equals < 1) continue
    const settings = sections.get(section) ?? new Map<string, string>()
    sections.set(section, settings)
    let key = line.slice(0, equals).trim()
    const dot = key.indexOf(".")
    // "regtest.rpcport" outside of a section is rpcport in the section regtest.
    if (dot > 0 && section === "") {
      const other = sections.get(key.slice(0, dot)) ?? new Map<string, string>()
      sections.set(key.slice(0, dot), other)
      key = key.slice(dot + 1)
      if (!other.has(key)) other.set(key, line.slice(equals + 1).trim())
    } else if (!settings.has(key)) settings.set(key, line.slice(equals + 1).trim())
  }
  return sections
}

/** A setting for a chain. Outside of sections, `rpcport` holds for the main chain alone. */
export const settingOf = (conf: BitcoinConf, chain: ChainPlace["chain"], key: string): string | undefined =>
  conf.get(chain)?.get(key) ?? (key === "rpcport" && chain !== "main" ? undefined : conf.get("")?.get(key))
