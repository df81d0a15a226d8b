/** A pool with V1 miners below it, in memory under a test clock. */
import type { OptionError } from "@sluice/mining-server"
import { Pool, type PoolOptions } from "@sluice/pool"
import { TemplateFeed, TemplateSourceMemory } from "@sluice/template-provider"
import { options } from "@sluice/testing/pool-worlds"
import { type Dialer, type ListenError, Memory } from "@sluice/transport"
import { Layer, Logger } from "effect"
import { Translator } from "../../src/index.ts"

export type World = Pool | TemplateFeed | Dialer

/** A hash rate at which every 16th hash is a share, with the default policy and `minHashRate` 1. */
export const HASH_RATE = 1.6

export const v1World = (
  fields?: Partial<PoolOptions>,
  v1: Translator.ListenerOptions = {},
  logger?: Logger.Logger<unknown, unknown>
): Layer.Layer<World, OptionError | Translator.ListenerOptionError | ListenError> =>
  Pool.layer(options(fields)).pipe(
    Layer.provideMerge(TemplateSourceMemory.layer),
    Layer.provide(Translator.listener({ nominalHashRate: HASH_RATE, ...v1 })),
    Layer.provideMerge(Memory.network()),
    Layer.provide(Logger.layer(logger === undefined ? [] : [logger]))
  )
