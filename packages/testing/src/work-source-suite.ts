/**
 * The rules of a `WorkSource`, as tests that run for each implementation. A test plays the server of miners: it pulls the
 * source's news and tells real channel servers, whose clients are real channel clients. Headers are put together here from what
 * the client knows, with node:crypto, and compared with what the driver put together from what was submitted.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  ChannelClient,
  type ChannelWork,
  type ClientChannel,
  type ClientEvent,
  type ExtranonceLease,
  ExtranonceSpace,
  type Job,
  type Jobs,
  type ChannelEvent,
  type ChannelPolicy,
  ChannelServer,
  defaultChannelPolicy,
  Outbox,
  type ServerOutbox,
  type SourceChannel,
  ShareValidator
} from "@sluice/channels"
import { type WorkChange, type WorkGroup, type WorkNews, WorkSource } from "@sluice/mining-server"
import { Mining } from "@sluice/protocol"
import { Clock, Context, Effect, Fiber, type Layer, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { sha256d } from "./blocks.ts"
import { ANY_TARGET } from "./templates.ts"

/** Plays whatever a source takes its work from: a template provider or an upstream server. */
export interface WorkSourceDriverCalls {
  /**
   * Sends a previous hash that was never sent before, with a job on it: the future job of this index among those since the last
   * block, or else one of its own. The source wants every share of the job.
   */
  readonly newBlock: (futureJob?: number) => Effect.Effect<void>
  /** Sends another job on the previous hash in force. */
  readonly newJob: Effect.Effect<void>
  readonly futureJob: Effect.Effect<void>
  /** How many future jobs the source keeps at least. */
  readonly maxFutureJobs: number
  /** Sends messages that make no work, of a job and of a new block; not there if such messages end the connection. */
  readonly unusable?: { readonly job: Effect.Effect<void>; readonly block: Effect.Effect<void> }
  /**
   * Gives each channel of the source another extranonce prefix, with a job on the previous hash in force. The source wants every
   * share of the job. Not there if a channel keeps its prefix.
   */
  readonly newPrefix?: Effect.Effect<void>
  readonly disconnect: Effect.Effect<void>
  readonly reconnect: Effect.Effect<void>
  /** The headers of the shares that arrived since the last call, 80 bytes each, in order. */
  readonly submitted: Effect.Effect<ReadonlyArray<Uint8Array>>
  /** Two users; of different groups if the source has such. */
  readonly users: readonly [string, string]
  /** A user that gets no channel, if the source refuses any. */
  readonly refusedUser?: string
}

export class WorkSourceDriver extends Context.Service<WorkSourceDriver, WorkSourceDriverCalls>()(
  "test/WorkSourceDriver"
) {}

/** The header of a share, 80 bytes. Hashes are in internal byte order. */
export const headerOf = (fields: {
  readonly version: number
  readonly prevHash: Uint8Array
  readonly merkleRoot: Uint8Array
  readonly ntime: number
  readonly nbits: number
  readonly nonce: number
}): Uint8Array => {
  const header = Buffer.alloc(80)
  header.writeInt32LE(fields.version | 0, 0)
  header.set(fields.prevHash, 4)
  header.set(fields.merkleRoot, 36)
  header.writeUInt32LE(fields.ntime, 68)
  header.writeUInt32LE(fields.nbits, 72)
  header.writeUInt32LE(fields.nonce, 76)
  return new Uint8Array(header)
}

/** Folds the path into the txid of a coinbase without a witness. */
export const rootOf = (coinbase: Uint8Array, path: ReadonlyArray<Uint8Array>): Uint8Array =>
  path.reduce((hash, sibling) => sha256d(Buffer.concat([hash, sibling])), sha256d(coinbase))

/**
 * Runs the rules for a source. `make` builds one that is connected and has no work yet. `ownChannels` says that it opens a channel for
 * each channel of the server (`Work.openChannel`): then channels have no jobs in common.
 */
