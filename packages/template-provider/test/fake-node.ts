/** A node that a test drives: what it answers, announces and refuses. */
import { hashFromDisplay } from "@sluice/bitcoin"
import {
  type BlockTemplate,
  NodeNotifications,
  NodeMethodUnknown,
  NodeRefused,
  NodeRpc,
  NodeRpcError,
  type NodeNotification
} from "@sluice/node"
import { Context, Deferred, Effect, Layer, PubSub, Result, Stream } from "effect"
import type { NextBlockHeader } from "../src/index.ts"

export class FakeNode extends Context.Service<FakeNode, Effect.Success<typeof make>>()("test/FakeNode") {
  static readonly layer: Layer.Layer<FakeNode | NodeRpc | NodeNotifications> = Layer.effectContext(
    Effect.map(
      Effect.suspend(() => make),
      (node) =>
        Context.make(FakeNode, node).pipe(
          Context.add(NodeRpc, node.rpc as unknown as NodeRpc["Service"]),
          Context.add(NodeNotifications, { events: Stream.fromPubSub(node.pubsub) })
        )
    )
  )
}

const make = Effect.gen(function* () {
  const pubsub = yield* PubSub.unbounded<NodeNotification>()
  let template: BlockTemplate | undefined
  let failure: NodeRpcError["reason"] | undefined
  let infoFailure: NodeRpcError["reason"] | undefined
  let changed = Deferred.makeUnsafe<void>()
  const submitted: Array<string> = []
  const headers = new Map<string, NextBlockHeader & { readonly time?: number }>()
  const counts = { polls: 0, longPolls: 0, submits: 0 }
  const asked: Array<string> = []
  const settings = {
    verdict: null as string | null,
    longPolling: true,
    headerDelayMs: 0,
    /** Whether `submitblock` never answers. */
    hangs: false,
    network: { version: 290_000, subversion: "/Satoshi:29.0.0/", connections: 8 },
    zmq: [{ type: "pubhashblock", address: "tcp://127.0.0.1:28332" }] as
      | ReadonlyArray<{ readonly type: string; readonly address: string }>
      | undefined
  }
  /** What `getblockchaininfo` answers. */
  const info = {
    chain: "regtest",
    blocks: 99,
    headers: 99,
    bestblockhash: "00".repeat(32),
    difficulty: 1,
    mediantime: 0,
    verificationprogress: 1,
    initialblockdownload: false,
    chainwork: "00".repeat(32)
  }

  const fail = (method: string, reason: NodeRpcError["reason"]) => new NodeRpcError({ node: "fake", method, reason })

  /** Waits for a template as long as the test has given none, and for another one if its id is `known`. */
  const answer = (known?: string): Effect.Effect<BlockTemplate, NodeRpcError> =>
    Effect.suspend(() => {
      if (failure !== undefined) return Effect.fail(fail("getblocktemplate", failure))
      if (template !== undefined && template.longpollid !== known) return Effect.succeed(template)
      return Effect.andThen(Deferred.await(changed), answer(known))
    })

  return {
    pubsub,
    info,
    /** What `getblockchaininfo` fails with. */
    setInfoFailure: (reason: NodeRpcError["reason"] | undefined) =>
      Effect.sync(() => {
        infoFailure = reason
      }),
    /** By hash, what `getblockheader` answers. */
    headers,
    /** The blocks whose headers were asked for. */
    asked,
    submitted,
    counts,
    settings,
    rpc: {
      getBlockTemplate: (request?: { readonly longPollId?: string | undefined }) =>
        Effect.suspend(() => {
          if (request?.longPollId === undefined) {
            counts.polls++
            return answer()
          }
          counts.longPolls++
          return settings.longPolling ? answer(request.longPollId) : Effect.never
        }),
      getBlockHeader: (hash: string) =>
        Effect.suspend(() => {
          asked.push(hash)
          if (failure !== undefined) return Effect.fail(fail("getblockheader", failure))
          const header = headers.get(hash)
          if (header !== undefined) return Effect.delay(Effect.succeed(header), settings.headerDelayMs)
          return Effect.fail(fail("getblockheader", new NodeRefused({ code: -5, detail: "Block not found" })))
        }),
      getBlockHeaders: (hash: string, count: number) =>
        Effect.suspend(() => {
          const found: Array<NextBlockHeader> = []
          for (let at = headers.get(hash); at !== undefined && found.length < count;) {
            asked.push(at.hash)
            found.unshift(at)
            at = headers.get(at.previousblockhash ?? "")
          }
          return found.length > 0
            ? Effect.succeed(found)
            : Effect.fail(fail("getblockheader", new NodeRefused({ code: -5, detail: "Block not found" })))
        }),
      getNodeStatus: Effect.suspend(() =>
        infoFailure === undefined
          ? Effect.succeed({
              blockchain: info,
              network: Result.succeed(settings.network),
              zmq:
                settings.zmq === undefined
                  ? Result.fail(fail("getzmqnotifications", new NodeMethodUnknown()))
                  : Result.succeed(settings.zmq)
            })
          : Effect.fail(fail("getblockchaininfo", infoFailure))
      ),
      getBlockchainInfo: Effect.suspend(() =>
        infoFailure === undefined ? Effect.succeed(info) : Effect.fail(fail("getblockchaininfo", infoFailure))
      ),
      submitBlock: (block: Uint8Array | string) =>
        Effect.suspend(() => {
          counts.submits++
          if (settings.hangs) return Effect.never
          if (failure !== undefined) return Effect.fail(fail("submitblock", failure))
          submitted.push(typeof block === "string" ? block : Buffer.from(block).toString("hex"))
          return Effect.succeed(settings.verdict)
        })
    },
    /** What `getblocktemplate` answers from now on; a long poll for another answer ends. */
    setTemplate: (next: BlockTemplate) =>
      Effect.suspend(() => {
        template = next
        const waiting = changed
        changed = Deferred.makeUnsafe()
        return Effect.asVoid(Deferred.succeed(waiting, undefined))
      }),
    /** Announces the block that the current template builds on. */
    announce: Effect.suspend(() =>
      PubSub.publish(pubsub, { _tag: "NewBlock", hash: hashFromDisplay(template!.previousblockhash) })
    ),
    /** Every call fails like this from now on, or works again. */
    setFailure: (reason: NodeRpcError["reason"] | undefined) =>
      Effect.suspend(() => {
        failure = reason
        const waiting = changed
        changed = Deferred.makeUnsafe()
        return Effect.asVoid(Deferred.succeed(waiting, undefined))
      })
  }
})
