/**
 * `npm run packs:try`: what users of the tarballs do. Installs all of them in an empty folder outside the repository, type-checks an
 * import of each entry in both module resolutions without `skipLibCheck`, runs the READMEs' examples in plain Node, and mines a block with
 * the `sluice` that npm installed.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { packAll, tarballs } from "./npm.ts"
import { type Command, firstBlock, MINER, Running, type Session, startSession } from "./session.ts"
import { publicPackages, readJson, root, run } from "./workspace.ts"

const folder = await mkdtemp(join(tmpdir(), "sluice-packs-"))
const sluice: Command = [process.execPath, join(folder, "node_modules", "sluice", "dist", "main.js")]

const install = async (): Promise<void> => {
  const names = await packAll()
  const installed = (name: string): string =>
    `${name}@${readJson(join(root, "node_modules", name, "package.json")).version}`
  await writeFile(join(folder, "package.json"), `${JSON.stringify({ name: "user", private: true, type: "module" })}\n`)
  const flags = ["--silent", "--no-audit", "--no-fund", "--prefer-offline"]
  const packages = [...names.map((name) => join(tarballs, name)), installed("@types/node"), installed("effect")]
  await run(["npm", "install", ...flags, ...packages], { cwd: folder })
}

const entries = publicPackages.flatMap(({ manifest }) =>
  Object.keys(manifest.exports ?? {}).map((entry) => `${manifest.name}${entry.slice(1)}`)
)

/** An import of each entry, as strict as TypeScript gets. */
const checkTypes = async (): Promise<void> => {
  const lines = entries.map((entry, at) => `import * as entry${at} from "${entry}"\nexport { entry${at} }\n`)
  await writeFile(join(folder, "imports.ts"), lines.join(""))
  const options = {
    target: "es2024",
    lib: ["es2024", "dom"],
    types: ["node"],
    noEmit: true,
    allowImportingTsExtensions: true
  }
  const strict = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true
  }
  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["node20", "node16"],
    ["esnext", "bundler"]
  ]) {
    const compilerOptions = { ...options, ...strict, module, moduleResolution, skipLibCheck: false }
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }))
    await run([resolve(root, "node_modules/.bin/tsc"), "-p", folder], { cwd: folder })
    console.log(`ok   types of ${entries.length} entries, moduleResolution ${moduleResolution}`)
  }
}

interface Example {
  readonly name: string
  readonly file: string
  readonly text: string
}

/** The READMEs' examples that are whole programs or modules: each imports from the public entry of a package. */
const writeExamples = async (): Promise<ReadonlyArray<Example>> => {
  const examples: Array<Example> = []
  for (const each of publicPackages) {
    const readme = await readFile(join(root, each.folder, "README.md"), "utf8")
    const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, text]) => text!)
    for (const [at, text] of blocks.entries()) {
      if (!/from "@sluice\//.test(text) || /from "\.{1,2}\//.test(text)) continue
      const name = `${each.manifest.name}, example ${at + 1}`
      const file = join(folder, `${each.folder.replaceAll("/", "-")}-${at + 1}.ts`)
      await writeFile(file, text)
      examples.push({ name, file, text })
    }
  }
  return examples
}

/** Runs an example beside the session that it connects to. One that serves miners, or waits for a block, gets a miner. */
const runExample = async ({ file, name, text }: Example, session: Session): Promise<void> => {
  const started = performance.now()
  const env = {
    POOL: session.pool,
    SERVER: session.pool,
    V1_POOL: session.v1Pool,
    TEMPLATE_PROVIDER: session.templateProvider,
    PAGE: session.page
  }
  const example = new Running([process.execPath, file], env, folder)
  if (text.includes("miners connect to")) {
    const [, address] = await example.find(/miners connect to (\S+)/)
    await withMiner(session, `stratum2+tcp+plain://${address}`, example)
  } else if (text.includes("BlockFound")) await withMiner(session, session.pool, example)
  else await example.succeed()
  console.log(`ok   ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
}

const withMiner = async (session: Session, url: string, example: Running): Promise<void> => {
  const miner = session.start(["miner"], { SLUICE_MINER__CONNECT: url, SLUICE_MINER__USER: "alice" })
  await example.succeed()
  await miner.stop()
}

try {
  await install()
  const examples = await writeExamples()
  await checkTypes()
  const session = await startSession(sluice, { plain: true })
  try {
    for (const example of examples) await runExample(example, session)
  } finally {
    await session.stop()
  }
  console.log(`ok   solo mining, a block for ${MINER} after ${(await firstBlock(sluice)).toFixed(1)} s`)
} finally {
  await rm(folder, { recursive: true, force: true })
}
