/** Addresses that one program listens on. */
import { Schema } from "effect"
import { kebab } from "./key.ts"

/** A check for a Schema with these two keys: they must not be the same address to listen on. */
export const distinctAddresses = <const Key extends string>(...keys: readonly [Key, Key]) =>
  Schema.makeFilter<{ readonly [K in Key]?: { readonly host: string; readonly port: number } | undefined }>(
    (config) => {
      const [one, other] = [config[keys[0]], config[keys[1]]]
      if (one === undefined || other === undefined || one.port === 0 || one.port !== other.port) return undefined
      if (one.host !== other.host && !isEveryAddress(one.host) && !isEveryAddress(other.host)) return undefined
      return `${keys.map(kebab).join(", ")}: both are port ${one.port} of the same address; choose another port for one of them`
    }
  )

const isEveryAddress = (host: string): boolean => host === "0.0.0.0" || host === "::"
