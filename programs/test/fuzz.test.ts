/** A short version of `npm run fuzz`: runs every target with its corpus and with changes of it. */
import { describe, expect, it } from "vitest"
import { readCorpus } from "../../scripts/fuzz.ts"
import { mutate, Random } from "../../scripts/fuzz/loop.ts"
import { targets } from "../../scripts/fuzz/targets.ts"

describe.each(targets.map((target) => ({ name: target.name, target })))("$name", ({ target }) => {
  const corpus = [...target.seeds(), ...readCorpus(target)]

  it("handles every input of the corpus", () => {
    for (const input of corpus) target.run(input)
  })

  it("handles changed inputs", () => {
    const random = new Random(1)
    const runs = target.name === "handshake" ? 100 : 500
    for (let run = 0; run < runs; run++) {
      target.run(mutate(corpus[run % corpus.length]!, corpus[random.next(corpus.length)]!, random))
    }
  })
})

describe("a mutation", () => {
  it("is the same for the same seed, and finds a length that is not checked", () => {
    const input = Uint8Array.from({ length: 40 }, (_, index) => index)
    const search = (seed: number): number => {
      const random = new Random(seed)
      for (let run = 1; ; run++) {
        const changed = mutate(input, input, random)
        // A mistake of the kind that it is for: a count that is read and trusted.
        if (changed.length > 10 && changed[9]! > changed.length) return run
      }
    }
    expect(search(7)).toBe(search(7))
    for (const seed of [1, 2, 3]) expect(search(seed)).toBeLessThan(1000)
  })
})
