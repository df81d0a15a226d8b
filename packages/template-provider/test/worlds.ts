/** A template provider over a node, and a dialer to it, on a network in memory. */
import type { NodeNotifications, NodeRpc } from "@sluice/node"
import { type Device, Memory, Plain, Setup, TemplateDialer, TemplateListener } from "@sluice/transport"
import { dialerWith } from "@sluice/testing/bound-setup"
import { Layer, Logger } from "effect"
import { TemplateProvider, type TemplateProviderOptions } from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"

export interface WorldOptions {
  /** What the dialer says of itself. */
  readonly device?: Partial<Device>
  /** Where the provider's log goes, a line each, its level first; nowhere. */
  readonly log?: Array<string>
  readonly network?: Memory.NetworkOptions
}

export const providerOver = <Node, E>(
  node: Layer.Layer<Node | NodeRpc | NodeNotifications, E>,
  options?: TemplateProviderOptions,
  { device, log = [], network }: WorldOptions = {}
) =>
  Layer.mergeAll(
    TemplateProvider.layer(options).pipe(
      Layer.provide(Setup.server(TemplateListener)),
      Layer.provide(Plain.listener),
      Layer.provideMerge(node)
    ),
    dialerWith(TemplateDialer, device === undefined ? {} : { device }).pipe(Layer.provideMerge(Plain.dialer))
  ).pipe(
    Layer.provide(Memory.network(network)),
    Layer.provide(
      Logger.layer([Logger.make(({ logLevel, message }) => void log.push(`${logLevel} ${String(message)}`))])
    )
  )

/** Over a node that the test drives. */
export const fakeWorld = (options?: TemplateProviderOptions, more?: WorldOptions) =>
  providerOver(FakeNode.layer, options, more)
