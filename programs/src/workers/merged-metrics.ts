/**
 * Puts the metrics of several processes together, as texts in the format of Prometheus. Counts and histograms are summed, and so are
 * most gauges. Metrics of a process are kept apart, with the worker's number as a label; the primary has the number 0.
 */

interface Family {
  /** The lines HELP and TYPE. */
  readonly head: ReadonlyArray<string>
  readonly isCount: boolean
  readonly samples: Map<string, number>
}

export class MergedMetrics {
  /** The counts of workers that have ended, so that no count falls. */
  #past = new Map<string, Family>()

  merge(all: ReadonlyArray<{ readonly worker: number; readonly text: string }>): string {
    const merged = copy(this.#past)
    for (const { text, worker } of all) {
      for (const [name, family] of parse(text))
        add(merged, name, OF_PROCESS.test(name) ? labelled(family, worker) : family)
    }
    const lines = Array.from(merged.values()).flatMap(({ head, samples }) => [
      ...head,
      ...Array.from(samples, ([key, value]) => `${key} ${value}`)
    ])
    return lines.map((line) => `${line}\n`).join("")
  }

  /** Keeps the counts of a worker that has ended. */
  keep(text: string): void {
    for (const [name, family] of parse(text)) {
      if (family.isCount && !OF_PROCESS.test(name)) add(this.#past, name, family)
    }
  }
}

const OF_PROCESS = /^(process|nodejs)_/

/** All workers have the same work and one ledger: one that has seen all of it tells how much there was. */
const GREATEST =
  /^sluice_(pool_(block_height|payees|last_template_timestamp_seconds|templates_total|templates_ignored_total|prev_hashes_total)|ledger_(commit_seconds|commit_shares|last_settlement_timestamp_seconds))$/
/** True only if it is true for all workers. */
const LEAST = /^sluice_pool_upstream_connected$/

const ruleOf = (name: string): ((a: number, b: number) => number) => {
  if (GREATEST.test(name)) return Math.max
  return LEAST.test(name) ? Math.min : (a, b) => a + b
}

const add = (to: Map<string, Family>, name: string, { samples, ...family }: Family): void => {
  const known = to.get(name)?.samples ?? new Map<string, number>()
  to.set(name, { ...family, samples: known })
  const rule = ruleOf(name)
  for (const [key, value] of samples) {
    const before = known.get(key)
    known.set(key, before === undefined ? value : rule(before, value))
  }
}

const copy = (families: ReadonlyMap<string, Family>): Map<string, Family> =>
  new Map(Array.from(families, ([name, family]) => [name, { ...family, samples: new Map(family.samples) }]))

const labelled = ({ samples, ...family }: Family, worker: number): Family => ({
  ...family,
  samples: new Map(Array.from(samples, ([key, value]) => [withLabel(key, worker), value]))
})

const withLabel = (key: string, worker: number): string => {
  const label = `worker="${worker}"`
  return key.endsWith("}") ? `${key.slice(0, -1)},${label}}` : `${key}{${label}}`
}

/** The families of a text, by name. */
const parse = (text: string): Map<string, Family> => {
  const families = new Map<string, Family>()
  let head: Array<string> = []
  let family: Family | undefined
  for (const line of text.split("\n")) {
    if (line === "") continue
    if (line.startsWith("# HELP ")) head = [line]
    else if (line.startsWith("# TYPE ")) {
      const [, , name = "", type] = line.split(" ")
      family = { head: [...head, line], isCount: type === "counter" || type === "histogram", samples: new Map() }
      families.set(name, family)
      head = []
    } else {
      const space = line.lastIndexOf(" ")
      family?.samples.set(line.slice(0, space), Number(line.slice(space + 1)))
    }
  }
  return families
}
