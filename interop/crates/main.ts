/**
 * `npm run peers`: compares Sluice with the reference implementation's published Rust crates, message by message and handshake by
 * handshake. Without a Rust toolchain it prints that it is skipped and exits with 0.
 *
 *     npm run peers -- [--count 1000] [--handshakes 25] [--seed 1]
 */
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { fixedKeys, overTcp } from "./handshakes.ts"
import { changed, MESSAGES, oursToTheirs, type Tally, theirsToOurs } from "./messages.ts"
import { build, hasCargo, ReferencePeer } from "./reference-peer.ts"
import { tlvs } from "./tlvs.ts"

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000" },
    handshakes: { type: "string", default: "25" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) }
  }
})
const [count, handshakes, seed] = [values.count, values.handshakes, values.seed].map(Number) as [number, number, number]

const main = async (): Promise<void> => {
  const started = performance.now()
  build()
  console.log(`peers: seed ${seed}, ${MESSAGES.size} kinds of messages; built in ${seconds(started)}`)
  const peer = new ReferencePeer()
  const plan = { peer, seed, count }
  const explained = new Map<string, number>()
  const step = async <T extends object>(title: string, run: () => Promise<T>, what: (result: T) => string) => {
    const began = performance.now()
    const result = await run()
    if ("explained" in result) {
      for (const [name, times] of result.explained as Map<string, number>) {
        explained.set(name, (explained.get(name) ?? 0) + times)
      }
    }
    console.log(`  ${title}: ${what(result)}, ${seconds(began)}`)
  }
  try {
    await step("our messages, read and written by the crates", () => oursToTheirs(plan), amount)
    await step("the crates' messages, read and written by us", () => theirsToOurs(plan), amount)
    await step("payloads changed at random, read by both", () => changed(plan), amount)
    await step("workers' names behind shares (extension 0x0002)", () => tlvs(plan), amount)
    await step(
      "a handshake with the keys of vectors/handshake.json, by the crates alone",
      () => fixedKeys(plan),
      ({ refused }) => `the same bytes, and ${refused} bad act 2's refused`
    )
    await step(
      `${handshakes} handshakes over TCP in each role`,
      () => overTcp(plan, handshakes),
      (tally) => `${amount(tally)} there and back`
    )
  } finally {
    peer.close()
  }
  const page = readFileSync(new URL("../../docs/interop.md", import.meta.url), "utf8")
  for (const [name, times] of explained) {
    if (!page.includes(`| ${name} `)) throw new Error(`docs/interop.md has no row for "${name}"`)
    console.log(`  explained in docs/interop.md, ${times} times: ${name}`)
  }
  console.log(`peers: no other difference; ${seconds(started)} in all`)
}

const amount = ({ bytes, messages }: Tally): string => `${messages} of them, ${(bytes / 1e6).toFixed(1)} MB`
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`

if (hasCargo()) {
  await main().catch((error: unknown) => {
    console.error(`peers: with --seed ${seed}: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  })
} else console.log("peers: skipped, for there is no cargo here to build the reference implementation's crates with")
