/** The names that a package's entry exports, with the first sentence of their comments. */
import { existsSync, readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { parseSync } from "oxc-parser"

export interface PublicName {
  readonly name: string
  readonly about: string
}

/** Reads a module and those of its package that it exports from, each once. */
export const publicNames = (file: string): ReadonlyArray<PublicName> => {
  const found = new Map<string, PublicName>()
  for (const one of namesOf(file)) if (!found.has(one.name)) found.set(one.name, one)
  return [...found.values()].toSorted((a, b) => a.name.localeCompare(b.name))
}

const namesOf = (file: string): ReadonlyArray<PublicName> => {
  const text = readFileSync(file, "utf8")
  const { comments, module } = parseSync(file, text)
  return module.staticExports.flatMap(({ entries, start }) =>
    entries.flatMap(({ exportName, importName, moduleRequest }) => {
      if (moduleRequest === null) {
        const comment = comments.findLast(({ end }) => end <= start && text.slice(end, start).trim() === "")
        return exportName.name === null ? [] : [{ name: exportName.name, about: firstSentence(comment?.value) }]
      }
      const from = resolve(dirname(file), moduleRequest.value)
      if (!existsSync(from)) return exportName.name === null ? [] : [{ name: exportName.name, about: "" }]
      if (exportName.kind === "None") return [...namesOf(from)]
      // `export * as Name` names a module, whose own comment is at its beginning.
      if (importName.kind !== "Name") return [{ name: exportName.name!, about: firstSentence(moduleComment(from)) }]
      const there = namesOf(from).find(({ name }) => name === importName.name)
      return [{ name: exportName.name!, about: there?.about ?? "" }]
    })
  )
}

const moduleComment = (file: string): string | undefined => {
  const text = readFileSync(file, "utf8")
  return parseSync(file, text).comments.find(({ start }) => start === 0)?.value
}

const firstSentence = (comment = ""): string => {
  const text = comment.replaceAll(/\s*\n?\s*\*+\s*/g, " ").trim()
  return /^.*?\.(?=\s|$)/.exec(text)?.[0] ?? text
}
