/** What operators may change. */
import type { ChannelView } from "../../src/api/miners.ts"
import type { Change, Field } from "./action.tsx"
import { text } from "./text.ts"

const server = (label: string, isOptional: boolean): ReadonlyArray<Field> => [
  { name: "host", label, isOptional },
  { name: "port", label: text.change.port, type: "number", value: "3333", max: 65_535, isOptional }
]
const endpoint = (given: Readonly<Record<string, string>>) => ({ host: given["host"], port: Number(given["port"]) })

export const closeChannel = ({ channelId, connectionId, worker }: ChannelView): Change => ({
  label: text.change.close,
  about: text.change.closeAbout(worker),
  path: "/channels/close",
  fields: [{ name: "reason", label: text.change.reason, value: "closed-by-operator" }],
  body: ({ reason }) => ({ connectionId, channelId, reason })
})

export const reconnect = (connectionId: number): Change => ({
  label: text.change.reconnect,
  about: text.change.reconnectAbout(String(connectionId)),
  path: "/connections/reconnect",
  fields: server(text.change.hereIfEmpty, true),
  body: (given) => ({ connectionId, ...(given["host"] === undefined ? {} : { to: endpoint(given) }) })
})

export const drain: Change = {
  label: text.change.drain,
  about: text.change.drainAbout,
  path: "/drain",
  fields: [
    ...server(text.change.host, false),
    { name: "perSecond", label: text.change.perSecond, type: "number", value: "100", max: 10_000 }
  ],
  body: (given) => ({ to: endpoint(given), perSecond: Number(given["perSecond"]) })
}

/** More than all bitcoins that there will be. */
const MAX_SATOSHIS = 2_100_000_000_000_000

export const adjust = (user: string): Change => ({
  label: text.change.adjust,
  about: text.change.adjustAbout(user),
  path: "/ledger/adjust",
  fields: [
    { name: "satoshis", label: text.change.satoshis, type: "number", min: -MAX_SATOSHIS, max: MAX_SATOSHIS },
    { name: "reason", label: text.change.adjustReason }
  ],
  body: ({ reason, satoshis }) => ({ user, satoshis: Number(satoshis), reason })
})