export const workSourceSuite = (
  name: string,
  make: Layer.Layer<WorkSource | WorkSourceDriver, unknown>,
  { ownChannels = false }: { readonly ownChannels?: boolean } = {}
): void => {
  const rule = (title: string, test: Effect.Effect<void, unknown, WorkSource | WorkSourceDriver | Scope.Scope>) =>
    it.effect(title, () => Effect.provide(test, make))
  const groupRule: typeof rule = ownChannels ? () => {} : rule
  const ownRule: typeof rule = ownChannels ? rule : () => {}
  const sameForAll = (work: ChannelWork) => (ownChannels ? { ...common(work), jobId: undefined } : common(work))

  describe(`the work source ${name}`, () => {
    rule(
      "gives a connection that joins late the same work as the others, also after the next block",
      Effect.gen(function* () {
        const { driver, join } = yield* start
        const [user] = driver.users
        const early = yield* join("extended", user)
        yield* run(driver.newBlock(), driver.futureJob, driver.newJob, driver.futureJob)
        const late = yield* join("extended", user)
        assert.deepStrictEqual(sameForAll(late.work), sameForAll(early.work))
        yield* run(driver.newBlock(0))
        const later = yield* join("extended", user)
        assert.deepStrictEqual(sameForAll(late.work), sameForAll(early.work))
        assert.deepStrictEqual(sameForAll(later.work), sameForAll(early.work))
      })
    )

    groupRule(
      "numbers its changes, and applies a batch when it is pulled",
      Effect.gen(function* () {
        const { work, news } = yield* WorkSource
        const driver = yield* WorkSourceDriver
        const pull = yield* Stream.toPull(news)
        const { jobs } = work.common
        assert.deepStrictEqual([work.changeCount, jobs.current], [0, undefined])
        yield* run(driver.newBlock())
        assert.strictEqual(jobs.current, undefined, "nobody has pulled the batch")
        yield* pull
        const [first, count] = [jobs.current!, work.changeCount]
        assert.isAbove(count, 0)
        yield* run(driver.newJob)
        assert.deepStrictEqual([jobs.current, work.changeCount], [first, count], "nobody has pulled the batch")
        const [batch] = yield* pull
        assert.strictEqual(work.changeCount, count + 1)
        const [change, ...more] = batch.changes
        assert.deepStrictEqual(more, [])
        assert.strictEqual(change?._tag === "NewJob" && change.job, jobs.current)
        assert.notStrictEqual(jobs.current, first)
      })
    )

    groupRule(
      "gives each group each change once, in the order in which the changes came",
      Effect.gen(function* () {
        const { driver, join, source, told } = yield* start
        const { work } = source
        const groups = [
          work.common,
          ...(yield* Effect.forEach(driver.users, (user) => join("extended", user))).map(groupOf)
        ]
        let seen = work.changeCount
        for (const send of [driver.newBlock(), driver.futureJob, driver.newJob, driver.newBlock(0)]) {
          const from = told.length
          yield* run(send)
          const changes = told.slice(from).flatMap(({ changes }) => changes)
          const made = changes.filter(({ _tag }) => _tag !== "Ignored").map(({ _tag }) => _tag)
          assert.isAbove(made.length, 0)
          assert.strictEqual(work.changeCount, seen + made.length)
          // Only the latest batch is still known.
          const latest = told.at(-1)!.changes.length
          for (const group of groups) {
            const since = work.changesSince(group, work.changeCount - latest)
            assert.deepStrictEqual(
              since.map(({ _tag }) => _tag),
              made.slice(-latest)
            )
            assert.deepStrictEqual(work.changesSince(group, work.changeCount), [])
            const last = since.at(-1)!
            assert.isDefined(jobOf(last))
            assert.strictEqual(jobOf(last), expectedOf(group, last))
          }
          seen = work.changeCount
        }
      })
    )

    groupRule(
      "keeps the jobs of a group up to date although none of its connections asks for changes",
      Effect.gen(function* () {
        const { driver, join, source } = yield* start
        const [user] = driver.users
        const group = source.work.join(user) ?? source.work.common
        yield* run(driver.newBlock(), driver.newJob, driver.newBlock(), driver.newJob, driver.futureJob)
        const late = yield* join("extended", user)
        assert.strictEqual(late.group, group)
        const { common } = source.work
        assert.deepStrictEqual(late.work.prevHash, common.jobs.prevHash?.hash)
        assert.deepStrictEqual(group.jobs.current?.merklePath, common.jobs.current?.merklePath)
        yield* run(driver.newBlock(0))
        yield* late.mine(late.work)
        assert.strictEqual((yield* driver.submitted).length, 1)
      })
    )

    rule(
      "gives no job id twice to a connection within a previous hash, and no coinbase to two jobs of any groups",
      Effect.gen(function* () {
        const { driver, join, source } = yield* start
        yield* run(driver.newBlock())
        const groups = new Set<{ readonly jobs: Jobs }>(ownChannels ? [] : [source.work.common])
        for (const user of driver.users) {
          const peer = yield* join("extended", user)
          groups.add(ownChannels ? peer : peer.group)
        }
        const seen = new Map([...groups].map((group) => [group, new Map<number, Job>()]))
        for (const send of [Effect.void, driver.newJob, driver.futureJob, driver.newJob, driver.futureJob]) {
          yield* run(send)
          for (const [{ jobs }, known] of seen) {
            for (let count = 0; count < 3; count++) note(known, jobs.repeat(count)?.job)
            note(known, jobs.current)
            for (const job of jobs.futureJobs()) note(known, job)
          }
        }
        // Channels of their own differ by their prefixes.
        for (const some of ownChannels ? seen.values() : [[...seen.values()].flatMap((known) => [...known])]) {
          const coinbases = Array.from(some, ([, job]) => coinbaseOf(job))
          assert.strictEqual(new Set(coinbases).size, coinbases.length)
        }
      })
    )

    rule(
      "raises the epoch of all groups with each previous hash, and with nothing else",
      Effect.gen(function* () {
        const { driver, join, source } = yield* start
        const early = yield* join("extended", driver.users[0])
        const { jobs } = ownChannels ? early : source.work.common
        const epochs: Array<number> = []
        for (const send of [driver.newBlock(), driver.newJob, driver.futureJob, driver.newBlock(0), driver.newJob]) {
          yield* run(send)
          epochs.push(jobs.epoch)
          assert.strictEqual(early.jobs.epoch, epochs.at(-1))
        }
        const [first = 0] = epochs
        assert.deepStrictEqual(epochs, [first, first, first, first + 1, first + 1])
        if (!ownChannels) assert.strictEqual((yield* join("extended", driver.users[1])).jobs.epoch, first + 1)
      })
    )

    groupRule(
      "gives out extranonce prefixes that do not overlap while they are held",
      Effect.gen(function* () {
        const { driver, join, source } = yield* start
        yield* run(driver.newBlock())
        const space = source.work.space!
        const opened = yield* Effect.forEach(driver.users, (user) => join("extended", user))
        const held = new Set(opened.map((peer) => peer.work.extranoncePrefix))
        const take = (lease: ExtranonceLease | undefined): ExtranonceLease => {
          assert.isDefined(lease)
          for (const other of held)
            assert.isFalse(overlap(lease.prefix, other), `${hex(lease.prefix)} and ${hex(other)}`)
          held.add(lease.prefix)
          return lease
        }
        for (let round = 1; round <= 20; round++) {
          const leases = [
            space.takeStandard(round),
            space.takeExtended(1, round),
            space.takeExtended(space.maxRollableSize, round)
          ]
          const [standard, extended] = leases.map(take)
          assert.deepStrictEqual([standard?.prefix.length, standard?.rollableSize], [space.fullSize, 0])
          assert.strictEqual(extended!.prefix.length + extended!.rollableSize, space.fullSize)
          for (const lease of [standard!, extended!].slice(round % 2)) {
            space.giveBack(lease, round)
            held.delete(lease.prefix)
          }
        }
      })
    )

    for (const kind of ["extended", "standard"] as const) {
      rule(
        `sends a share on with the coinbase, the merkle root and the header that its miner hashed (${kind} channels)`,
        Effect.gen(function* () {
          const { driver, join } = yield* start
          const early = yield* join(kind, driver.users[0])
          yield* run(driver.newBlock())
          const late = yield* join(kind, driver.users[1])
          const sent: Array<string> = []
          for (const next of [driver.newJob, driver.futureJob, driver.newBlock(0), Effect.void]) {
            const before = early.work
            for (const peer of [early, late]) sent.push(hex(yield* peer.mine(peer.work)))
            yield* run(next)
            // A job that another one has followed is good until the next block.
            if (next === driver.newJob) sent.push(hex(yield* early.mine(before)))
          }
          assert.deepStrictEqual((yield* driver.submitted).map(hex), sent)
        })
      )
    }

    groupRule(
      "keeps its work while its connection is lost, and sends the shares submitted meanwhile when it is back",
      Effect.gen(function* () {
        const { driver, join, source } = yield* start
        yield* run(driver.newBlock())
        const peer = yield* join("extended", driver.users[0])
        yield* run(driver.disconnect)
        const { changeCount } = source.work
        const header = yield* peer.mine(peer.work)
        yield* settle
        assert.strictEqual(source.work.changeCount, changeCount)
        yield* run(driver.reconnect)
        assert.deepStrictEqual((yield* driver.submitted).map(hex), [hex(header)])
        yield* run(driver.newBlock())
        yield* peer.mine(peer.work)
        assert.strictEqual((yield* driver.submitted).length, 1)
      })
    )

    ownRule(
      "gives channels that are open at once prefixes that do not overlap",
      Effect.gen(function* () {
        const { driver, join } = yield* start
        yield* run(driver.newBlock())
        const prefixes: Array<Uint8Array> = []
        for (let round = 0; round < 8; round++) {
          const peer = yield* join(round % 2 === 0 ? "extended" : "standard", driver.users[round % 3 === 0 ? 0 : 1])
          for (const other of prefixes) assert.isFalse(overlap(peer.prefix, other))
          prefixes.push(peer.prefix)
        }
      })
    )

    ownRule(
      "tells a channel its new prefix before the first job that has it, and takes shares of earlier jobs as before",
      Effect.gen(function* () {
        const { driver, join } = yield* start
        if (driver.newPrefix === undefined) return
        yield* run(driver.newBlock())
        const peer = yield* join("extended", driver.users[0])
        const [prefix, before] = [peer.prefix, peer.work]
        yield* run(driver.newPrefix)
        assert.notStrictEqual(hex(peer.prefix), hex(prefix))
        const sent: Array<string> = []
        for (const work of [before, peer.work, before]) sent.push(hex(yield* peer.mine(work)))
        assert.deepStrictEqual((yield* driver.submitted).map(hex), sent)
        assert.deepStrictEqual(peer.verdicts, ["accepted", "accepted", "accepted"])
      })
    )

    ownRule(
      "keeps a channel and its work while the connection is lost, refuses its shares, and goes on when it is back",
      Effect.gen(function* () {
        const { driver, join } = yield* start
        yield* run(driver.newBlock())
        const peers = [yield* join("extended", driver.users[0]), yield* join("standard", driver.users[1])]
        yield* run(driver.disconnect)
        for (const peer of peers) yield* peer.mine(peer.work)
        assert.deepStrictEqual(yield* driver.submitted, [])
        yield* run(driver.reconnect, driver.newBlock())
        for (const peer of peers) yield* peer.mine(peer.work)
        assert.strictEqual((yield* driver.submitted).length, 2)
        for (const peer of peers) assert.deepStrictEqual(peer.verdicts, ["no-verdict", "accepted"])
      })
    )

    rule(
      "tells each subscriber the state of its connection, then each change of it",
      Effect.gen(function* () {
        const { state } = yield* WorkSource
        const driver = yield* WorkSourceDriver
        const states: Array<string> = []
        const follow = state.pipe(
          Stream.runForEach(({ _tag }) => Effect.sync(() => states.push(_tag))),
          Effect.forkScoped
        )
        yield* follow
        yield* settle
        yield* run(driver.disconnect, driver.reconnect)
        assert.deepStrictEqual(
          states.filter((tag) => tag !== "Connecting"),
          ["Connected", "Disconnected", "Connected"]
        )
        states.length = 0
        yield* run(driver.disconnect)
        yield* follow
        yield* settle
        assert.deepStrictEqual(
          states.filter((tag) => tag !== "Connecting"),
          ["Disconnected", "Disconnected"]
        )
      })
    )

    rule(
      "keeps future jobs up to its limit, and activates the one that the previous hash names",
      Effect.gen(function* () {
        const { driver, join, source } = yield* start
        yield* run(driver.newBlock())
        const early = yield* join("extended", driver.users[0])
        for (const named of [0, driver.maxFutureJobs - 1]) {
          for (let count = 0; count < driver.maxFutureJobs; count++) yield* run(driver.futureJob)
          const late = yield* join("extended", driver.users[1])
          const { jobs } = source.work.common
          const futures = Array.from(jobs.futureJobs()).slice(-driver.maxFutureJobs)
          assert.lengthOf(futures, ownChannels ? 0 : driver.maxFutureJobs)
          yield* run(driver.newBlock(named))
          if (!ownChannels) assert.deepStrictEqual(jobs.current?.merklePath, futures[named]!.merklePath)
          if (ownChannels) assert.deepStrictEqual(sameForAll(late.work), sameForAll(early.work))
          assert.deepStrictEqual(Array.from(jobs.futureJobs()), [])
          for (const peer of [early, late]) yield* peer.mine(peer.work)
          assert.strictEqual((yield* driver.submitted).length, 2)
        }
      })
    )

    rule(
      "ignores a message that makes no work, and says whether it was about a new block",
      Effect.gen(function* () {
        const { driver, join, told, source } = yield* start
        if (driver.unusable === undefined) return
        yield* run(driver.newBlock())
        const peer = yield* join("extended", driver.users[0])
        const before = peer.work
        const { changeCount } = source.work
        const from = told.length
        yield* run(driver.unusable.job, driver.unusable.block)
        const ignored = told.slice(from).flatMap(({ changes }) => changes.filter((change) => change._tag === "Ignored"))
        // A future job that makes no work may come before the previous hash that names it.
        assert.include([2, 3], ignored.length)
        assert.deepStrictEqual(
          ignored.map(({ isNewBlock }) => isNewBlock),
          ignored.map((one) => one === ignored.at(-1))
        )
        for (const { reason } of ignored) assert.notStrictEqual(reason, "")
        assert.strictEqual(source.work.changeCount, changeCount)
        assert.strictEqual(peer.work, before)
        yield* peer.mine(peer.work)
        assert.strictEqual((yield* driver.submitted).length, 1)
      })
    )

    rule(
      "puts connections of a user into one group, and forgets the group when the last of them has left",
      Effect.gen(function* () {
        const { driver, source } = yield* start
        const { work } = source
        yield* run(driver.newBlock())
        const before = work.groupCount
        const joined = driver.users.map((user) => [user, work.join(user) ?? work.common] as const)
        const groups = new Set([work.common, ...joined.map(([, group]) => group)])
        assert.strictEqual(work.groupCount, groups.size)
        for (const [user, group] of joined) {
          assert.strictEqual(work.join(user) ?? work.common, group)
          work.leave(group)
          assert.strictEqual(work.refusal(group, user), undefined)
          assert.strictEqual(work.groupCount, groups.size)
          for (const [other, own] of joined) {
            if (own !== group) assert.strictEqual(work.refusal(group, other), "invalid-user-identity")
          }
        }
        for (const [, group] of joined) work.leave(group)
        // The common group stays, whoever leaves it.
        work.leave(work.common)
        assert.strictEqual(work.groupCount, before)
        assert.strictEqual(work.common.jobs.current === undefined, ownChannels)
      })
    )

    rule(
      "refuses a user that belongs to no group",
      Effect.gen(function* () {
        const { driver, source } = yield* start
        const { refusedUser } = driver
        if (refusedUser === undefined) return
        assert.strictEqual(source.work.join(refusedUser), undefined)
        assert.strictEqual(source.work.refusal(source.work.common, refusedUser), "invalid-user-identity")
      })
    )
  })
}

