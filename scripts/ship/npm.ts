/**
 * `npm run packs`: the tarballs of all public packages in build/ship/npm. The repository's packages export TypeScript, which Node does
 * not run inside node_modules, so each is laid out anew: JavaScript and declarations in `dist`, and a package.json whose exports name
 * them. The tarballs are what is published.
 */
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import {
  isBuilt,
  type Manifest,
  output,
  type PublicPackage,
  publicPackages,
  root,
  run,
  workspace
} from "./workspace.ts"

const compiled = join(output, "compiled")
const staged = join(output, "packages")
export const tarballs = join(output, "npm")

export const packAll = async (): Promise<ReadonlyArray<string>> => {
  if (isBuilt) return (await readdir(tarballs)).toSorted()
  for (const folder of [compiled, staged, tarballs]) await rm(folder, { recursive: true, force: true })
  await mkdir(tarballs, { recursive: true })
  // Builds the operators' page.
  await run(["node", "scripts/setup.mjs"])
  await run(["node", "embedded/assembly/build.ts"])
  for (const project of ["npm", "programs"]) await run(["tsc", "-p", `scripts/ship/tsconfig.${project}.json`])
  for (const each of publicPackages) await stage(each)
  const folders = publicPackages.map(({ folder }) => join(staged, folder))
  await run(["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", tarballs, ...folders])
  return (await readdir(tarballs)).toSorted()
}

/** Lays out a package as npm packs it. */
const stage = async ({ folder, manifest }: PublicPackage): Promise<void> => {
  const to = join(staged, folder)
  await cp(join(compiled, folder, "src"), join(to, "dist"), { recursive: true })
  for (const name of await readdir(to, { recursive: true })) {
    if (name.endsWith(".d.ts")) await rewriteFile(join(to, name), declaration)
  }
  if (manifest.name === "@sluice/core") await nameNumbers(join(to, "dist"))
  for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"]) await cp(join(root, licence), join(to, licence))
  await cp(join(root, folder, "README.md"), join(to, "README.md"))
  for (const pattern of manifest["files"] as ReadonlyArray<string>) {
    const name = pattern.split("*")[0]!
    if (name !== "dist") await cp(join(root, folder, name), join(to, name), { recursive: true, filter: isShipped })
  }
  await writeFile(join(to, "package.json"), `${JSON.stringify(publishedManifest(folder, manifest), null, 2)}\n`)
}

/** The monitor's build has a note about its sources, which is no part of the page. */
const isShipped = (path: string): boolean => basename(path) !== ".sources"

/** tsc changes the names of imports in JavaScript alone. */
const declaration = (text: string): string =>
  text.replaceAll(/((?:from |import\()"\.[^"]*)\.ts"/g, (_, name: string) => `${name}.js"`)

/** AssemblyScript's names of numbers, which the core's declarations use, are global in the repository alone. */
const nameNumbers = async (dist: string): Promise<void> => {
  const names = ["u8", "i32", "f64"]
  await writeFile(
    join(dist, "portable.d.ts"),
    `${names.map((name) => `export type ${name} = number\n`).join("")}export type bool = boolean\n`
  )
  for (const name of await readdir(dist, { recursive: true })) {
    if (!name.endsWith(".d.ts") || name === "portable.d.ts") continue
    const portable = `${"../".repeat(name.split(/[/\\]/).length - 1) || "./"}portable.js`
    await rewriteFile(join(dist, name), (text) => {
      const used = [...names, "bool"].filter((type) => new RegExp(String.raw`\b${type}\b`).test(text))
      return used.length === 0 ? text : `import type { ${used.join(", ")} } from "${portable}"\n${text}`
    })
  }
}

const rewriteFile = async (path: string, change: (text: string) => string): Promise<void> =>
  writeFile(path, change(await readFile(path, "utf8")))

const inDist = (path: string): string => path.replace(/^\.\/src\/(.*)\.ts$/, "./dist/$1.js")

const publishedManifest = (folder: string, manifest: Manifest): object => {
  const { bin, devDependencies: _, exports, scripts: __, sideEffects, ...rest } = manifest
  const entries = Object.entries(exports ?? {}).map(([name, path]) => {
    const code = inDist(path)
    return [name, { types: code.replace(/\.js$/, ".d.ts"), default: code }] as const
  })
  return {
    ...rest,
    ...(bin === undefined ? {} : { bin: mapValues(bin, inDist) }),
    ...(exports === undefined
      ? {}
      : { exports: { ...Object.fromEntries(entries), "./package.json": "./package.json" } }),
    sideEffects: Array.isArray(sideEffects) ? sideEffects.map(inDist) : sideEffects,
    repository: { ...workspace.repository, directory: folder },
    engines: { node: ">=24" },
    publishConfig: { access: "public", provenance: true }
  }
}

const mapValues = (record: Readonly<Record<string, string>>, change: (value: string) => string) =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))

if (import.meta.main) for (const name of await packAll()) console.log(join("build/ship/npm", name))
