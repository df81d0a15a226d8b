/** `npm run site`: writes the pages of docs/reference from the code, and builds the site of docs into build/site. A broken link fails it. */
import { OpenApi } from "effect/http-api"
import { MonitorApi } from "@sluice/monitor"
import { spawnSync } from "node:child_process"
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { summaries } from "../programs/src/command/summaries.ts"
import { metricNames } from "./site/metric-names.ts"
import { publicNames } from "./site/public-names.ts"

const repository = join(import.meta.dirname, "..")
const reference = join(repository, "docs/reference")

/** Runs a program with its output on this process's, or gives it back. Its failure ends this process. */
const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly isRead?: boolean }
) => {
  const { error, status, stdout } = spawnSync(command, args, {
    cwd: options.cwd ?? repository,
    encoding: "utf8",
    stdio: ["ignore", options.isRead === true ? "pipe" : "inherit", "inherit"]
  })
  if (error !== undefined) throw error
  if (status !== 0) process.exit(status ?? 1)
  return stdout
}

const sluice = (...args: ReadonlyArray<string>): string =>
  run(process.execPath, [join(repository, "programs/src/main.ts"), ...args], { isRead: true })

/** Text that Vue must not take for a template. */
const fenced = (language: string, text: string): string => `\`\`\`${language}\n${text.trimEnd()}\n\`\`\`\n`
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "&lt;")

const programs = Object.entries(summaries)
const configurations = globSync("*/example.toml", { cwd: join(repository, "programs/src") })
  .map((file) => dirname(file))
  .toSorted()

const pages: Record<string, () => string> = {
  commands: () =>
    `# Commands\n\n${programs.map(([name]) => `## sluice ${name}\n\n${fenced("text", sluice(name, "--help"))}`).join("\n")}`,
  configuration: () =>
    `# Configuration keys\n\nEvery key is also a flag and an environment variable; secrets can come from files.\n\n` +
    configurations
      .map(
        (name) =>
          `## ${name}\n\n${fenced("toml", readFileSync(join(repository, "programs/src", name, "example.toml"), "utf8"))}`
      )
      .join("\n"),
  api: () => {
    const { paths } = OpenApi.fromApi(MonitorApi)
    const rows = Object.entries(paths).flatMap(([path, operations]) =>
      (["get", "post"] as const).flatMap((method) => {
        const operation = operations[method]
        if (operation === undefined) return []
        const parameters = operation.parameters.map(({ name }) => `\`${name}\``).join(", ")
        return [`| ${method.toUpperCase()} | \`${path}\` | ${parameters} |`]
      })
    )
    return (
      "# API\n\nThe API of `http-listen` ([monitoring](../operators/monitoring.md)). A running program describes it in full at `/api/openapi.json`.\n\n" +
      `| method | path | parameters |\n| --- | --- | --- |\n${rows.join("\n")}\n`
    )
  },
  metrics: () => {
    const rows = metricNames(repository).map(({ about, kind, name }) => `| \`${name}\` | ${kind} | ${cell(about)} |`)
    return (
      "# Metrics\n\nAt `/metrics` of `http-listen` or `metrics-listen`, for Prometheus. A program has those of the packages that it is made of.\n\n" +
      `| name | kind | |\n| --- | --- | --- |\n${rows.join("\n")}\n`
    )
  },
  packages: () =>
    `# Public packages\n\n${globSync("packages/*/package.json", { cwd: repository })
      .toSorted()
      .map((file) => dirname(file))
      .filter((folder) => existsSync(join(repository, folder, "README.md")))
      .map((folder) => {
        const rows = publicNames(join(repository, folder, "src/index.ts")).map(
          ({ about, name }) => `| \`${name}\` | ${cell(about)} |`
        )
        return `## ${folder.slice("packages/".length)}\n\n[README](../../${folder}/README.md)\n\n| name | |\n| --- | --- |\n${rows.join("\n")}\n`
      })
      .join("\n")}`
}

mkdirSync(reference, { recursive: true })
for (const [name, page] of Object.entries(pages)) writeFileSync(join(reference, `${name}.md`), page())
const docs = join(repository, "docs")
if (!existsSync(join(docs, "node_modules"))) run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: docs })
run("npm", ["run", "build"], { cwd: docs })