/** Lets everything happen that can happen now. */
const settle = TestClock.adjust(1)

const run = (...sends: ReadonlyArray<Effect.Effect<void>>) =>
  Effect.forEach(sends, (send) => Effect.andThen(send, settle), { discard: true })

/** Plays the server: pulls the news, and tells the connections of each batch before it pulls the next. */
const start = Effect.gen(function* () {
  const source = yield* WorkSource
  const driver = yield* WorkSourceDriver
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const peers: Array<Peer> = []
  const told: Array<WorkNews> = []
  const validator = new ShareValidator(policy)
  yield* source.news.pipe(
    Stream.runForEach((news) =>
      Effect.sync(() => {
        told.push(news)
        for (const peer of peers) peer.follow()
      })
    ),
    Effect.forkScoped
  )
  yield* settle
  /** Connects and opens a channel. */
  const join = (kind: "standard" | "extended", userIdentity: string) =>
    Effect.gen(function* () {
      const peer = new Peer({ id: peers.length + 1, kind, userIdentity, source, validator, now })
      const { openChannel } = source.work
      if (openChannel !== undefined) {
        const opening = yield* Effect.forkScoped(openChannel(peer.request))
        yield* settle
        peer.channel = yield* Effect.orDie(Fiber.join(opening))
      }
      peer.exchange()
      peers.push(peer)
      return peer
    })
  return { source, driver, told, join }
})

