/** `--v1-listen`: miners that speak Stratum V1 beside those that speak Stratum V2. */
import { formatEndpoint, type Endpoint, type ListenError, mergeListeners, MiningListener, Tcp } from "@sluice/transport"
import { Translator } from "@sluice/translator"
import { Effect, Layer, Struct } from "effect"
import { defaulted, optional } from "../config/key.ts"
import { decimal, hostPort, whole } from "../config/value.ts"

export const v1Keys = {
  v1Listen: optional(hostPort, {
    description: "The address for miners that speak Stratum V1. There is none by default.",
    example: "127.0.0.1:3336"
  }),
  v1HashRate: defaulted(decimal("N", 1, 1e24), {
    description:
      "The hash rate that a Stratum V1 miner is taken to have until its shares show another one, in hashes a second. Miners that ask for a difficulty begin with that.",
    option: "nominalHashRate",
    default: 1e12
  }),
  v1ExtranonceSize: defaulted(whole("BYTES", 2, 8), {
    description: "The bytes of extranonce2 that a Stratum V1 miner gets at least.",
    option: "extranonce2Size",
    default: 4
  })
}

export interface V1Config {
  readonly v1Listen?: Endpoint
  readonly v1HashRate: number
  readonly v1ExtranonceSize: number
  readonly maxConnections?: number
  readonly maxConnectionsPerAddress?: number
  readonly maxMessagesPerSecond?: number
  readonly maxErrorsPerSecond?: number
}

/** The listener of V2, and beside it the one for V1 if the configuration has an address for it. */
export const withV1 = <E, R>(
  name: string,
  config: V1Config,
  v2: Layer.Layer<MiningListener, E, R>
): Layer.Layer<MiningListener, E | ListenError | Translator.ListenerOptionError, R> => {
  const { v1ExtranonceSize, v1HashRate, v1Listen } = config
  if (v1Listen === undefined) return v2
  const announced = Layer.effectDiscard(
    Effect.flatMap(MiningListener, ({ address }) =>
      Effect.logInfo(`The ${name} listens for Stratum V1: connect to stratum+tcp://${formatEndpoint(address)}`)
    )
  )
  const v1 = announced.pipe(
    Layer.provideMerge(
      Translator.listener({
        nominalHashRate: v1HashRate,
        extranonce2Size: v1ExtranonceSize,
        ...Struct.pick(config, ["maxMessagesPerSecond", "maxErrorsPerSecond"])
      })
    ),
    Layer.provide(Tcp.listener({ ...v1Listen, ...Struct.pick(config, ["maxConnections", "maxConnectionsPerAddress"]) }))
  )
  return mergeListeners(MiningListener, [v2, v1])
}

/** Warns of firmware that cannot take a coinbase of this size, before such a miner connects. */
export const warnOfCoinbase = ({ v1Listen }: Pick<V1Config, "v1Listen">, bytes: number): Effect.Effect<void> => {
  const names = v1Listen === undefined ? [] : Translator.firmwareBelow(bytes)
  if (names.length === 0) return Effect.void
  const advice = "miners with it find nothing, or crash; pay fewer outputs (coinbase-outputs)"
  return Effect.logWarning(
    `The coinbase has up to ${bytes} bytes, more than ${names.join(" and ")} firmware takes: ${advice}`
  )
}
