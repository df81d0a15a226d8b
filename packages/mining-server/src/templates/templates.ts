/**
 * The source of work that is made of templates: turns the messages of a `TemplateSource` into jobs whose coinbase pays the outputs of
 * `Payouts`. A found block goes back to the provider of its template.
 */
import { coinbaseTags } from "@sluice/bitcoin"
import {
  checkCoinbaseRoom,
  defaultExtranonceLayout,
  type ExtranonceLayout,
  ExtranonceSpace,
  solutionOf
} from "@sluice/channels"
import { TemplateSource } from "@sluice/template-provider"
import { Clock, Effect, Layer, Stream } from "effect"
import { OptionError } from "../option-error.ts"
import { WorkSource } from "../work-source/work-source.ts"
import { JobIds } from "./job-ids.ts"
import { PayoutGroups } from "./payout-groups.ts"
import { Payouts } from "./payouts.ts"

export interface Options {
  /** The pool's name in the coinbase: the tag is `Sv2/NAME//`. Default "Sluice". */
  readonly tag?: string
  /**
   * The layout of the extranonce, where it differs from `defaultExtranonceLayout`. Four bytes of it hold a number that changes at
   * each start, so that no work is done and counted twice; by default the extranonce has four more bytes for them.
   */
  readonly extranonce?: Partial<ExtranonceLayout>
  /** Whether miners may roll the version bits of BIP323. Default true. */
  readonly versionRolling?: boolean
}

/** The default name in the coinbase. */
export const DEFAULT_TAG = "Sluice"

/** Makes work of templates. Building the layer does not wait for the first template. */
export const layer = (options: Options = {}): Layer.Layer<WorkSource, OptionError, TemplateSource | Payouts> =>
  Layer.effect(WorkSource, make(options))

const make = Effect.fnUntraced(function* (options: Options) {
  const source = yield* TemplateSource
  const payouts = yield* Payouts
  const jobIds = yield* yield* JobIds
  const clock = yield* Clock.Clock
  const layout = layoutOf(options.extranonce, jobIds.next() % 2 ** 32)
  const coinbase = {
    tags: coinbaseTags(options.tag ?? DEFAULT_TAG, ""),
    extranonceSize: layout.fullSize,
    versionRollingAllowed: options.versionRolling ?? true
  }
  const space = yield* OptionError.fromResult("extranonce", ExtranonceSpace.make(layout))
  yield* OptionError.fromResult("tag", checkCoinbaseRoom(coinbase))
  const groups = new PayoutGroups({ coinbase, payouts, space, nextJobId: jobIds.next })
  yield* payouts.constraints.pipe(Stream.runForEach(source.constrain), Effect.forkScoped({ startImmediately: true }))
  return WorkSource.of({
    name: "template provider",
    work: groups,
    news: Stream.mapArray(source.messages, (messages) => {
      const arrivedAtNanos = clock.monotonicTimeNanosUnsafe()
      return [{ changes: groups.onMessages(messages, clock.currentTimeMillisUnsafe()), arrivedAtNanos }]
    }),
    submit: (found) => Effect.forEach(found, (block) => source.submit(solutionOf(block)), { discard: true }),
    state: source.state
  })
})

/**
 * Puts `run` in 4 bytes behind the given prefix. So no header of this run equals one of an earlier run, even for the same template
 * and the same channel index, and forgetting shares at a restart does no harm.
 */
const layoutOf = (given: Partial<ExtranonceLayout> = {}, run: number): ExtranonceLayout => {
  const fullSize = given.fullSize ?? defaultExtranonceLayout.fullSize + 4
  const upstreamPrefix = [...(given.upstreamPrefix ?? []), run >>> 24, run >>> 16, run >>> 8, run]
  return { ...defaultExtranonceLayout, ...given, fullSize, upstreamPrefix: Uint8Array.from(upstreamPrefix) }
}
