/**
 * `npm run fuzz`: runs everything that reads bytes of peers with malformed bytes. Inputs that reach new code are kept in
 * scripts/fuzz-corpus, and each later run begins with them.
 *
 *     npm run fuzz -- [--seconds 120] [--target messages] [--seed 1] [--keep false]
 */
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Coverage, fuzz, Random } from "./fuzz/loop.ts"
import type { FuzzTarget } from "./fuzz/target.ts"
import { targets } from "./fuzz/targets.ts"

const corpusOf = ({ name }: FuzzTarget): string => fileURLToPath(new URL(`fuzz-corpus/${name}/`, import.meta.url))

/** The inputs that earlier runs kept, each in a file as hex. */
export const readCorpus = (target: FuzzTarget): ReadonlyArray<Uint8Array> => {
  mkdirSync(corpusOf(target), { recursive: true })
  return readdirSync(corpusOf(target)).map((name) =>
    Uint8Array.from(Buffer.from(readFileSync(corpusOf(target) + name, "utf8").trim(), "hex"))
  )
}

const keep = (target: FuzzTarget, input: Uint8Array): void => {
  const name = createHash("sha256").update(input).digest("hex").slice(0, 16)
  writeFileSync(`${corpusOf(target)}${name}.hex`, `${Buffer.from(input).toString("hex")}\n`)
}

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "120" },
      target: { type: "string" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      keep: { type: "string", default: "true" }
    }
  })
  const chosen = targets.filter(({ name }) => values.target === undefined || values.target === name)
  if (chosen.length === 0) {
    console.error(
      `fuzz: there is no target ${values.target}; expected one of ${targets.map(({ name }) => name).join(", ")}`
    )
    return 2
  }
  const milliseconds = (Number(values.seconds) * 1000) / chosen.length
  const random = new Random(Number(values.seed))
  const coverage = new Coverage()
  await coverage.start()
  for (const target of chosen) {
    const corpus = [...target.seeds(), ...readCorpus(target)]
    const began = performance.now()
    const { crash, executions, kept } = await fuzz(target, corpus, { milliseconds, random, coverage })
    const seconds = (performance.now() - began) / 1000
    const rate = Math.round(executions / seconds)
    if (values.keep === "true") for (const input of kept) keep(target, input)
    console.log(
      `${target.name}: ${executions} executions, ${rate} a second, ${kept.length} inputs reached new code, ${corpus.length} were known`
    )
    if (crash === undefined) continue
    // The next run and the tests begin with this input.
    keep(target, crash.input)
    console.error(`${target.name}: failed with --seed ${values.seed}: ${Buffer.from(crash.input).toString("hex")}`)
    console.error(crash.error)
    return 1
  }
  coverage.stop()
  return 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main()
