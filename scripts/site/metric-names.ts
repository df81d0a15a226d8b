/** All metrics that the sources declare: by `Metric.counter("name", ...)`, or by a helper of the file that puts a prefix before the name. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

export interface MetricName {
  readonly name: string
  readonly kind: string
  readonly about: string
}

const DECLARED = /(Metric\.)?\b(counter|gauge|histogram)\(\s*"(\w+)",\s*(?:\{\s*description:\s*)?(?:"([^"]*)")?/g

export const metricNames = (repository: string): ReadonlyArray<MetricName> =>
  globSync(["packages/*/src/**/*.ts", "programs/src/**/*.ts"], { cwd: repository })
    .flatMap((file) => {
      const text = readFileSync(join(repository, file), "utf8")
      const prefix = /Metric\.\w+\(`(\w+)\$\{name\}`/.exec(text)?.[1] ?? ""
      return [...text.matchAll(DECLARED)].map(([, isWhole, kind = "", name = "", about = ""]) => ({
        name: isWhole === undefined ? prefix + name : name,
        kind,
        about
      }))
    })
    .filter((one, at, all) => all.findIndex(({ name }) => name === one.name) === at)
    .toSorted((a, b) => a.name.localeCompare(b.name))
