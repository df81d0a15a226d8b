/** Faults of a V1 pool for which its connection ends, because a client of V2 could not be told what the pool wants. */
import { checkJobCoinbase, stripWitness } from "@sluice/bitcoin"
import { Mining } from "@sluice/protocol"
import { type Client, ParamsError, type Subscription } from "@sluice/stratum-v1"
import { Result } from "effect"

type Extranonce = Pick<Subscription, "extranonce1" | "extranonce2Size">

/** Channels of V2 cannot have an extranonce of this size. */
export const tooLargeExtranonce = (method: string, extranonce: Extranonce): ParamsError | undefined => {
  const size = extranonce.extranonce1.length + extranonce.extranonce2Size
  if (size <= Mining.MAX_EXTRANONCE_SIZE) return undefined
  const expected = `at most ${Mining.MAX_EXTRANONCE_SIZE} bytes with extranonce1, as Stratum V2 has them`
  return new ParamsError({ method, field: "extranonce2Size", expected, actual: sizesOf(extranonce) })
}

/**
 * The open channels cannot have another extranonce. A channel can get another prefix (5.3.10), but roll no other number of bytes, and
 * all channels of a group have extranonces of the same size.
 */
export const otherExtranonce = (known: Extranonce, next: Extranonce, openChannels: number): ParamsError | undefined => {
  const isSameSize = known.extranonce2Size === next.extranonce2Size
  const fits = isSameSize && (openChannels === 1 || known.extranonce1.length === next.extranonce1.length)
  if (openChannels === 0 || fits) return undefined
  return new ParamsError({
    method: "mining.set_extranonce",
    field: "extranonce2Size",
    expected: `an extranonce1 and an extranonce2 of ${sizesOf(known)} bytes, as open channels have`,
    actual: sizesOf(next)
  })
}

/** The coinbase of a job does not parse: miners of V2 leave a server that sends it. */
export const brokenCoinbase = ({ extranonce1, extranonce2Size, notify }: Client.Job): ParamsError | undefined => {
  const { coinbasePrefix: prefix, coinbaseSuffix: suffix } = notify
  const stripped = stripWitness(prefix, suffix)
  const isStripped = Result.isSuccess(stripped) && stripped.success.prefix === prefix
  const actual = isStripped
    ? checkJobCoinbase({ prefix, extranonceSize: extranonce1.length + extranonce2Size, suffix })?.message
    : "one with BIP144's marker, whose hash is not its txid"
  if (actual === undefined) return undefined
  const expected = "the halves of a coinbase without witness"
  return new ParamsError({ method: notify._tag, field: "coinbasePrefix", expected, actual })
}

/** The pool takes back the version bits that it allowed. */
export const revokedVersionBits = (mask: number): ParamsError =>
  new ParamsError({
    method: "mining.set_version_mask",
    field: "mask",
    expected: "version rolling as the pool allowed it before",
    actual: mask.toString(16).padStart(8, "0")
  })

const sizesOf = ({ extranonce1, extranonce2Size }: Extranonce): string => `${extranonce1.length} and ${extranonce2Size}`
