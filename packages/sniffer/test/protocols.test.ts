/** A sniffer on the three protocols, on a user's own extensions, and on unknown frames. */
import { assert, describe, it } from "@effect/vitest"
import {
  ExtensionsNegotiation,
  JobDeclaration,
  Message,
  Mining,
  Protocol,
  TemplateDistribution,
  U32,
  U8,
  WorkerIdentity
} from "@sluice/protocol"
import { Effect } from "effect"
import { Verdict } from "../src/index.ts"
import { connect, frame, makeWorld, setup } from "./raw.ts"

describe("messages", () => {
  it.effect("are decoded by the protocol that SetupConnection names", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld()
      const { sniffer } = world
      const declared = yield* connect(world, JobDeclaration.protocol.id)
      yield* declared.client.write([
        JobDeclaration.protocol.toServer.encode({ _tag: "AllocateMiningJobToken", requestId: 7, userIdentifier: "jdc" })
      ])
      const token = yield* sniffer.waitFor(JobDeclaration.AllocateMiningJobToken)
      assert.deepInclude(token, { connectionId: 1, protocol: "job-declaration" })
      assert.strictEqual(token.message.userIdentifier, "jdc")
      const templates = yield* connect(world, TemplateDistribution.protocol.id)
      yield* templates.client.write([
        TemplateDistribution.protocol.toServer.encode({
          _tag: "CoinbaseOutputConstraints",
          coinbaseOutputMaxAdditionalSize: 100,
          coinbaseOutputMaxAdditionalSigops: 4
        })
      ])
      const constraints = yield* sniffer.waitFor(TemplateDistribution.CoinbaseOutputConstraints)
      assert.deepInclude(constraints, { connectionId: 2, protocol: "template-distribution" })
      const tags = (yield* sniffer.seen).map(({ message }) => message?._tag)
      assert.deepStrictEqual(
        tags.filter((tag) => tag?.startsWith("SetupConnection") === false),
        ["AllocateMiningJobToken", "CoinbaseOutputConstraints"]
      )
    })
  )

  it.effect("of extensions are reported too, and shares with their TLVs", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const world = yield* makeWorld({
        sniffer: {
          rule: (message, to) => {
            const worker = WorkerIdentity.UserIdentity.get(message)?.userIdentity
            told.push(`${to} ${message._tag}${worker === undefined ? "" : ` of ${worker}`}`)
            return message._tag === "SubmitSharesExtended" ? Verdict.replace({ ...message, nonce: 0 }) : Verdict.pass
          }
        }
      })
      const { client, server } = yield* connect(world)
      const { RequestExtensions } = ExtensionsNegotiation
      const share = Buffer.from(
        "00801b2a0000010000000200000003000000efbeadde40d6645fe0ffff3f02abcd0200010a00576f726b65725f303031",
        "hex"
      )
      yield* client.write([
        RequestExtensions.codec.encode(RequestExtensions.make({ requestId: 1, requestedExtensions: [2] })),
        share
      ])
      const [, arrived] = yield* server.pull
      assert.deepStrictEqual(told.slice(2), ["server RequestExtensions", "server SubmitSharesExtended of Worker_001"])
      // Changed in its nonce alone, with the worker's name behind it still.
      share.fill(0, 18, 22)
      assert.isTrue(share.subarray(6).equals(arrived!.payload))
    })
  )

  it.effect(
    "of one's own extension are decoded where the sniffer is told of them, and can be waited for in any case",
    () =>
      Effect.gen(function* () {
        const SetFanSpeed = Message.make("SetFanSpeed", {
          type: 0x00,
          to: "client",
          channel: true,
          extension: 0x4abc,
          spec: "https://example.com/set-fan-speed",
          fields: { channelId: U32, percent: U8 }
        })
        const protocol = Protocol.extend(Mining.protocol, [SetFanSpeed])
        const full = SetFanSpeed.codec.encode(SetFanSpeed.make({ channelId: 1, percent: 100 }))
        const knowing = yield* makeWorld({
          sniffer: {
            protocol,
            rule: (message) =>
              message._tag === "SetFanSpeed" ? Verdict.replace({ ...message, percent: 50 }) : Verdict.pass
          }
        })
        const first = yield* connect(knowing)
        yield* first.server.write([full])
        assert.strictEqual((yield* first.client.pull)[0].payload.at(-1), 50)
        const unknowing = yield* makeWorld()
        const second = yield* connect(unknowing)
        yield* second.server.write([full])
        assert.strictEqual((yield* unknowing.sniffer.waitFor(SetFanSpeed)).message.percent, 100)
        yield* unknowing.sniffer.inject(1, SetFanSpeed, { channelId: 1, percent: 20 })
        yield* second.client.pull
        assert.strictEqual((yield* second.client.pull)[0].payload.at(-1), 20)
      })
  )

  it.effect("that are unknown, do not decode or belong to another protocol pass without a call of the rule", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld({ sniffer: { protocol: Mining.protocol, rule: () => Verdict.drop } })
      const client = yield* world.dial()
      yield* client.write([setup(1), frame(0x4abc, 0, 1), frame(0x8000, 0x1a, 1, 2)])
      const { frames } = yield* world.accept
      const arrived = yield* frames.pull
      assert.deepStrictEqual(
        arrived.map(({ messageType }) => messageType),
        [0x00, 0x00, 0x1a]
      )
    })
  )
})
