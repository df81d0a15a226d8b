/** The configuration that a running program was started with, for pages that show it. Secrets are left out. */
import { Context } from "effect"
import { keysOf } from "./key.ts"
import type { Given, ProgramConfig } from "./load.ts"
import { withoutUserinfo } from "./userinfo.ts"

export interface KeyInForce {
  readonly name: string
  /** As in the configuration file; null for a secret, and for a key that is not given. */
  readonly value: string | number | boolean | ReadonlyArray<string> | null
  readonly isSecret: boolean
  /** The flag, variable or line that gave it; `default`, or `not given`. */
  readonly source: string
}

/** The keys of the program that runs here. */
export const ConfigurationInForce = Context.Reference<ReadonlyArray<KeyInForce>>("sluice/config/ConfigurationInForce", {
  defaultValue: () => []
})

export const keysInForce = <A>(
  { program, schema }: ProgramConfig<A>,
  given: ReadonlyMap<string, Given>
): ReadonlyArray<KeyInForce> =>
  keysOf(program, schema.fields).map(({ default: usual, name, value: { secret = false } }) => {
    const found = given.get(name)
    const source = found?.where ?? (usual === undefined ? "not given" : "default")
    return { name, value: secret ? null : plain(found === undefined ? usual : found.raw), isSecret: secret, source }
  })

const plain = (raw: unknown): KeyInForce["value"] => {
  if (typeof raw === "string") return withoutUserinfo(raw)
  if (typeof raw === "number" || typeof raw === "boolean") return raw
  return Array.isArray(raw) ? raw.map((part) => withoutUserinfo(String(part))) : null
}
