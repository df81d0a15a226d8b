/** A program's keys as an annotated TOML file, and a loaded configuration as TOML with the source of each value. */
import { type KeyInfo, keysOf } from "./key.ts"
import type { Given, ProgramConfig } from "./load.ts"
import { withoutUserinfo } from "./userinfo.ts"

/** The file that `sluice NAME config --example` prints: every key with its description. Defaults are commented out. */
export const exampleToml = <A>({ program, schema }: ProgramConfig<A>): string => {
  const keys = keysOf(program, schema.fields)
  const first = keys[0]!
  const head = [
    `# Configuration of \`sluice ${program}\`, used with --config FILE.`,
    `# Every key is also a flag (--${first.name}) and an environment variable (${first.variable}).`,
    "# A flag wins over a variable, a variable over this file, this file over the defaults, which stand commented out."
  ]
  return `${[head, ...keys.map(exampleKey)].map((lines) => lines.join("\n")).join("\n\n")}\n`
}

const exampleKey = (key: KeyInfo): ReadonlyArray<string> => {
  // Somebody would use a secret that an example shows, so the example names a file instead.
  const name = key.value.secret ? `${key.name}-file` : key.name
  const value = key.value.secret ? `${key.name}.txt` : (key.default ?? key.example ?? "")
  const line = `${name} = ${JSON.stringify(value)}`
  return [
    ...wrap(key.description, 117).map((text) => `# ${text}`),
    ...(key.value.secret
      ? [`# Expects a file that holds ${key.value.expected}; ${key.name} would hold it here.`]
      : [`# Expects ${key.value.expected}.`]),
    key.required || key.usual ? line : `# ${line}`
  ]
}

/** A configuration file with these keys only, each with its description. A value is written as in TOML. */
export const writtenToml = <A>(
  { program, schema }: ProgramConfig<A>,
  values: ReadonlyMap<string, string | number | ReadonlyArray<string>>
): string => {
  const head = [
    `# Configuration of \`sluice ${program}\`, written by \`sluice init\`.`,
    `# \`sluice ${program} config --example\` documents every other key.`
  ]
  const keys = keysOf(program, schema.fields).flatMap((key) =>
    [key.name, `${key.name}-file`].flatMap((name) => {
      const value = values.get(name)
      if (value === undefined) return []
      return [[...wrap(key.description, 117).map((text) => `# ${text}`), `${name} = ${JSON.stringify(value)}`]]
    })
  )
  return `${[head, ...keys].map((lines) => lines.join("\n")).join("\n\n")}\n`
}

/** What `sluice NAME config` prints: the values in force and where each was given. Secrets are not shown. */
export const effectiveToml = <A>({ program, schema }: ProgramConfig<A>, given: ReadonlyMap<string, Given>): string =>
  keysOf(program, schema.fields)
    .flatMap((key) => {
      const value = given.get(key.name)
      if (value === undefined) {
        return key.default === undefined
          ? [`# ${key.name} is not given`]
          : [`${key.name} = ${JSON.stringify(key.default)} # default`]
      }
      if (key.value.secret) return [`# ${key.name} is given by ${value.where}, and not shown`]
      return [`${key.name} = ${JSON.stringify(shown(value.raw))} # ${value.where}`]
    })
    .join("\n")

/** A URL may hold a password. */
const shown = (raw: unknown): unknown => (typeof raw === "string" && raw.includes("://") ? withoutUserinfo(raw) : raw)

const wrap = (text: string, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const word of text.split(" ")) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
