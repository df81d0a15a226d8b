/** Addresses that one program listens on. */
import { Schema } from "effect"
import { kebab } from "./key.ts"

/** A check for a Schema with these keys: no two of them may be the same address to listen on. */
export const distinctAddresses = <const Key extends string>(...keys: ReadonlyArray<Key>) =>
  Schema.makeFilter<{ readonly [K in Key]?: Address | undefined }>((config) => {
    for (const [index, key] of keys.entries()) {
      const other = keys.slice(0, index).find((before) => isSame(config[before], config[key]))
      if (other === undefined) continue
      const port = config[key]!.port
      return `${kebab(other)}, ${kebab(key)}: both are port ${port} of the same address; choose another port for one of them`
    }
    return undefined
  })

interface Address {
  readonly host: string
  readonly port: number
}

const isSame = (one: Address | undefined, other: Address | undefined): boolean => {
  if (one === undefined || other === undefined || one.port === 0 || one.port !== other.port) return false
  return one.host === other.host || isEveryAddress(one.host) || isEveryAddress(other.host)
}

const isEveryAddress = (host: string): boolean => host === "0.0.0.0" || host === "::"
