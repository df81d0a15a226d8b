/** All targets of `npm run fuzz`. */
import { addressesTarget, keysTarget } from "./addresses.ts"
import { clientTarget } from "./client.ts"
import { declarationClientTarget } from "./declaration-client.ts"
import { declarationServerTarget } from "./declaration-server.ts"
import { deviceTarget } from "./device.ts"
import { handshakeTarget } from "./handshake.ts"
import { describeTarget, framesTarget, messagesTarget } from "./messages.ts"
import { serverTarget } from "./server.ts"
import { proxyHeadersTarget } from "./proxy-headers.ts"
import { sessionTarget } from "./session.ts"
import { v1ClientTarget, v1LinesTarget, v1ServerTarget } from "./stratum-v1.ts"
import type { FuzzTarget } from "./target.ts"
import { tlvTarget } from "./tlvs.ts"
import { v1MinerLinesTarget, v1MinerMessagesTarget } from "./v1-miner.ts"
import { v1PoolTarget } from "./v1-pool.ts"

export const targets: ReadonlyArray<FuzzTarget> = [
  framesTarget,
  messagesTarget,
  tlvTarget,
  describeTarget,
  serverTarget,
  clientTarget,
  sessionTarget,
  declarationClientTarget,
  declarationServerTarget,
  deviceTarget,
  keysTarget,
  addressesTarget,
  proxyHeadersTarget,
  v1LinesTarget,
  v1ServerTarget,
  v1ClientTarget,
  v1MinerLinesTarget,
  v1MinerMessagesTarget,
  v1PoolTarget,
  handshakeTarget
]