const policy: ChannelPolicy = { ...defaultChannelPolicy, minHashRate: 1 }
/** Every 16th hash is a share. */
const HASH_RATE = 1.6

interface PeerOptions {
  readonly id: number
  readonly kind: "standard" | "extended"
  readonly userIdentity: string
  readonly source: WorkSource["Service"]
  readonly validator: ShareValidator
  readonly now: () => number
}

/** A connection with one channel: a channel server, and the client at the other end. */
class Peer {
  readonly group: WorkGroup
  /** The request of the client. */
  readonly request: OpenRequest
  /** The channel at the source, if it has one for each. */
  channel: SourceChannel | undefined
  /** The verdicts of the source on the shares that it was given. */
  readonly verdicts: Array<string> = []
  readonly #options: PeerOptions
  readonly #server: ChannelServer
  readonly #client: ChannelClient
  readonly #toClient: ServerOutbox = new Outbox()
  readonly #toServer = new Outbox<Mining.ToServer, ClientEvent>()
  #seen: number
  #nonce = 0

  constructor(options: PeerOptions) {
    const { id, kind, source, userIdentity, validator } = options
    const { work } = source
    this.#options = options
    this.group = work.join(userIdentity) ?? work.common
    assert.strictEqual(work.refusal(this.group, userIdentity), undefined)
    this.#seen = work.changeCount
    const requiresStandardJobs = kind === "standard"
    const { jobs } = this.group
    const shared = { jobs, policy, validator, space: work.space ?? NO_SPACE }
    const own = { opened: () => this.channel ?? "not-open", onChange: () => {} }
    const context = work.openChannel === undefined ? shared : { ...shared, source: own }
    this.#server = new ChannelServer(id, requiresStandardJobs ? Mining.REQUIRES_STANDARD_JOBS : 0, context)
    this.#client = new ChannelClient({ requiresStandardJobs })
    const request = { userIdentity, nominalHashRate: HASH_RATE, maxTarget: ANY_TARGET }
    if (kind === "standard") this.#client.openStandardChannel(request, this.#toServer)
    else this.#client.openExtendedChannel({ ...request, minExtranonceSize: 4 }, this.#toServer)
    const [message] = this.#toServer.messages
    this.request = message as OpenRequest
  }

