/** Addresses that one program listens on. */
import { Schema } from "effect"
import { kebab } from "./key.ts"

/** To be checked on a Schema that has these keys of addresses to listen on: no two are the same. */
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
