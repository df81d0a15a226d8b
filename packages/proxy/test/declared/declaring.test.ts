/** What is declared, when, and what becomes of its shares and blocks. */
import { assert, describe, it } from "@effect/vitest"
import { serializeOutputs } from "@sluice/bitcoin"
import { Effect, Queue } from "effect"
import { Mining } from "@sluice/protocol"
import { sha256d } from "@sluice/testing/blocks"
import { Miner, openExtended } from "@sluice/testing/pool-client"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, NO_TARGET } from "@sluice/testing/templates"
import { makeScripted, miner, settled, wait } from "./scripted-world.ts"
import { script } from "./scripted-declarator.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

describe("a proxy that declares its jobs", () => {
  it.effect(
    "declares the wtxids of the template, gives what the declarator lacks, and sets the job with the token that it got",
    () =>
      Effect.gen(function* () {
        const world = yield* makeScripted()
        const transactions = [1, 2, 3].map((fill) => new Uint8Array(70 + fill).fill(fill))
        yield* world.feed.setTransactions(() => transactions)
        const { declarator, pool } = world.pairs[0]!
        declarator.missing = () => [2, 0]
        yield* world.newBlock()
        const [declared] = declarator.declared
        assert.deepStrictEqual(
          declared!.wtxidList.map(hex),
          transactions.map((bytes) => hex(sha256d(bytes)))
        )
        assert.deepStrictEqual(
          declarator.provided[0]!.transactionList.map(hex),
          [transactions[2], transactions[0]].map((bytes) => hex(bytes!))
        )
        const [set] = pool.asked
        assert.strictEqual(hex(set!.miningJobToken), hex(Uint8Array.of(2, ...declared!.miningJobToken)))
        // The prefix with marker and flag ends with the same script, behind version, input count, outpoint and size.
        assert.strictEqual(hex(declared!.coinbaseTxPrefix.subarray(6 + 1 + 36 + 1)), hex(set!.coinbasePrefix))
        assert.include(hex(declared!.coinbaseTxSuffix), hex(set!.coinbaseTxOutputs))
        const reward = 5_000_000_000n
        assert.include(hex(set!.coinbaseTxOutputs), hex(serializeOutputs([{ value: reward, script: script(1) }])))
      })
  )

  it.effect("puts the value on the pool's first output, and its own outputs behind, within the announced room", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({}, { ownOutputs: [{ to: OWN_ADDRESS, percent: 2.5 }] })
      const { pool, declarator } = world.pairs[0]!
      const outputs = [
        { value: 0n, script: script(1) },
        { value: 0n, script: Uint8Array.of(0x6a, 1, 7) }
      ]
      declarator.outputs = outputs
      yield* declarator.kill
      declarator.isListening = true
      yield* wait(3)
      yield* Queue.clear(world.feed.constraints)
      yield* world.newBlock()
      const sent = hex(pool.asked.at(-1)!.coinbaseTxOutputs)
      const own = { value: 125_000_000n, script: Uint8Array.of(0, 20, ...Buffer.from(OWN_HASH, "hex")) }
      const expected = serializeOutputs([{ ...outputs[0]!, value: 5_000_000_000n - own.value }, outputs[1]!, own])
      assert.isTrue(sent.startsWith(`04${hex(expected)}`), sent)
    })
  )

  it.effect("announces the room of the pool's outputs and its own together", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({}, { ownOutputs: [{ to: OWN_ADDRESS, percent: 10 }] })
      const [constraints] = yield* Queue.clear(world.feed.constraints)
      assert.deepStrictEqual(constraints, {
        coinbaseOutputMaxAdditionalSize: 2 * 31,
        coinbaseOutputMaxAdditionalSigops: 0
      })
    })
  )

  it.effect("declares another template on the same block only if its fees are worth it, and not too often", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({}, { minFeeDelta: 1000n, declareInterval: "10 seconds" })
      const { declarator } = world.pairs[0]!
      yield* world.newBlock()
      const client = yield* miner(world)
      const fees = (more: bigint) => world.newTemplate({ coinbaseTxValueRemaining: 5_000_000_000n + more })
      const jobs = () => client.of("JobReceived").length
      const first = jobs()
      yield* fees(999n)
      yield* fees(-5000n)
      assert.deepStrictEqual([declarator.declared.length, jobs()], [1, first])
      yield* fees(1000n)
      assert.deepStrictEqual([declarator.declared.length, jobs()], [2, first + 1])
      yield* fees(3000n)
      assert.deepStrictEqual([declarator.declared.length, jobs()], [2, first + 1])
      yield* wait(11)
      assert.deepStrictEqual([declarator.declared.length, jobs()], [3, first + 2])
      // Providers forget templates, so no template is mined for long while there are newer ones.
      yield* fees(3001n)
      yield* wait(290)
      assert.strictEqual(declarator.declared.length, 3)
      yield* wait(15)
      assert.strictEqual(declarator.declared.length, 4)
    })
  )

  it.effect("follows a new block in the middle of a declaration, and gives up the one before", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted()
      const { declarator, pool } = world.pairs[0]!
      yield* world.newBlock()
      const client = yield* miner(world)
      pool.shares.length = 0
      declarator.refusal = () => ""
      yield* world.newBlock()
      yield* client.mine()
      const [late] = declarator.declared.slice(-1)
      declarator.refusal = () => undefined
      yield* world.newBlock()
      // The answer to the declaration of the block before comes late.
      yield* declarator.say(...declarator.decide(late!))
      yield* settled
      assert.strictEqual(pool.asked.length, 2)
      assert.strictEqual((yield* client.mine()).accepted, 8)
      yield* settled
      assert.deepStrictEqual(
        pool.shares.map(({ answer }) => answer),
        Array.from({ length: 8 }, () => "accepted")
      )
      const [stats] = yield* world.upstreams
      assert.deepInclude(stats, { lost: 8 })
    })
  )

  it.effect("declares again with another token if the declarator has forgotten its tokens", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({ declared: 2 })
      const { declarator, pool } = world.pairs[0]!
      let forgotten = 0
      declarator.refusal = () => (forgotten++ === 0 ? "invalid-mining-job-token" : undefined)
      yield* world.newBlock()
      assert.deepStrictEqual([declarator.declared.length, pool.asked.length], [2, 1])
      assert.strictEqual(yield* world.active, 0)
      // A second time in a row it is a refusal like any other.
      declarator.refusal = () => "invalid-mining-job-token"
      yield* world.newBlock()
      assert.strictEqual(yield* world.active, 1)
    })
  )

  it.effect(
    "declares a job that waits for a token before the next template takes its place, so that its shares are sent",
    () =>
      Effect.gen(function* () {
        for (const declareTransactions of [true, false]) {
          const world = yield* makeScripted({}, { declareTransactions })
          const { declarator, pool } = world.pairs[0]!
          yield* world.newBlock()
          const client = yield* miner(world)
          declarator.isAllocating = false
          // The tokens that were kept.
          for (let block = 0; block < 2; block++) yield* world.newBlock()
          yield* world.newBlock()
          pool.shares.length = 0
          yield* client.mine()
          yield* world.newTemplate({ coinbaseTxValueRemaining: 5_000_009_999n })
          yield* client.mine()
          assert.strictEqual(pool.shares.length, 0)
          const asked = pool.asked.length
          declarator.isAllocating = true
          yield* declarator.say(...declarator.tokens.slice(-2).map((request) => declarator.allocate(request)))
          yield* settled
          assert.deepStrictEqual([pool.asked.length, pool.shares.length], [asked + 2, 16])
        }
      })
  )

  it.effect("asks again for the transactions of a template if the provider does not give them", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted()
      const { declarator } = world.pairs[0]!
      yield* world.feed.setTransactions(() => undefined)
      yield* world.newBlock()
      assert.strictEqual(declarator.declared.length, 0)
      yield* world.feed.setTransactions(() => [])
      yield* wait(3)
      assert.strictEqual(declarator.declared.length, 1)
      assert.isTrue(world.log.some((line) => line.includes("no transactions of template 1: refused")))
    })
  )

  it.effect("goes on with a better template when the provider does not give the transactions of one", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted()
      const { declarator, pool } = world.pairs[0]!
      yield* world.feed.setTransactions((templateId) => (templateId === 2n ? undefined : []))
      yield* world.newBlock()
      const client = yield* miner(world)
      yield* world.newTemplate()
      yield* client.mine()
      yield* world.newTemplate()
      yield* wait(3)
      assert.strictEqual(declarator.declared.length, 2)
      yield* client.mine()
      yield* settled
      assert.strictEqual(pool.shares.length, 8)
      assert.deepInclude((yield* world.upstreams)[0], { lost: 8, passedOn: 8 })
      assert.strictEqual((yield* world.declarations)[0]!.kept, 0)
    })
  )

  it.effect("declares the transactions of the new template when a provider that restarts uses an id again", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted()
      const { declarator } = world.pairs[0]!
      const [old, fresh] = [1, 2].map((fill) => new Uint8Array(70).fill(fill))
      const publish = (block: number) =>
        world.publish(
          futureTemplate(1, { merklePath: [bytes(block)] }),
          newPrevHash(1, { prevHash: bytes(block), target: NO_TARGET, nbits: 0x03000001 })
        )
      yield* world.feed.setTransactions(() => [old!])
      yield* publish(50)
      yield* world.feed.setState({ _tag: "Disconnected", server: "memory", reason: "test" })
      yield* world.feed.setState({ _tag: "Connected", server: "memory" })
      yield* world.feed.setTransactions(() => [fresh!])
      yield* publish(51)
      assert.deepStrictEqual(
        declarator.declared.map(({ wtxidList }) => wtxidList),
        [[sha256d(old!)], [sha256d(fresh!)]]
      )
    })
  )

  it.effect("lets no miner roll version bits where the pool allows it not", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({}, {}, { flags: Mining.REQUIRES_FIXED_VERSION })
      yield* world.newBlock()
      const client = yield* miner(world)
      const [channel] = client.machine.channels.values()
      assert.isFalse(channel!.work!.versionRollingAllowed)
    })
  )

  it.effect("uses no token that is older than five minutes", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted()
      const { declarator } = world.pairs[0]!
      yield* world.newBlock()
      const before = declarator.tokens.length
      yield* wait(310)
      assert.isAbove(declarator.tokens.length, before)
      yield* world.newBlock()
      assert.isAbove(declarator.declared.at(-1)!.miningJobToken[1]!, before)
    })
  )

  it.effect("makes its job anew when the pool changes the prefix of its channel", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted()
      const { pool, port } = world.pairs[0]!
      yield* world.newBlock()
      const client = yield* miner(world)
      yield* world.network.say(pool, {
        _tag: "SetExtranoncePrefix",
        channelId: 7,
        extranoncePrefix: Uint8Array.of(0xee, 0xff)
      })
      yield* settled
      assert.strictEqual(pool.asked.length, 2)
      pool.shares.length = 0
      assert.strictEqual((yield* client.mine()).accepted, 8)
      yield* settled
      assert.deepStrictEqual(
        pool.shares.map(({ answer }) => answer),
        Array.from({ length: 8 }, () => "accepted")
      )
      assert.deepStrictEqual([port, client.of("ExtranoncePrefixChanged").length], [1, 0])
    })
  )

  it.effect("makes its job anew when the pool wants other outputs", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted()
      const { declarator, pool } = world.pairs[0]!
      declarator.outputs = [{ value: 0n, script: script(9) }]
      // Tokens with the outputs before are kept.
      for (let block = 0; block < 4; block++) yield* world.newBlock()
      assert.include(hex(pool.asked.at(-1)!.coinbaseTxOutputs), hex(script(9)))
      assert.strictEqual(yield* world.active, 0)
    })
  )

  it.effect(
    "sends a block to the template provider and to the declarator of its job, each once, also when another pair is in use",
    () =>
      Effect.gen(function* () {
        const world = yield* makeScripted({ declared: 2 })
        const [first, second] = world.pairs
        // Every second hash is a block.
        const block = { nbits: 0x207fffff, target: ANY_TARGET }
        yield* world.newBlock(block)
        const client = yield* world.connectRaw
        yield* client.send(openExtended())
        const miner = new Miner(yield* client.until("OpenExtendedMiningChannel.Success"))
        yield* client.follow(miner, "SetNewPrevHash")
        /** Finds a block for the miner's job, and counts the solutions that each was sent. */
        const find = Effect.gen(function* () {
          let found = 0
          while (found === 0) {
            yield* client.send(miner.mine())
            yield* settled
            found = (yield* Queue.clear(world.feed.solutions)).length
          }
          return [found, first!.declarator.solutions.length, second!.declarator.solutions.length]
        })
        assert.deepStrictEqual(yield* find, [1, 1, 0])
        yield* world.network.kill(first!.port)
        yield* settled
        assert.strictEqual(yield* world.active, 1)
        // A block on the job of the pool that is lost, whose declarator is still there.
        assert.deepStrictEqual(yield* find, [1, 2, 0])
        // The job of the other pair came behind answers to shares.
        for (let isNew = false; !isNew;) {
          const message = yield* client.next
          if (message._tag === "NewExtendedMiningJob" || message._tag === "SetNewPrevHash") miner.receive(message)
          isNew = message._tag === "SetNewPrevHash"
        }
        assert.deepStrictEqual(yield* find, [1, 2, 1])
        const { extranonce } = first!.declarator.solutions[0]!
        assert.strictEqual(extranonce.length, first!.pool.options.prefix.length + first!.pool.options.extranonceSize)
      })
  )

  it.effect("pushes a block that is found before the declarator has accepted its job when it has", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted()
      const { declarator } = world.pairs[0]!
      declarator.refusal = () => ""
      yield* world.newBlock({ nbits: 0x207fffff, target: ANY_TARGET })
      const client = yield* miner(world)
      const [channel] = client.machine.channels.values()
      let found = 0
      while (found === 0) {
        yield* client.submit(channel!.work!)
        yield* settled
        found = (yield* Queue.clear(world.feed.solutions)).length
      }
      assert.deepStrictEqual([found, declarator.solutions.length], [1, 0])
      declarator.refusal = () => undefined
      yield* declarator.say(...declarator.decide(declarator.declared.at(-1)!))
      yield* settled
      assert.strictEqual(declarator.solutions.length, 1)
    })
  )

  it.effect(
    "pushes a block of a job that the declarator knows and the pool does not take yet, but not to a later connection",
    () =>
      Effect.gen(function* () {
        const world = yield* makeScripted()
        const { declarator, pool } = world.pairs[0]!
        pool.refusal = () => "stale-chain-tip"
        declarator.refusal = () => (declarator.declared.length > 1 ? "" : undefined)
        yield* world.newBlock({ nbits: 0x207fffff, target: ANY_TARGET })
        const client = yield* miner(world)
        const find = Effect.gen(function* () {
          const [channel] = client.machine.channels.values()
          let found = 0
          while (found === 0) {
            yield* client.submit(channel!.work!)
            yield* settled
            found = (yield* Queue.clear(world.feed.solutions)).length
          }
          return declarator.solutions.length
        })
        assert.strictEqual(yield* find, 1)
        yield* declarator.kill
        declarator.isListening = true
        declarator.refusal = () => ""
        yield* wait(3)
        assert.strictEqual(yield* find, 1)
      })
  )

  it.effect("leaves the pools' declared jobs while no template provider is connected, and returns to them", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({ declared: 1, plain: 1 })
      yield* world.newBlock()
      yield* miner(world)
      yield* world.feed.setState({ _tag: "Disconnected", server: "memory", reason: "test" })
      yield* wait(5)
      assert.strictEqual(yield* world.active, 0)
      yield* wait(8)
      assert.strictEqual(yield* world.active, 1)
      yield* world.feed.setState({ _tag: "Connected", server: "memory" })
      yield* world.newBlock()
      yield* wait(70)
      assert.strictEqual(yield* world.active, 0)
    })
  )
})

/** Pays 20 bytes of 07. */
const OWN_HASH = "751e76e8199196d454941c45d1b3a323f1433bd6"
const OWN_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