  get jobs(): Jobs {
    return this.channel?.jobs ?? this.group.jobs
  }

  get prefix(): Uint8Array {
    return this.#channel.extranoncePrefix
  }

  get #channel(): ClientChannel {
    const [channel] = this.#client.channels.values()
    assert.isDefined(channel)
    return channel
  }

  /** What the client's channel mines now. */
  get work(): ChannelWork & { readonly extranoncePrefix: Uint8Array } {
    const { work } = this.#channel
    assert.isDefined(work)
    return work as ChannelWork & { readonly extranoncePrefix: Uint8Array }
  }

  /** Announces the changes that the channel server was not told of. */
  follow(): void {
    const { now, source } = this.#options
    const { work } = source
    for (const change of work.changesSince(this.group, this.#seen)) {
      if (change._tag !== "Ignored") this.#server.announce(change, this.#toClient)
    }
    this.#seen = work.changeCount
    if (this.channel !== undefined) {
      this.#server.receive([], now(), this.#toClient)
      for (const event of this.#toClient.takeEvents()) {
        if (event._tag === "ShareAccepted") this.verdicts.push("accepted")
        else if (event._tag === "ShareRefused") this.verdicts.push(event.errorCode)
      }
    }
    const events = new Outbox<Mining.ToServer, ClientEvent>()
    this.#client.receive(this.#toClient.takeMessages(), now(), events)
    for (const event of events.events) if (event._tag === "ProtocolViolation") assert.fail(event.message)
  }

  /** Finds a share of this work and submits it. Gives its header. */
  mine(work: ChannelWork): Effect.Effect<Uint8Array> {
    return Effect.suspend(() => {
      const { now, source } = this.#options
      const { jobId, minNtime: ntime, nbits, prevHash, version } = work
      const extranonce = new Uint8Array(work._tag === "ExtendedWork" ? work.extranonceSize : 0).fill(7)
      const merkleRoot = work._tag === "StandardWork" ? work.merkleRoot : rootOfWork(work, extranonce)
      const fields = { version, prevHash, merkleRoot, ntime, nbits }
      let header: Uint8Array
      do header = headerOf({ ...fields, nonce: ++this.#nonce })
      while (number(sha256d(header)) > number(work.target))
      this.#client.submit(
        work.channelId,
        { jobId, nonce: this.#nonce, ntime, version, extranonce },
        now(),
        this.#toServer
      )
      const found = this.exchange().filter((event) => event._tag === "BlockFound" || event._tag === "ShareForSource")
      assert.lengthOf(found, 1)
      return Effect.as(
        Effect.andThen(
          Effect.forEach(found, (event) => source.submit([event.found])),
          settle
        ),
        header
      )
    })
  }

  /** Gives the server what the client says, and the client what the server answers. */
  exchange(): ReadonlyArray<ChannelEvent> {
    this.follow()
    this.#server.receive(this.#toServer.takeMessages(), this.#options.now(), this.#toClient)
    const events = this.#toClient.takeEvents()
    for (const event of events) if (event._tag === "ShareRefused") assert.fail(event.errorCode)
    this.follow()
    return events
  }
}

const rootOfWork = (work: ChannelWork & { readonly _tag: "ExtendedWork" }, extranonce: Uint8Array): Uint8Array => {
  const { coinbasePrefix, coinbaseSuffix, extranoncePrefix, merklePath } = work
  const coinbase = Buffer.concat([coinbasePrefix, extranoncePrefix, extranonce, coinbaseSuffix])
  const path = Array.from({ length: merklePath.length / 32 }, (_, index) =>
    merklePath.subarray(index * 32, index * 32 + 32)
  )
  return rootOf(coinbase, path)
}

/** The parts of an extended channel's work that the channels of a group share. */
const common = (work: ChannelWork) => {
  assert(work._tag === "ExtendedWork")
  const { coinbasePrefix, coinbaseSuffix, jobId, merklePath, nbits, prevHash, version } = work
  return { coinbasePrefix, coinbaseSuffix, jobId, merklePath, nbits, prevHash, version }
}

const groupOf = ({ group }: Peer): WorkGroup => group

/** For channels that get their prefixes from the source. */
const NO_SPACE = new ExtranonceSpace()

type OpenRequest = Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel

const jobOf = (change: WorkChange): Job | undefined => (change._tag === "Ignored" ? undefined : change.job)

/** The job that the last change of a batch must be about. */
const expectedOf = ({ jobs }: WorkGroup, change: WorkChange): Job | undefined =>
  change._tag === "FutureJob" ? Array.from(jobs.futureJobs()).at(-1) : jobs.current

/** Notes a job by its id; another job with the same id is a fault. */
const note = (known: Map<number, Job>, job: Job | undefined): void => {
  if (job === undefined) return
  assert.strictEqual(known.get(job.id) ?? job, job, `job id ${job.id} was given twice`)
  known.set(job.id, job)
}

const coinbaseOf = ({ coinbasePrefix, coinbaseSuffix }: Job): string => `${hex(coinbasePrefix)} ${hex(coinbaseSuffix)}`
const overlap = (a: Uint8Array, b: Uint8Array): boolean => hex(a).startsWith(hex(b)) || hex(b).startsWith(hex(a))
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
/** Of 32 bytes, little-endian. */
const number = (bytes: Uint8Array): bigint => BigInt(`0x${hex(bytes.toReversed())}`)
