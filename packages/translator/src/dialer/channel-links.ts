/**
 * A connection of V2 whose channels each have a connection to the V1 pool of their own: for pools that take one worker a
 * connection, and where a channel needs all of extranonce2. Each channel is the only one of its group.
 *
 * The first connection is open before the first channel, so that there is an answer to SetupConnection. It serves the first
 * channel; the next connection is opened for the next channel. A channel whose connection ends is closed, and the others go on.
 */
import { defaultChannelPolicy, TOO_MANY_CHANNELS, VERSION_ROLLING_NOT_SUPPORTED } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import type { TransportError } from "@sluice/transport"
import { Effect, Exit, FiberSet, Queue, Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { PoolLink } from "./pool-link.ts"
import { NO_ANSWER } from "./share-error-code.ts"

type OpenRequest = Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel

interface ChannelLink {
  readonly link: PoolLink
  readonly scope: Scope.Closeable
  /** The request for its channel while it has no answer. */
  request: number | undefined
  /** Whether a channel was ever asked for: the pool knows a worker on it, and would refuse another one. */
  hasWorker: boolean
}

/** How long after one link the others may end if the pool is gone. */
const OTHERS_END_WITHIN = "1 second"

/** Opens the first link. Each link is opened in a Scope of its own, within that of this. */
export const openChannelLinks = Effect.fnUntraced(function* <E>(
  open: Effect.Effect<PoolLink, E, Scope.Scope>
): Effect.fn.Return<Omit<PoolLink, "machine">, E, Scope.Scope> {
  const parent = yield* Effect.scope
  const fork = yield* FiberSet.makeRuntime<never>()
  const firstScope = yield* Scope.fork(parent)
  const first = yield* Scope.provide(open, firstScope)
  const links = new Set<ChannelLink>()
  /** Links that are being opened. */
  let opening = 0
  /** Why a link ended last. */
  let lastError: TransportError | undefined
  /** Why the last link ended. */
  let failure: TransportError | undefined
  /** Bounded, so that a pool is read no faster than the client reads. */
  const inbox = yield* Queue.bounded<NonEmptyReadonlyArray<Mining.ToClient>, TransportError>(1)

  const add = (link: PoolLink, scope: Scope.Closeable, request: number | undefined): ChannelLink => {
    const added: ChannelLink = { link, scope, request, hasWorker: request !== undefined }
    links.add(added)
    fork(Effect.asVoid(Effect.forkIn(read(added), scope)))
    return added
  }
  const close = ({ scope }: Pick<ChannelLink, "scope">): void => void fork(Scope.close(scope, Exit.void))

  /** Passes on what the link says until it ends. */
  const read = (from: ChannelLink): Effect.Effect<void> =>
    from.link.pull.pipe(
      Effect.flatMap((messages) => {
        if (messages.some(answersOpen)) from.request = undefined
        return Effect.andThen(Queue.offer(inbox, messages), closeUnused(from))
      }),
      Effect.forever,
      Effect.catch((error) => ended(from, error)),
      // Last, because it interrupts this.
      Effect.andThen(Effect.sync(() => close(from)))
    )

  /** Closes a link without a channel, unless it is the last: that one waits for the next channel. */
  const closeUnused = (from: ChannelLink): Effect.Effect<void> =>
    Effect.sync(() => {
      if (isUnused(from) && links.size + opening > 1 && links.delete(from)) close(from)
    })

  /** A pool that fails ends all links, but not in one moment: then the client hears that the pool is lost, not its channels. */
  const ended = (from: ChannelLink, error: TransportError): Effect.Effect<void> => {
    if (!links.delete(from)) return Effect.void
    lastError = error
    if (isLost()) return lose(error)
    const { link, request } = from
    const reasonCode = "the connection to the pool ended"
    const closed: ReadonlyArray<Mining.ToClient> = [
      ...[...link.machine.channelIds].map((channelId) => ({ _tag: "CloseChannel", channelId, reasonCode }) as const),
      ...(request === undefined ? [] : [refused(request, NO_ANSWER)])
    ]
    const [one, ...more] = closed
    if (one === undefined) return Effect.void
    return unlessLost(error, [one, ...more])
  }

  /** Gives the other links time to end, then passes the messages on if one of them has not. */
  const unlessLost = (error: TransportError | undefined, messages: NonEmptyReadonlyArray<Mining.ToClient>) =>
    Effect.sleep(OTHERS_END_WITHIN).pipe(
      Effect.andThen(
        Effect.suspend(() =>
          links.size === 0 && error !== undefined ? lose(error) : Effect.asVoid(Queue.offer(inbox, messages))
        )
      )
    )

  const isLost = () => links.size + opening === 0

  const lose = (error: TransportError): Effect.Effect<void> => {
    failure = error
    return Effect.asVoid(Queue.fail(inbox, error))
  }

  const openFor = (request: OpenRequest): Effect.Effect<void> => {
    const { requestId } = request
    if (links.size + opening >= defaultChannelPolicy.maxChannels) {
      return Effect.asVoid(Queue.offer(inbox, [refused(requestId, TOO_MANY_CHANNELS)]))
    }
    opening++
    const dial = Effect.gen(function* () {
      const scope = yield* Scope.fork(parent)
      const link = yield* Effect.exit(Scope.provide(open, scope))
      opening--
      // What SetupConnection.Success said of the version holds for all channels.
      const fault = Exit.isFailure(link)
        ? NO_ANSWER
        : link.value.flags === first.flags
          ? undefined
          : VERSION_ROLLING_NOT_SUPPORTED
      if (Exit.isFailure(link) || fault !== undefined) {
        close({ scope })
        return yield* fault === NO_ANSWER
          ? unlessLost(lastError, [refused(requestId, NO_ANSWER)])
          : Effect.asVoid(Queue.offer(inbox, [refused(requestId, fault!)]))
      }
      add(link.value, scope, requestId)
      for (const each of links) yield* closeUnused(each)
      return yield* Effect.ignore(link.value.send([request]))
    })
    return Effect.sync(() => fork(Effect.asVoid(dial)))
  }

  const send: PoolLink["send"] = (messages) =>
    Effect.suspend(() => {
      if (failure !== undefined) return Effect.fail(failure)
      const sends: Array<Effect.Effect<void>> = []
      const batches = new Map<ChannelLink, Array<Mining.ToServer>>()
      for (const message of messages) {
        const isOpen = message._tag === "OpenStandardMiningChannel" || message._tag === "OpenExtendedMiningChannel"
        // A link without a channel answers what is for none.
        const to = [...links].find((each) => (isOpen ? !each.hasWorker : each.link.machine.has(message.channelId)))
        if (isOpen && to === undefined) {
          sends.push(openFor(message))
          continue
        }
        const target = to ?? [...links][0]
        if (target === undefined) continue
        if (isOpen) {
          target.request = message.requestId
          target.hasWorker = true
        }
        const batch = batches.get(target)
        if (batch === undefined) batches.set(target, [message])
        else batch.push(message)
      }
      for (const [to, batch] of batches) {
        // A link that cannot be written to ends where it is read.
        sends.push(Effect.andThen(Effect.ignore(to.link.send(batch)), closeUnused(to)))
      }
      return Effect.all(sends, { discard: true })
    })

  add(first, firstScope, undefined)
  return { flags: first.flags, pull: Queue.take(inbox), send }
})

const isUnused = ({ link, request }: ChannelLink): boolean => request === undefined && link.machine.channelCount === 0

const answersOpen = ({ _tag }: Mining.ToClient): boolean =>
  _tag === "OpenMiningChannel.Error" ||
  _tag === "OpenStandardMiningChannel.Success" ||
  _tag === "OpenExtendedMiningChannel.Success"

const refused = (requestId: number, errorCode: string): Mining.ToClient => ({
  _tag: "OpenMiningChannel.Error",
  requestId,
  errorCode
})
